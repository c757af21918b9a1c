"""Discretize: from time steps and inputs to what the scan multiplies and adds.

For each head, delta = softplus(dt + bias) within the time step limit and
decay = 2**-(delta * rate) with rate = -A * log2(e); for each channel, drive = delta * x and
skip = D * x (Dao and Gu 2024, section 7; the factor log2(e) is folded into the stored rate).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from models import tables
from models.arith import bit_length, round_shift
from models.beats import Beat, Field, block_beat, exponents_per_beat, fixed_beat, require_lanes
from models.formats import Block, Codes, Fixed, Interval
from models.tables import Table

FRACTION = Fixed(16, 16, signed=False)
# Four bits more than a decay has, so that only its last narrowing is felt.
EXP2 = Fixed(21, 20, signed=False)
MANTISSA = Fixed(8, 0, signed=False)


@dataclass(frozen=True)
class DiscretizeConfig:
    """Formats and shape of a discretize unit.

    `delta_low` and `delta_high` are codes of `delta`, the time step limit. A drive is a block with
    the groups of x, whose codes have `drive_bits` bits.
    """

    dt: Fixed
    delta: Fixed
    rate: Fixed
    decay: Fixed
    x: Block
    drive_bits: int
    skip: Fixed
    o: Fixed
    delta_low: int
    delta_high: int
    heads: int
    head_dim: int
    lanes: int = 1

    def __post_init__(self) -> None:
        require_lanes("discretize", self.lanes, head_dim=self.head_dim)
        if self.head_dim % self.x.group:
            raise ValueError(
                f"discretize head_dim must be whole groups of {self.x.group}, not {self.head_dim}"
            )
        if self.delta.signed or self.delta.width < MANTISSA.width:
            raise ValueError(
                f"discretize delta must be unsigned and have at least {MANTISSA.width} bits, "
                f"not {self.delta}"
            )
        if not 0 <= self.delta_low <= self.delta_high <= self.delta.max_code:
            raise ValueError(
                f"discretize time step limit must lie in 0..{self.delta.max_code} in codes of "
                f"{self.delta}, not {self.delta_low}..{self.delta_high}"
            )
        if self.rate.signed:
            raise ValueError(f"discretize rate must be unsigned, not {self.rate}")
        if self.decay.signed or self.decay.width != self.decay.frac:
            raise ValueError(f"discretize decay must be below 1, such as u16f16, not {self.decay}")
        if self.decay.frac > FRACTION.frac:
            raise ValueError(
                f"discretize decay must have at most {FRACTION.frac} bits, not {self.decay}"
            )
        if not 2 <= self.drive_bits <= self.product.width:
            raise ValueError(
                f"discretize drive_bits must be in 2..{self.product.width}, not {self.drive_bits}"
            )
        if self.power_shift < 0:
            raise ValueError(
                f"discretize delta and rate must have at least {FRACTION.frac} fractional bits "
                f"together, not {self.steepness.frac}"
            )
        if self.skip_shift < 0:
            raise ValueError(
                f"discretize o must have at most {self.skipped.frac} fractional bits, "
                f"not {self.o.frac}"
            )
        _ = self.softplus

    @property
    def biased(self) -> Fixed:
        """Format of dt + bias."""
        return Interval.of(self.dt).plus(self.dt).format("discretize dt + bias", "narrow dt")

    @cached_property
    def softplus(self) -> Table:
        return tables.softplus(self.biased, self.delta)

    @cached_property
    def exp2(self) -> Table:
        return tables.exp2_negative(FRACTION, EXP2)

    @property
    def steepness(self) -> Fixed:
        """Format of delta * rate, unsigned."""
        width, frac = self.delta.width + self.rate.width, self.delta.frac + self.rate.frac
        return Fixed(width, frac, signed=False)

    @property
    def power(self) -> Fixed:
        """Format of the power of one half that a decay is; past its end the decay is 0 anyway."""
        whole_bits = (self.decay.frac + 1).bit_length()
        return Fixed(whole_bits + FRACTION.frac, FRACTION.frac, signed=False)

    @property
    def power_shift(self) -> int:
        return self.steepness.frac - FRACTION.frac

    @property
    def product(self) -> Fixed:
        """Format of the mantissa of delta times a code of x."""
        return Interval.of(self.x.code).times(MANTISSA).format("discretize delta * x", "narrow x")

    @property
    def drive_shift(self) -> int:
        return self.product.width - self.drive_bits

    @property
    def max_delta_exponent(self) -> int:
        return self.delta.width - MANTISSA.width

    @property
    def delta_exponent(self) -> Fixed:
        """Format of the exponent that delta's mantissa has."""
        return Fixed(max(1, self.max_delta_exponent.bit_length()), 0, signed=False)

    @property
    def drive(self) -> Block:
        """Block of the drives: the groups of x, and exponents up to those of x and delta."""
        width = self.drive_bits + self.x.max_exponent + self.max_delta_exponent
        frac = self.x.frac + self.delta.frac - self.drive_shift
        return Block(self.drive_bits, self.x.group, Fixed(width, frac))

    @property
    def skipped(self) -> Fixed:
        """Format of D * x before it is narrowed."""
        return Interval.of(self.x).times(self.skip).format("discretize D * x", "narrow x or D")

    @property
    def skip_shift(self) -> int:
        return self.skipped.frac - self.o.frac

    @property
    def head_beat(self) -> Beat:
        """Time steps of `lanes` heads as they leave in_proj; the last beat may be padded."""
        return fixed_beat(self.lanes, dt=self.dt)

    @property
    def weight_beat(self) -> Beat:
        """Parameters of `lanes` heads, in step with `head_beat`."""
        return fixed_beat(self.lanes, bias=self.dt, rate=self.rate, skip=self.skip)

    @property
    def i_beat(self) -> Beat:
        return block_beat(self.x, self.lanes)

    @property
    def o_beat(self) -> Beat:
        return Beat(
            (
                Field("decay", self.decay),
                Field("drive", self.drive.code, self.lanes),
                Field("exponents", self.drive.exponent, exponents_per_beat(self.x, self.lanes)),
                Field("skip", self.o, self.lanes),
            )
        )


