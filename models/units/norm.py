"""Norm: root-mean-square normalization, y = x / sqrt(sum(x^2) + epsilon) * weight.

The square root of the vector's length is folded into weight and epsilon, so that one unit serves
vectors of any length (Zhang and Sennrich 2019, eq. 4, times sqrt(n) / sqrt(n)).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models import tables
from models.arith import bit_length, round_shift
from models.beats import Beat, Field, fixed_beat, require_lanes
from models.formats import Codes, Fixed, Interval

MANTISSA = Fixed(18, 16, signed=False)
ROOT = Fixed(17, 16, signed=False)
ROOTS = tables.rsqrt(MANTISSA, ROOT)


@dataclass(frozen=True)
class NormConfig:
    """Formats and the longest vector of a norm unit.

    `direction` is the format of x / sqrt(sum(x^2) + epsilon), a number in -1..1.
    """

    i: Fixed
    weight: Fixed
    o: Fixed
    channels: int
    direction: Fixed
    lanes: int = 1

    def __post_init__(self) -> None:
        require_lanes("norm", self.lanes, channels=self.channels)
        if self.direction.frac < ROOT.frac:
            raise ValueError(
                f"norm direction must have at least {ROOT.frac} fractional bits, "
                f"not {self.direction.frac}; use {Fixed(ROOT.frac + 2, ROOT.frac)} or more"
            )
        _ = self.total, self.aligned, self.scaled
        if self.shift < 0:
            raise ValueError(
                f"norm o must have at most {self.scaled.frac} fractional bits, not {self.o.frac}; "
                "add fractional bits to weight or direction"
            )

    @property
    def epsilon(self) -> Fixed:
        """Format of `epsilon`, a square like those that it is added to."""
        return Fixed(self.i.width, 2 * self.i.frac, signed=False)

    @property
    def total(self) -> Fixed:
        """Format of the sum of squares and epsilon."""
        squares = Interval(0, self.i.min_code**2, 2 * self.i.frac).total(self.channels)
        return squares.plus(self.epsilon).format(
            f"norm sum of {self.channels} squares of {self.i}", "use a narrower input format"
        )

    @property
    def aligned(self) -> Fixed:
        """Format of x * root before the shift that undoes the normalization of the sum."""
        product = Interval.of(self.i).times(ROOT)
        frac = self.direction.frac + self.i.frac
        return product.aligned(frac).format("norm x * root", "use a narrower input format")

    @property
    def scaled(self) -> Fixed:
        """Format of direction * weight."""
        return (
            Interval.of(self.direction)
            .times(self.weight)
            .format("norm direction * weight", "use a narrower weight format")
        )

    @property
    def shift(self) -> int:
        return self.scaled.frac - self.o.frac

    @property
    def i_beat(self) -> Beat:
        return fixed_beat(self.lanes, x=self.i)

    @property
    def weight_beat(self) -> Beat:
        return fixed_beat(self.lanes, weight=self.weight)

    @property
    def pass_beat(self) -> Beat:
        """One vector to normalize: how many beats it has, and its epsilon."""
        beats = Fixed((self.channels // self.lanes).bit_length(), 0, signed=False)
        return Beat((Field("beats", beats), Field("epsilon", self.epsilon)))

    @property
    def o_beat(self) -> Beat:
        return fixed_beat(self.lanes, y=self.o)


def norm(x: ArrayLike, weight: ArrayLike, epsilon: int, config: NormConfig) -> Codes:
    """Exact result of the unit, code for code.

    x        int (..., channels)  codes of `config.i`
    weight   int (channels,)      codes of `config.weight`: the weight times sqrt(channels)
    epsilon  int                  code of `config.epsilon`, at least 1: epsilon times channels
    return   int (..., channels)  codes of `config.o`
    """
    x = config.i.require(x, "x")
    weight = config.weight.require(weight, "weight")
    total = (x * x).sum(axis=-1, keepdims=True) + config.epsilon.require(epsilon, "epsilon")
    if (total == 0).any():
        raise ValueError("norm epsilon must be at least 1, not 0, when a vector is all zeros")
    root, half_bits = reciprocal_root(config.total.require(total, "sum of squares"))
    aligned = (x * root) << config.direction.frac - ROOT.frac
    direction = config.direction.saturate(round_shift(aligned, half_bits))
    return config.o.saturate(round_shift(direction * weight, config.shift))


def reciprocal_root(total: Codes) -> tuple[Codes, Codes]:
    """`1 / sqrt(total)` of positive integers: a code of ROOT and bits to shift right.

    total   int (...)          at least 1
    return  int (...) twice    root, half_bits: `1 / sqrt(total) = root / 2**(16 + half_bits)`
    """
    half_bits = (bit_length(total) - 1) >> 1
    down = 2 * half_bits - MANTISSA.frac
    mantissa = np.where(down >= 0, total >> np.maximum(down, 0), total << np.maximum(-down, 0))
    return ROOTS.lookup(mantissa), half_bits
