"""Compiled `models.units.hadamard`: same name, same arguments, same codes."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from models.compiled import compiled
from models.formats import Codes
from models.kernels.checks import require
from models.units import hadamard as unit
from models.units.hadamard import HadamardConfig, base_matrix


def hadamard(x: ArrayLike, config: HadamardConfig) -> Codes:
    x = require(config.i, x, "x")
    if x.shape[-1:] != (config.width,):
        return unit.hadamard(x, config)
    return hadamard_codes(x.reshape(-1), *hadamard_arguments(config)).reshape(x.shape)


@cache
def hadamard_arguments(config: HadamardConfig) -> tuple[Codes, int, int, int, int]:
    """What `hadamard_codes` takes after the codes."""
    # A copy, since numba would compile once more for the read-only one.
    matrix = base_matrix(config.base).copy()
    return matrix, config.points, config.shift, config.o.min_code, config.o.max_code


@compiled()
def hadamard_codes(x: Codes, matrix: Codes, points: int, shift: int, low: int, high: int) -> Codes:
    """Results of blocks side by side in `x`; `matrix` is H_base."""
    base = len(matrix)
    out = np.empty_like(x)
    block = np.empty(base * points, np.int64)
    half = (1 << shift) >> 1
    for start in range(0, x.size, block.size):
        block[:] = x[start : start + block.size]
        stride = 1
        while stride < points:
            for first in range(0, block.size, 2 * stride):
                for at in range(first, first + stride):
                    a, b = block[at], block[at + stride]
                    block[at], block[at + stride] = a + b, a - b
            stride *= 2
        for row in range(base):
            y = out[start + row * points : start + (row + 1) * points]
            for at in range(points):
                y[at] = half
            for a in range(base):
                sign = matrix[row, a]
                for at in range(points):
                    y[at] += sign * block[a * points + at]
            for at in range(points):
                y[at] = min(max(y[at] >> shift, low), high)
    return out
