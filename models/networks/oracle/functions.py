"""The functions of a Mamba layer in float32; all work on the last axis or on every element."""

import numpy as np

from models.units.hadamard import factors, transform


def silu(x: np.ndarray) -> np.ndarray:
    """`x * sigmoid(x)`.

    x         float32 (...)
    return    float32 (...)
    """
    # Far below zero exp(-x) is infinite and the quotient is the right limit, zero.
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


def softplus(x: np.ndarray) -> np.ndarray:
    """`log(1 + exp(x))`, without overflow.

    x         float32 (...)
    return    float32 (...)  never negative
    """
    return np.logaddexp(np.float32(0), x)


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    """`weight * x / sqrt(mean(x**2) + eps)`.

    x         float32 (..., n)
    weight    float32 (n,)
    return    float32 (..., n)
    """
    mean_square = np.mean(x * x, axis=-1, keepdims=True)
    return weight * (x / np.sqrt(mean_square + np.float32(eps)))


def gated_rms_norm(
    y: np.ndarray, z: np.ndarray, weight: np.ndarray, eps: float, groups: int
) -> np.ndarray:
    """RMS norm of `y * silu(z)`, gate first, with one mean square for each group of channels.

    y, z      float32 (..., n)
    weight    float32 (n,)
    groups    divides n; consecutive channels share a mean square
    return    float32 (..., n)

    `RMSNormGated` of state-spaces/mamba with `norm_before_gate=False`, `group_size=n // groups`.
    """
    parts = (groups, y.shape[-1] // groups)
    gated = (y * silu(z)).reshape(*y.shape[:-1], *parts)
    return rms_norm(gated, weight.reshape(parts), eps).reshape(y.shape)


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """Matrix times vector, plus the bias if there is one.

    x         float32 (..., columns)
    weight    float32 (rows, columns)
    bias      float32 (rows,) or None
    return    float32 (..., rows)
    """
    out = x @ weight.T
    return out if bias is None else out + bias


def turned(x: np.ndarray) -> np.ndarray:
    """The online rotation before out_proj, as the hadamard unit does it: `H x / 2**halvings`.

    x         float32 (..., n)
    return    float32 (..., n)
    """
    return transform(x) * np.float32(0.5 ** turned_halvings(x.shape[-1]))


def turned_halvings(width: int) -> int:
    """Exponent of the power of two next to the square root of the transform's block length.

    >>> turned_halvings(256), turned_halvings(5120)
    (4, 6)
    """
    _, base, points = factors(width)
    return (base * points).bit_length() // 2
