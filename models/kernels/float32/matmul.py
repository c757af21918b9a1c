"""Matrix times matrix in float32.

Panels of the weights are turned around once, when they are needed, and every tile of tokens meets
them in the second-level cache (Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication", 2008).
"""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from models.compiled import compiled
from models.kernels.checks import require_float32
from models.kernels.float32.matvec import NO_BIAS, matvec_into
from models.kernels.float32.tiles import COLUMNS, LANES, add_product, turn

DEPTH = 1024
"""Rows of a panel of weights, so that it stays in the second-level cache."""


def matmul(
    x: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """`models.networks.oracle.functions.linear` of many vectors.

    x         float32 (tokens, columns)
    weight    float32 (rows, columns)
    bias      float32 (rows,) or None
    return    float32 (tokens, rows)
    """
    tokens, columns = require_float32(x, ("tokens", "columns"), "x").shape
    rows, _ = require_float32(weight, ("rows", columns), "weight").shape
    bias = NO_BIAS if bias is None else require_float32(bias, (rows,), "bias")
    out = np.empty((tokens, rows), np.float32)
    matmul_into(x, weight, bias, out)
    return out


@compiled(parallel=True)
def _spread(x):  # type: ignore[no-untyped-def]
    """x with rows a little further apart.

    Rows whole pages apart, as those of a power of two are, compete for the same few lines of the
    first-level cache.
    """
    tokens, columns = x.shape
    out = np.empty((tokens, columns + LANES), np.float32)
    for token in prange(tokens):
        out[token, :columns] = x[token]
    return out[:, :columns]


@compiled()
def matmul_into(x, weight, bias, out):  # type: ignore[no-untyped-def]
    if len(x) == 1:
        matvec_into(weight, x[0], bias, out[0])
    else:
        _panels(x, weight, bias, out)


@compiled(parallel=True)
def _panels(x, weight, bias, out):  # type: ignore[no-untyped-def]
    rows = len(weight)
    x = _spread(x)
    for panel in prange(-(-rows // COLUMNS)):
        first = panel * COLUMNS
        last = min(first + COLUMNS, rows)
        wide = out[:, first:last]
        if last - first < COLUMNS:
            wide = np.empty((len(x), COLUMNS), np.float32)
        for start in range(0, x.shape[1], DEPTH):
            part = slice(start, min(start + DEPTH, x.shape[1]))
            turned = turn(weight[first:last, part])
            add_product(wide, x[:, part], turned, start)
        if last - first < COLUMNS:
            out[:, first:last] = wide[:, : last - first]
        if bias.size:
            for token in range(len(x)):
                for row in range(first, last):
                    out[token, row] += bias[row]
