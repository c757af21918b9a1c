"""Narrowing in lanes, as `models.arith.round_shift` and `Fixed.saturate` do it."""

import numpy as np

from models.compiled import compiled
from models.kernels.packed.lanes import least, most, splat


@compiled()
def rounded(total, shift):  # type: ignore[no-untyped-def]
    """i64 lanes divided by `2**shift`, rounded to nearest."""
    return (total + splat(np.int64((1 << shift) >> 1))) >> splat(np.int64(shift))


@compiled()
def clamped(total, low, high):  # type: ignore[no-untyped-def]
    """i64 lanes within `low..high`."""
    return least(most(total, splat(np.int64(low))), splat(np.int64(high)))
