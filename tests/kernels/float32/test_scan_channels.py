"""Both forms of Mamba-1's scan are the oracle's, for any division into chunks and channels."""

import numpy as np
import pytest

from models.kernels.float32.scan_channels import BLOCK, CHUNK, scan_channels
from models.networks.oracle import scan as oracle
from tests.kernels.float32.examples import difference, normal

both_forms = pytest.mark.parametrize("chunked", [False, True], ids=["sequential", "chunked"])


def arguments(tokens, inner, state):
    """Decays from 1e-7 to nearly 1, and a state to start from; as the oracle takes them."""
    rng = np.random.default_rng(0)
    return {
        "x": normal(tokens, inner),
        "delta": np.exp(rng.uniform(-7, 0, (tokens, inner))).astype(np.float32),
        "A": -rng.uniform(1, 16, (inner, state)).astype(np.float32),
        "B": normal(tokens, state),
        "C": normal(tokens, state, seed=1),
        "h": normal(inner, state),
    }


def turned(given):
    """As the kernel takes them, the state's numbers first."""
    return given | {name: np.ascontiguousarray(given[name].T) for name in ("A", "h")}


def require_recurrence(given, D, chunked):
    """Of the kernel, which leaves its arguments as they were."""
    ours = turned(given)
    y, after = scan_channels(**ours, D=D, chunked=chunked)
    np.testing.assert_array_equal(ours["h"], given["h"].T)
    expected, expected_after = oracle.scan_channels(**given)
    assert difference(y, expected + D * given["x"]) < 2e-6
    assert difference(after, expected_after.T) < 2e-6


@both_forms
@pytest.mark.parametrize(
    ("tokens", "inner", "state"),
    [
        (1, 3, 1),
        (30, 2 * BLOCK + 21, 16),
        (CHUNK - 1, BLOCK, 4),
        (CHUNK, 5, 16),
        (CHUNK + 1, BLOCK + 1, 3),
        (2 * CHUNK, 7, 2),
        (3 * CHUNK + 37, BLOCK + 21, 16),
    ],
)
def test_is_the_recurrence(tokens, inner, state, chunked):
    require_recurrence(arguments(tokens, inner, state), normal(inner, seed=2), chunked)


@both_forms
def test_a_decay_of_nothing_and_of_everything(chunked):
    """exp(delta * A) of 0 and of 1, over chunks, and what underflows over a chunk alone."""
    given = arguments(3 * CHUNK + 9, 4, 8)
    given["delta"][:] = 50, 1e-30, 1 / CHUNK, 0.1
    require_recurrence(given, np.zeros(4, np.float32), chunked)


@both_forms
def test_the_state_it_starts_from_reaches_the_last_chunk(chunked):
    """Without inputs, only the carry between chunks brings it there.

    Few tokens decay: the roundings of a product of many decays would add up.
    """
    given = arguments(3 * CHUNK + 9, 4, 8)
    given["x"] *= 0
    given["delta"] *= (np.arange(len(given["x"])) % 100 == 0)[:, None] * np.float32(0.02)
    require_recurrence(given, np.zeros(4, np.float32), chunked)


@both_forms
def test_no_tokens_change_nothing(chunked):
    given = turned(arguments(0, 4, 8))
    y, after = scan_channels(**given, D=normal(4), chunked=chunked)
    assert y.shape == (0, 4)
    np.testing.assert_array_equal(after, given["h"])


def test_wrong_shapes_are_refused():
    x = normal(2, 5)
    B, D, h = normal(2, 4), normal(5), normal(4, 5)
    with pytest.raises(ValueError, match=r"^A must have shape \(state, 5\), not \(5, 4\)$"):
        scan_channels(x, x, normal(5, 4), B, B, D, h)
