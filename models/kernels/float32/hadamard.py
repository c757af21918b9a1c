"""Fast Hadamard transform in float32 of the widths that `models.units.hadamard` takes."""

from functools import cache

import numpy as np
from numba import prange
from numpy.typing import NDArray

from models.compiled import compiled
from models.kernels.checks import require_float32
from models.units.hadamard import base_matrix, factors


def hadamard(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """`H x / sqrt(n)`, a rotation of each block of n channels.

    x         float32 (tokens, width)
    return    float32 (tokens, width)
    """
    _, width = require_float32(x, ("tokens", "width"), "x").shape
    base, points = transform_arguments(width)
    out = np.empty_like(x)
    scale = np.float32(1 / np.sqrt(len(base) * points))
    hadamard_into(x, base, points, scale, out)
    return out


@cache
def transform_arguments(width: int) -> tuple[NDArray[np.float32], int]:
    """H_base and the points of the Walsh-Hadamard transform for a vector of that width."""
    _, base, points = factors(width)
    return base_matrix(base).astype(np.float32), points


@compiled(parallel=True)
def hadamard_into(x, matrix, points, scale, out):  # type: ignore[no-untyped-def]
    """`scale * H x` of every block of each token; out may not be x."""
    for token in prange(len(x)):
        _row(x[token], matrix, points, scale, out[token])


@compiled(fastmath={"contract"})
def _row(x, matrix, points, scale, out):  # type: ignore[no-untyped-def]
    base = len(matrix)
    block = np.empty(base * points, np.float32)
    for start in range(0, x.size, block.size):
        block[:] = x[start : start + block.size]
        _butterflies(block, points)
        for row in range(base):
            y = out[start + row * points : start + (row + 1) * points]
            y[:] = np.float32(0)
            for part in range(base):
                factor, from_part = matrix[row, part] * scale, block[part * points :]
                for at in range(points):
                    y[at] += factor * from_part[at]


@compiled()
def _butterflies(block, points):  # type: ignore[no-untyped-def]
    """Walsh-Hadamard transform, in place, of each run of `points` numbers."""
    stride = 1
    while stride < points:
        for first in range(0, block.size, 2 * stride):
            low, high = block[first : first + stride], block[first + stride : first + 2 * stride]
            for at in range(stride):
                a, b = low[at], high[at]
                low[at], high[at] = a + b, a - b
        stride *= 2
