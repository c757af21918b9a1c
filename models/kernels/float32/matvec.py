"""Matrix times vector in float32, as fast as memory is read."""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from models.compiled import compiled
from models.kernels.checks import require_float32

BLOCK = 32
"""Rows that a thread takes at a time."""
NO_BIAS = np.empty(0, np.float32)
"""Stands for a bias that is not there, so that each kernel is compiled once."""


def matvec(
    weight: NDArray[np.float32], x: NDArray[np.float32], bias: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """`models.networks.oracle.functions.linear` of one vector.

    weight    float32 (rows, columns)
    x         float32 (columns,)
    bias      float32 (rows,) or None
    return    float32 (rows,)
    """
    rows, columns = require_float32(weight, ("rows", "columns"), "weight").shape
    require_float32(x, (columns,), "x")
    out = np.empty(rows, np.float32)
    matvec_into(weight, x, NO_BIAS if bias is None else require_float32(bias, (rows,), "bias"), out)
    return out


@compiled(parallel=True)
def matvec_into(weight, x, bias, out):  # type: ignore[no-untyped-def]
    rows = len(weight)
    for block in prange(-(-rows // BLOCK)):
        # One row after the other: a single stream of addresses is what prefetchers follow best.
        for row in range(block * BLOCK, min((block + 1) * BLOCK, rows)):
            total = dot(weight[row], x)
            out[row] = total + bias[row] if bias.size else total


@compiled(fastmath={"reassoc", "contract", "nsz"})
def dot(a, b):  # type: ignore[no-untyped-def]
    """Sum of products in several partial sums, whose order is the compiler's."""
    total = np.float32(0)
    for k in range(a.size):
        total += a[k] * b[k]
    return total
