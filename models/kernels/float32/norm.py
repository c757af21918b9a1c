"""RMS norms in float32: the plain one, and that of a gated vector in groups; and the gate alone."""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from models.compiled import compiled
from models.kernels.checks import require_float32
from models.kernels.float32.functions import silu
from models.kernels.float32.matvec import dot


def rms_norm(
    x: NDArray[np.float32], weight: NDArray[np.float32], eps: float
) -> NDArray[np.float32]:
    """`models.networks.oracle.functions.rms_norm`.

    x         float32 (tokens, n)
    weight    float32 (n,)
    return    float32 (tokens, n)
    """
    _, n = require_float32(x, ("tokens", "n"), "x").shape
    out = np.empty_like(x)
    rms_norm_into(x, require_float32(weight, (n,), "weight"), np.float32(eps), out)
    return out


def gated_rms_norm(
    y: NDArray[np.float32],
    z: NDArray[np.float32],
    weight: NDArray[np.float32],
    eps: float,
    groups: int,
) -> NDArray[np.float32]:
    """`models.networks.oracle.functions.gated_rms_norm`.

    y, z      float32 (tokens, n)
    weight    float32 (n,)
    groups    divides n
    return    float32 (tokens, n)
    """
    _, n = require_float32(y, ("tokens", "n"), "y").shape
    require_float32(z, y.shape, "z")
    require_float32(weight, (n,), "weight")
    if groups < 1 or n % groups:
        raise ValueError(f"groups must divide the {n} channels, not {groups}")
    out = np.empty_like(y)
    gated_rms_norm_into(y, z, weight, np.float32(eps), groups, out)
    return out


@compiled()
def rms_norm_into(x, weight, eps, out):  # type: ignore[no-untyped-def]
    if len(x) == 1:
        rms_norm_row(x[0], weight, eps, out[0])
    else:
        _rms_norm_rows(x, weight, eps, out)


@compiled()
def gated_rms_norm_into(y, z, weight, eps, groups, out):  # type: ignore[no-untyped-def]
    """z may have more columns than y; the first ones are the gate."""
    if len(y) == 1:
        gated_rms_norm_row(y[0], z[0], weight, eps, groups, out[0])
    else:
        _gated_rms_norm_rows(y, z, weight, eps, groups, out)


@compiled()
def gate_into(y, z, first, out):  # type: ignore[no-untyped-def]
    """`y * silu(z)`, of z (tokens, ...) from column `first` on; out may be y."""
    if len(y) == 1:
        _gate_row(y[0], z[0][first:], out[0])
    else:
        _gate_rows(y, z, first, out)


@compiled(parallel=True)
def _gate_rows(y, z, first, out):  # type: ignore[no-untyped-def]
    for token in prange(len(y)):
        _gate_row(y[token], z[token][first:], out[token])


@compiled()
def _gate_row(y, z, out):  # type: ignore[no-untyped-def]
    for k in range(y.size):
        out[k] = y[k] * silu(z[k])


@compiled(parallel=True)
def _rms_norm_rows(x, weight, eps, out):  # type: ignore[no-untyped-def]
    for token in prange(len(x)):
        rms_norm_row(x[token], weight, eps, out[token])


@compiled(parallel=True)
def _gated_rms_norm_rows(y, z, weight, eps, groups, out):  # type: ignore[no-untyped-def]
    for token in prange(len(y)):
        gated_rms_norm_row(y[token], z[token], weight, eps, groups, out[token])


@compiled(error_model="numpy")
def rms_norm_row(x, weight, eps, out):  # type: ignore[no-untyped-def]
    scale = np.float32(1) / np.sqrt(dot(x, x) / np.float32(x.size) + eps)
    for k in range(x.size):
        out[k] = weight[k] * (x[k] * scale)


@compiled()
def gated_rms_norm_row(y, z, weight, eps, groups, out):  # type: ignore[no-untyped-def]
    _gate_row(y, z, out)
    n = y.size // groups
    for start in range(0, y.size, n):
        part = out[start : start + n]
        rms_norm_row(part, weight[start : start + n], eps, part)
