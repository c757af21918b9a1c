"""Blocks of bytes: an exponent for every 8 channels, the same for all 8s of a longer group."""

import numpy as np

from models.compiled import compiled
from models.kernels.packed.lanes import (
    LANES,
    bit_length,
    least,
    most,
    splat,
    swap_1,
    swap_2,
    swap_4,
    swap_8,
)
from models.kernels.packed.memory import load, store, store_pair

BLOCK = 8
"""Channels of an exponent."""


@compiled()
def quantize_codes(x, first, count, group, bits, codes, exponents):  # type: ignore[no-untyped-def]
    """`models.units.quantize` of `x[first : first + count]`, int32 of at most 31 bits.

    codes      int8 (count,)      of at most 8 bits
    exponents  int8 (count / 8,)
    """
    zero, one = splat(np.int32(0)), splat(np.int32(1))
    code_bits, top = splat(np.int32(bits - 1)), splat(np.int32((1 << bits - 1) - 1))
    step = max(group, LANES)
    for start in range(0, count, step):
        widest = zero
        for at in range(start, start + step, LANES):
            value = load(x, first + at)
            widest = widest | (value ^ (value >> splat(np.int32(31))))
        exponent = most(bit_length(_over_group(widest, group)) - code_bits, zero)
        half = (one << exponent) >> one
        for at in range(start, start + step, LANES):
            store(codes, at, least((load(x, first + at) + half) >> exponent, top))
            store_pair(exponents, at // BLOCK, exponent)


@compiled()
def _over_group(values, group):  # type: ignore[no-untyped-def]
    """The bits of all lanes of a group, in each of them."""
    values = values | swap_1(values)
    values = values | swap_2(values)
    values = values | swap_4(values)
    return values | swap_8(values) if group > BLOCK else values
