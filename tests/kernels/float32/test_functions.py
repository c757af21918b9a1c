"""exp, SiLU and softplus: the errors that they state, and their extremes."""

import math

import numpy as np
import pytest
from numba import njit

from models.kernels.float32.functions import exp, silu, softplus, softplus_into
from models.networks.oracle import functions as oracle

SMALLEST = np.finfo(np.float32).tiny
# One float32 in 4,000, of every sign and exponent, and where each function was found worst.
WORST = np.float32([26.690403, -16.651403, -2.7259033])
EVERY = np.append(np.arange(0, 2**32, 4_001).astype(np.uint32).view(np.float32), WORST)


@njit
def applied(function, x):
    out = np.empty_like(x)
    for k in range(x.size):
        out[k] = function(x[k])
    return out


def largest_error(function, x, exact):
    """Relative error where the exact result is a normal float32."""
    with np.errstate(over="ignore"):
        normal = (np.abs(exact) >= SMALLEST) & (np.abs(exact) <= np.finfo(np.float32).max)
    found = applied(function, x[normal]).astype(np.float64)
    return np.abs(found / exact[normal] - 1).max()


def finite(x):
    return x[np.isfinite(x)]


def test_exp_is_as_exact_as_stated():
    x = finite(EVERY)
    with np.errstate(over="ignore"):
        assert largest_error(exp, x, np.exp(x.astype(np.float64))) <= 0.85e-7


def test_silu_is_as_exact_as_stated():
    x = finite(EVERY)
    x = x[x > -88]
    exact = x / (1 + np.exp(-x.astype(np.float64)))
    assert largest_error(silu, x, exact) <= 1.75e-7


def test_softplus_is_as_exact_as_stated():
    x = finite(EVERY)
    wide = x.astype(np.float64)
    exact = np.maximum(wide, 0) + np.log1p(np.exp(-np.abs(wide)))
    assert largest_error(softplus, x, exact) <= 2.29e-7


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (exp, -math.inf, 0),
        (exp, -87.4, 0),
        (exp, 0, 1),
        (exp, 88.73, math.inf),
        (exp, math.inf, math.inf),
        (exp, math.nan, math.nan),
        (silu, -1e30, 0),
        (silu, -89, 0),
        (silu, 0, 0),
        (silu, 1e30, np.float32(1e30)),
        (silu, math.nan, math.nan),
        (softplus, -math.inf, 0),
        (softplus, -100, 0),
        (softplus, 200, 200),
        (softplus, math.inf, math.inf),
        (softplus, math.nan, math.nan),
    ],
)
def test_extremes(function, x, expected):
    found = applied(function, np.array([x], np.float32))
    np.testing.assert_array_equal(found, np.array([expected], np.float32))


@pytest.mark.parametrize("tokens", [1, 3])
def test_softplus_of_rows(tokens):
    x = np.linspace(-20, 20, tokens * 37, dtype=np.float32).reshape(tokens, 37)
    expected = oracle.softplus(x)
    softplus_into(x)
    np.testing.assert_allclose(x, expected, rtol=4e-7)
