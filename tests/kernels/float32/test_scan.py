"""Both forms of Mamba-2's scan are the oracle's, for any division into chunks, heads and groups."""

import numpy as np
import pytest

from models.kernels.float32.scan import CHUNK, scan
from models.kernels.float32.tiles import COLUMNS
from models.networks.oracle import scan as oracle
from tests.kernels.float32.examples import difference, normal


def arguments(tokens, heads, head_dim, groups, state):
    """Decays from 1e-7 to nearly 1, and a state to start from."""
    rng = np.random.default_rng(0)
    return {
        "x": normal(tokens, heads, head_dim),
        "delta": np.exp(rng.uniform(-7, 0, (tokens, heads))).astype(np.float32),
        "A": -rng.uniform(1, 16, heads).astype(np.float32),
        "B": normal(tokens, groups, state),
        "C": normal(tokens, groups, state, seed=1),
        "h": normal(heads, head_dim, state),
    }


@pytest.mark.parametrize("chunked", [False, True], ids=["sequential", "chunked"])
@pytest.mark.parametrize(
    ("tokens", "heads", "head_dim", "groups", "state"),
    [
        (1, 2, 3, 1, 4),
        (CHUNK - 1, 2, COLUMNS, 2, 16),
        (CHUNK, 4, 8, 2, 5),
        (2 * CHUNK + 37, 6, COLUMNS + 1, 3, 16),
    ],
)
def test_is_the_recurrence(tokens, heads, head_dim, groups, state, chunked):
    given, D = arguments(tokens, heads, head_dim, groups, state), normal(heads, seed=2)
    start = given["h"].copy()
    y, h = scan(**given, D=D, chunked=chunked)
    expected, after = oracle.scan_chunked(**given, chunk=1)
    assert difference(y, expected + D[:, None] * given["x"]) < 2e-6
    assert difference(h, after) < 2e-6
    np.testing.assert_array_equal(given["h"], start)


@pytest.mark.parametrize("chunked", [False, True], ids=["sequential", "chunked"])
def test_a_decay_of_nothing_and_of_everything(chunked):
    """exp(delta * A) of 0 and of 1, over chunks: no infinity times zero."""
    given = arguments(CHUNK + 9, 2, 4, 1, 8)
    given["delta"][:, 0], given["delta"][:, 1] = 50, 1e-30
    y, h = scan(**given, D=np.zeros(2, np.float32), chunked=chunked)
    expected, after = oracle.scan_chunked(**given, chunk=1)
    assert difference(y, expected) < 2e-6
    assert difference(h, after) < 2e-6


def test_groups_must_divide_the_heads():
    given = arguments(2, 3, 4, 2, 8)
    with pytest.raises(ValueError, match="groups") as refused:
        scan(**given, D=np.zeros(3, np.float32))
    assert str(refused.value) == "B must have a number of groups that divides 3 heads, not 2"
