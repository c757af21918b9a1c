"""Compiled `models.units.matvec`: same name, same arguments, same codes.

Fastest for weights and scales in the narrow integer types in which a quantized network keeps them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.compiled import compiled
from models.formats import Codes, Fixed
from models.kernels.checks import require, require_block
from models.units import matvec as unit
from models.units.matvec import MatvecConfig

KINDS = {"pot": 0, "pot2": 1, "mantissa": 2}
STORED = (np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.int64))
"""Types of weights and scales that are taken as they are; one compilation for each pair."""


def matvec(
    codes: ArrayLike,
    exponents: ArrayLike,
    weights: ArrayLike,
    scales: ArrayLike,
    bias: ArrayLike | None,
    config: MatvecConfig,
) -> Codes:
    x, exponents = require_block(config.x, codes, exponents, "codes")
    weights = stored(config.weight, weights, "weights")
    scales = stored(config.scale.code, scales, "scales")
    offsets = np.zeros(len(weights), np.int64) if bias is None else require(config.o, bias, "bias")
    rows, columns = len(weights), x.shape[-1]
    groups = -(-columns // config.group)
    if (
        columns > config.max_columns
        or weights.shape != (rows, columns)
        or scales.shape != (rows, groups)
        or offsets.shape != (rows,)
    ):
        return unit.matvec(codes, exponents, weights, scales, bias, config)
    formats = (config.x.group, config.group, KINDS[config.scale.kind], config.shift)
    limits = (config.o.min_code, config.o.max_code)
    if x.ndim == 1:
        return matvec_codes(x, exponents, weights, scales, offsets, *formats, *limits)
    out = np.empty((*x.shape[:-1], rows), np.int64)
    for at in np.ndindex(*out.shape[:-1]):
        out[at] = matvec_codes(x[at], exponents[at], weights, scales, offsets, *formats, *limits)
    return out


@compiled()
def matvec_codes(
    codes: Codes,
    exponents: Codes,
    weights: NDArray[np.integer],
    scales: NDArray[np.integer],
    bias: Codes,
    shared: int,
    group: int,
    kind: int,
    shift: int,
    low: int,
    high: int,
) -> Codes:
    """Codes (rows,) for one vector; `bias` zeros for none, `shared` columns have an exponent,
    `group` columns a scale of `kind`, as in KINDS."""
    rows = len(weights)
    x = np.empty(codes.size, np.int64)
    for at in range(codes.size):
        x[at] = codes[at] << exponents[at // shared]
    half = (1 << shift) >> 1
    out = np.empty(rows, np.int64)
    for row in range(rows):
        total = 0
        for at in range(scales.shape[1]):
            # Slices: indices computed from `at` would keep the loop from being vectorized.
            some_x, some_weights = x[at * group :][:group], weights[row, at * group :][:group]
            partial = 0
            for k in range(some_x.size):
                partial += np.int64(some_weights[k]) * some_x[k]
            total += partial * _decode(np.int64(scales[row, at]), kind)
        out[row] = min(max(((total + half) >> shift) + bias[row], low), high)
    return out


@compiled()
def _decode(code: int, kind: int) -> int:
    if kind == 0:
        return 1 << (code & 15)
    if kind == 1:
        return (1 << (code & 15)) + (1 << (code >> 4))
    return (16 + (code >> 4)) << (code & 15)


def stored(fmt: Fixed, codes: ArrayLike, name: str) -> NDArray[np.integer]:
    """`fmt.require(codes, name)`, without widening `STORED` types."""
    if (
        isinstance(codes, np.ndarray)
        and codes.dtype in STORED
        and _within(codes, fmt.min_code, fmt.max_code)
    ):
        return codes
    return fmt.require(codes, name)


@compiled()
def _within(codes: NDArray[np.integer], low: int, high: int) -> bool:
    least, most = np.int64(0), np.int64(0)
    for code in codes.flat:
        least, most = min(least, np.int64(code)), max(most, np.int64(code))
    return bool(least >= low and most <= high)
