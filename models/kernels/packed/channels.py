"""Units that work channel by channel, in lanes: conv1d, discretize's channels, activate, gate.

Each fills its last arguments for `count` channels; blocks are codes and exponents, int8.
"""

import numpy as np

from models.compiled import compiled
from models.kernels.activate import table_code
from models.kernels.packed.blocks import BLOCK
from models.kernels.packed.lanes import LANES, least, most, power_of_two, real, splat, widen
from models.kernels.packed.memory import load, load_pair, store
from models.kernels.packed.rounding import clamped, rounded


@compiled()
def conv1d_codes(  # type: ignore[no-untyped-def]
    window, window_exponents, newest, taps, tap_exponents, bias, first, count,
    shift, low, high, out,
):  # fmt: skip
    """Convolution of channels from `first`.

    The rows of the window are a ring: `newest` is the last token's, the row after it the oldest's.
    """
    length = len(window)
    for at in range(0, count, LANES):
        channel = first + at
        total = splat(np.int64(0))
        for tap in range(length):
            row = (newest + 1 + tap) % length
            product = load(window[row], channel) * load(taps[tap], channel)
            exponent = load_pair(window_exponents[row], channel // BLOCK)
            exponent = exponent + load_pair(tap_exponents[tap], channel // BLOCK)
            total = total + (widen(product) << widen(exponent))
        store(out, at, clamped(rounded(total, shift) + load(bias, channel), low, high))


@compiled()
def activate_codes(x, first, count, table, out):  # type: ignore[no-untyped-def]
    """`table` of channels from `first`."""
    for k in range(count):
        out[k] = table_code(np.int64(x[first + k]), *table)


@compiled()
def drive_codes(  # type: ignore[no-untyped-def]
    x, exponents, mantissa, raised, skip, count,
    drive_shift, drive_low, drive_high, skip_shift, low, high, driven, skipped,
):  # fmt: skip
    """A head's drives, times two to their exponents, as float64, and D * x.

    mantissa, raised  of delta, as `models.kernels.discretize.step_codes` has them
    return            the largest magnitude of `driven`, lanes past the end included
    """
    factor, half = splat(np.int32(mantissa)), splat(np.int32((1 << drive_shift) >> 1))
    largest = splat(0.0)
    for at in range(0, count, LANES):
        code, exponent = load(x, at), load_pair(exponents, at // BLOCK)
        drive = (code * factor + half) >> splat(np.int32(drive_shift))
        drive = least(most(drive, splat(np.int32(drive_low))), splat(np.int32(drive_high)))
        value = real(drive) * power_of_two(exponent + splat(np.int32(raised)))
        largest = most(largest, most(value, splat(0.0) - value))
        store(driven, at, value)
        product = widen(code * splat(np.int32(skip))) << widen(exponent)
        store(skipped, at, clamped(rounded(product, skip_shift), low, high))
    each = np.empty(LANES)
    store(each, 0, largest)
    return each.max()


@compiled()
def gate_codes(y, y_exponents, z, z_exponents, count, shift, low, high, out):  # type: ignore[no-untyped-def]
    for at in range(0, count, LANES):
        product = widen(load(y, at) * load(z, at))
        exponent = load_pair(y_exponents, at // BLOCK) + load_pair(z_exponents, at // BLOCK)
        store(out, at, clamped(rounded(product << widen(exponent), shift), low, high))