def discretize(
    dt: ArrayLike,
    bias: ArrayLike,
    rate: ArrayLike,
    skip: ArrayLike,
    codes: ArrayLike,
    exponents: ArrayLike,
    config: DiscretizeConfig,
) -> tuple[Codes, Codes, Codes, Codes]:
    """Exact result of the unit, code for code.

    dt, bias   int (..., heads), (heads,)         codes of `config.dt`
    rate       int (heads,)                       codes of `config.rate`
    skip       int (heads,)                       codes of `config.skip`: D
    codes      int (..., heads * head_dim)        codes of `config.x`
    exponents  int (..., channels / group)        their exponents
    return     int (..., heads)                   decay, codes of `config.decay`
               int (..., heads * head_dim)        drive, codes of `config.drive`
               int (..., channels / group)        their exponents
               int (..., heads * head_dim)        skip, codes of `config.o`
    """
    dt, bias = config.dt.require(dt, "dt"), config.dt.require(bias, "bias")
    rate, skip = config.rate.require(rate, "rate"), config.skip.require(skip, "skip")
    codes, exponents = config.x.require(codes, exponents, "codes")

    delta = time_step(dt + bias, config)
    shift = np.maximum(bit_length(delta) - MANTISSA.width, 0)
    mantissa = MANTISSA.saturate(round_shift(delta, shift))

    groups = config.head_dim // config.x.group
    product = codes * np.repeat(mantissa, config.head_dim, axis=-1)
    drive = config.drive.code.saturate(round_shift(product, config.drive_shift))
    drive_exponents = exponents + np.repeat(shift, groups, axis=-1)

    skipped = config.x.expand(codes * np.repeat(skip, config.head_dim), exponents)
    narrowed = config.o.saturate(round_shift(skipped, config.skip_shift))
    return decay(delta, rate, config), drive, drive_exponents, narrowed


def time_step(biased: Codes, config: DiscretizeConfig) -> Codes:
    """Codes (...) of `config.delta` for codes (...) of dt + bias."""
    return np.clip(config.softplus.lookup(biased), config.delta_low, config.delta_high)


def decay(delta: Codes, rate: Codes, config: DiscretizeConfig) -> Codes:
    """Codes (...) of `config.decay`: `2**-(delta * rate)` rounded down, and below 1.

    Rounding to nearest could give exactly 1, which would remove the decay and every bound on the
    error of the state.
    """
    steepness = delta * rate
    more = config.power_shift
    power = config.power.saturate((steepness + (1 << more) - 1) >> more)
    mantissa = config.exp2.lookup(power & FRACTION.max_code)
    return config.decay.saturate(
        mantissa >> (power >> FRACTION.frac) >> EXP2.frac - config.decay.frac
    )
