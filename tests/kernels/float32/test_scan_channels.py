"""Mamba-1's scan is the oracle's, for any division into blocks of channels."""

import numpy as np
import pytest

from models.kernels.float32.scan_channels import BLOCK, scan_channels
from models.networks.oracle import scan as oracle
from tests.kernels.float32.examples import difference, normal


@pytest.mark.parametrize("tokens", [1, 30])
@pytest.mark.parametrize("inner", [3, BLOCK, 2 * BLOCK + 21])
@pytest.mark.parametrize("state", [1, 16])
def test_is_the_recurrence(tokens, inner, state):
    rng = np.random.default_rng(0)
    x, delta = normal(tokens, inner), np.exp(rng.uniform(-7, 0, (tokens, inner)))
    A, D = -rng.uniform(1, 16, (inner, state)).astype(np.float32), normal(inner)
    B, C, h = normal(tokens, state), normal(tokens, state, seed=1), normal(inner, state)
    delta, by_state = delta.astype(np.float32), (np.ascontiguousarray(a.T) for a in (A, h))
    rates, start = by_state
    before = start.copy()
    y, after = scan_channels(x, delta, rates, B, C, D, start)
    expected, expected_after = oracle.scan_channels(x, delta, A, B, C, h)
    assert difference(y, expected + D * x) < 2e-6
    assert difference(after, expected_after.T) < 2e-6
    np.testing.assert_array_equal(start, before)


def test_wrong_shapes_are_refused():
    x = normal(2, 5)
    B, D, h = normal(2, 4), normal(5), normal(4, 5)
    with pytest.raises(ValueError, match=r"^A must have shape \(state, 5\), not \(5, 4\)$"):
        scan_channels(x, x, normal(5, 4), B, B, D, h)
