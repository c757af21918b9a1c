"""exp, SiLU and softplus in float32, written so that LLVM vectorizes the loops that call them.

Largest relative errors, measured against float64 over every finite float32 whose result is a normal
number, but for the exceptions:

| function   | error   | at x       | exceptions                                                   |
|------------|---------|------------|--------------------------------------------------------------|
| `exp`      | 0.85e-7 | 26.690403  | 0 below x = -87.34, infinite above x = 88.72                 |
| `silu`     | 1.75e-7 | -16.651403 | -0 below x = -88.72, where the exact one is above -2.7e-37   |
| `softplus` | 2.29e-7 | -2.7259033 | 0 below x = -87.34                                           |

What is not a number stays so. These functions assume nothing of infinities; nor may the `fastmath`
of who calls them.
"""

import numpy as np
from numba import prange

from models.compiled import compiled

F = np.float32

LOWEST = F(-87.33654)
"""The least x whose exponential is a normal number."""
HIGHEST = F(88.72283)
"""The largest x whose exponential is finite."""

_LOG2_E = F(1.44269504)
_LN2_HIGH, _LN2_LOW = F(0.693359375), F(-2.12194440e-4)  # n * high is exact for |n| < 2**9
_ROUND = F(12582912.0)  # 1.5 * 2**23: adding it rounds to an integer in the low bits

# exp(r) = 1 + r + r**2 * p(r) for |r| <= ln(2) / 2: Cephes, expf.
_EXP = tuple(
    F(c) for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2,
                   1.6666665459e-1, 5.0000001201e-1)
)  # fmt: skip


@compiled(fastmath={"contract"}, error_model="numpy")
def exp(x):  # type: ignore[no-untyped-def]
    """`e**x` of one float32."""
    inside = min(max(x, LOWEST), HIGHEST)
    shifted = inside * _LOG2_E + _ROUND
    n = shifted - _ROUND
    r = inside - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = _EXP[0] * r + _EXP[1]
    p = p * r + _EXP[2]
    p = p * r + _EXP[3]
    p = p * r + _EXP[4]
    p = p * r + _EXP[5]
    p = p * (r * r) + r
    # The result is a normal number, so that n goes straight into its exponent: n is what the low
    # bits of `shifted` hold, and the shift drops the others.
    exponent = np.int32(np.float32(shifted).view(np.int32) << 23)
    value = np.int32(np.float32(p + F(1)).view(np.int32) + exponent).view(np.float32)
    value = F(0) if x < LOWEST else value
    value = F(np.inf) if x > HIGHEST else value
    return value if x == x else x


@compiled(fastmath={"contract"}, error_model="numpy")
def silu(x):  # type: ignore[no-untyped-def]
    """`x / (1 + e**-x)` of one float32."""
    return x / (F(1) + exp(-x))


# atanh(s) = s + s**3 * q(s**2) for s <= 1/3, q of least relative error.
_ATANH = (F(1.343377382e-1), F(1.411697865e-1), F(2.000383586e-1), F(3.333331943e-1))


@compiled(fastmath={"contract"}, error_model="numpy")
def softplus(x):  # type: ignore[no-untyped-def]
    """`log(1 + e**x)` of one float32."""
    u = exp(-abs(x))
    # log(1 + u) = 2 atanh(u / (2 + u)), whose series keeps the relative error when u is small.
    s = u / (F(2) + u)
    q = s * s
    p = ((_ATANH[0] * q + _ATANH[1]) * q + _ATANH[2]) * q + _ATANH[3]
    return max(x, F(0)) + F(2) * (s + s * q * p)


@compiled()
def softplus_into(x):  # type: ignore[no-untyped-def]
    """softplus of every number of x (tokens, n), in place."""
    if len(x) == 1:
        _softplus_row(x[0])
    else:
        _softplus_rows(x)


@compiled(parallel=True)
def _softplus_rows(x):  # type: ignore[no-untyped-def]
    for token in prange(len(x)):
        _softplus_row(x[token])


@compiled()
def _softplus_row(x):  # type: ignore[no-untyped-def]
    for k in range(x.size):
        x[k] = softplus(x[k])
