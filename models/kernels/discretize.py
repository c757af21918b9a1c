"""Compiled `models.units.discretize`: same name, same arguments, same codes."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from models.compiled import compiled
from models.formats import Codes
from models.kernels.activate import table_arguments, table_code
from models.kernels.checks import require, require_block
from models.units import discretize as unit
from models.units.discretize import EXP2, FRACTION, MANTISSA, DiscretizeConfig

FRACTION_BITS, MANTISSA_TOP = FRACTION.frac, MANTISSA.max_code


def discretize(
    dt: ArrayLike,
    bias: ArrayLike,
    rate: ArrayLike,
    skip: ArrayLike,
    codes: ArrayLike,
    exponents: ArrayLike,
    config: DiscretizeConfig,
) -> tuple[Codes, Codes, Codes, Codes]:
    dt, bias = require(config.dt, dt, "dt"), require(config.dt, bias, "bias")
    rate, skip = require(config.rate, rate, "rate"), require(config.skip, skip, "skip")
    codes, exponents = require_block(config.x, codes, exponents, "codes")
    heads, leading = (config.heads,), dt.shape[:-1]
    if not bias.shape == rate.shape == skip.shape == dt.shape[-1:] == heads or codes.shape != (
        *leading,
        config.heads * config.head_dim,
    ):
        return unit.discretize(dt, bias, rate, skip, codes, exponents, config)
    decay, drive, raised, skipped = discretize_codes(
        dt.reshape(-1), bias, rate, skip, codes.reshape(-1), exponents.reshape(-1),
        *discretize_arguments(config),
    )  # fmt: skip
    return (
        decay.reshape(dt.shape),
        drive.reshape(codes.shape),
        raised.reshape(exponents.shape),
        skipped.reshape(codes.shape),
    )


@cache
def discretize_arguments(config: DiscretizeConfig) -> tuple[Any, ...]:
    """What `discretize_codes` takes after the codes."""
    own = (config.head_dim, config.x.group)
    return (*own, *delta_arguments(config), *channel_arguments(config))


def delta_arguments(config: DiscretizeConfig) -> tuple[Any, ...]:
    """What `step_codes` takes after its codes."""
    return (
        table_arguments(config.softplus), config.delta_low, config.delta_high,
        config.power_shift, config.power.max_code, table_arguments(config.exp2),
        EXP2.frac - config.decay.frac, config.decay.max_code,
    )  # fmt: skip


def channel_arguments(config: DiscretizeConfig) -> tuple[int, ...]:
    """Shift and limits of a drive, and of a skip."""
    return (
        config.drive_shift, config.drive.code.min_code, config.drive.code.max_code,
        config.skip_shift, config.o.min_code, config.o.max_code,
    )  # fmt: skip


@compiled()
def discretize_codes(  # type: ignore[no-untyped-def]
    dt, bias, rate, skip, x, exponents, head_dim, group, softplus, delta_low, delta_high,
    power_shift, power_top, exp2, decay_shift, decay_top, drive_shift, drive_low, drive_top,
    skip_shift, low, high,
):  # fmt: skip
    decay, drive = np.empty_like(dt), np.empty_like(x)
    raised, skipped = np.empty_like(exponents), np.empty_like(x)
    groups = head_dim // group
    drive_half, skip_half = (1 << drive_shift) >> 1, (1 << skip_shift) >> 1
    for at in range(dt.size):
        head = at % bias.size
        decay[at], mantissa, shift = step_codes(
            dt[at] + bias[head], rate[head], softplus, delta_low, delta_high,
            power_shift, power_top, exp2, decay_shift, decay_top,
        )  # fmt: skip
        for g in range(at * groups, (at + 1) * groups):
            raised[g] = exponents[g] + shift
            for k in range(g * group, (g + 1) * group):
                product = (x[k] * mantissa + drive_half) >> drive_shift
                drive[k] = min(max(product, drive_low), drive_top)
                product = ((x[k] * skip[head] << exponents[g]) + skip_half) >> skip_shift
                skipped[k] = min(max(product, low), high)
    return decay, drive, raised, skipped


@compiled()
def step_codes(  # type: ignore[no-untyped-def]
    biased, rate, softplus, delta_low, delta_high,
    power_shift, power_top, exp2, decay_shift, decay_top,
):  # fmt: skip
    """A head's decay, and the mantissa and exponent of its delta, from dt + bias."""
    delta = table_code(biased, *softplus)
    delta = min(max(delta, delta_low), delta_high)

    power = (delta * rate + (1 << power_shift) - 1) >> power_shift
    power = min(power, power_top)
    mantissa = table_code(power & (1 << FRACTION_BITS) - 1, *exp2)
    decay = min(mantissa >> (power >> FRACTION_BITS) >> decay_shift, decay_top)

    shift = 0
    while delta >> shift > MANTISSA_TOP:
        shift += 1
    return decay, min((delta + ((1 << shift) >> 1)) >> shift, MANTISSA_TOP), shift
