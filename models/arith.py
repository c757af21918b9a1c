"""Integer building blocks of the exact semantics; `rtl.arith` has the same names in hardware."""

import numpy as np

from models.formats import Codes


def round_shift(codes: Codes, shift: int | Codes) -> Codes:
    """Divide by `2**shift`, rounding to nearest with ties toward +infinity.

    `shift` is not negative: one number, or an array broadcast against `codes`.

    >>> round_shift(np.array([-3, -2, -1, 1, 2, 3]), 1).tolist()
    [-1, -1, 0, 1, 1, 2]
    """
    return (codes + ((1 << np.asarray(shift, np.int64)) >> 1)) >> shift


def bit_length(codes: Codes) -> Codes:
    """Bits that two's-complement `codes` need beside their sign: 7 for -128 and 127, 8 for 128.

    >>> bit_length(np.array([0, -1, 1, -128, 127, 128, 2**61])).tolist()
    [0, 0, 1, 7, 7, 8, 62]
    """
    magnitude = np.asarray(codes ^ (codes >> 63))
    length = np.zeros(magnitude.shape, np.int64)
    for step in (32, 16, 8, 4, 2, 1):
        above = magnitude >> step != 0
        length += np.where(above, step, 0)
        magnitude = np.where(above, magnitude >> step, magnitude)
    return length + (magnitude != 0)


def by_group(codes: Codes, group: int) -> Codes:
    """View `codes` (..., channels) as (..., channels / group, group)."""
    return codes.reshape(*codes.shape[:-1], codes.shape[-1] // group, group)
