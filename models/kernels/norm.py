"""Compiled `models.units.norm`: same name, same arguments, same codes."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from models.compiled import compiled
from models.formats import Codes
from models.kernels.activate import table_arguments, table_code
from models.kernels.checks import require
from models.units import norm as unit
from models.units.norm import MANTISSA, ROOT, ROOTS, NormConfig


def norm(x: ArrayLike, weight: ArrayLike, epsilon: int, config: NormConfig) -> Codes:
    x, weight = require(config.i, x, "x"), require(config.weight, weight, "weight")
    # What may be refused, or may overflow int64, is left to the unit.
    ordinary = isinstance(epsilon, int) and 0 < epsilon <= config.epsilon.max_code
    known = x.shape[-1:] == weight.shape and 0 < weight.size <= config.channels
    if not (ordinary and known):
        return unit.norm(x, weight, epsilon, config)
    return norm_codes(x.reshape(-1), weight, epsilon, *norm_arguments(config)).reshape(x.shape)


@cache
def norm_arguments(config: NormConfig) -> tuple[Any, ...]:
    """What `norm_codes` takes after epsilon."""
    direction, o = config.direction, config.o
    return (
        table_arguments(ROOTS), MANTISSA.frac,
        direction.frac - ROOT.frac, direction.min_code, direction.max_code,
        config.shift, o.min_code, o.max_code,
    )  # fmt: skip


@compiled()
def norm_codes(x, weight, epsilon, roots, mantissa_frac, more, least, most, shift, low, high):  # type: ignore[no-untyped-def]
    """Results of vectors as long as `weight`, side by side in `x`; `roots` is the table."""
    out = np.empty_like(x)
    half = (1 << shift) >> 1
    for start in range(0, x.size, weight.size):
        total = epsilon
        for k in range(start, start + weight.size):
            total += x[k] * x[k]
        root, half_bits = reciprocal_root(total, roots, mantissa_frac)
        root_half = (1 << half_bits) >> 1
        for k in range(start, start + weight.size):
            aligned = x[k] * root << more
            direction = min(max((aligned + root_half) >> half_bits, least), most)
            scaled = direction * weight[k - start]
            out[k] = min(max((scaled + half) >> shift, low), high)
    return out


@compiled()
def reciprocal_root(total, roots, mantissa_frac):  # type: ignore[no-untyped-def]
    """`models.units.norm.reciprocal_root` of one number."""
    half_bits = 0
    while total >> 2 * half_bits > 3:
        half_bits += 1
    down = 2 * half_bits - mantissa_frac
    mantissa = total >> down if down >= 0 else total << -down
    bases, slopes, low, segment_bits, slope_frac, passes, more, least, most = roots
    root = table_code(
        mantissa, bases, slopes, low, segment_bits, slope_frac, passes, more, least, most
    )
    return root, half_bits
