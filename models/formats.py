"""Number formats: where widths, ranges, saturation and shared exponents are defined."""

import re
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Codes = NDArray[np.int64]

WIDEST = 62
"""Bits of the widest format, so that int64 holds any sum of two codes."""


@dataclass(frozen=True)
class Fixed:
    """A two's-complement fixed-point format: code `c` stands for the number `c / 2**frac`.

    Formats are written `s8f4` (signed, 8 bits in all, 4 of them fractional) or `u16f15`.

    >>> Fixed.parse("s8f4").max_code
    127
    """

    width: int
    frac: int = 0
    signed: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or not 1 <= self.width <= WIDEST:
            raise ValueError(f"format width must be an integer in 1..{WIDEST}, not {self.width!r}")
        if not isinstance(self.frac, int):
            raise TypeError(f"format fractional bits must be an integer, not {self.frac!r}")

    @classmethod
    def parse(cls, text: Any) -> Self:
        match = re.fullmatch(r"([su])(\d+)f(-?\d+)", str(text))
        if match is None:
            raise ValueError(f"format must look like 's8f4' or 'u16f15', not {text!r}")
        sign, width, frac = match.groups()
        return cls(int(width), int(frac), signed=sign == "s")

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.width}f{self.frac}"

    @property
    def min_code(self) -> int:
        return -(1 << self.width - 1) if self.signed else 0

    @property
    def max_code(self) -> int:
        return (1 << self.width - self.signed) - 1

    def require(self, codes: ArrayLike, name: str) -> Codes:
        """Return `codes` as int64, refusing any that this format cannot hold.

        Raises TypeError for anything but integers, OverflowError for a code out of range.
        """
        array = np.asarray(codes)
        if array.dtype.kind not in "iu":
            raise TypeError(f"{name} must hold integer codes, not {array.dtype}")
        if array.size and (array.min() < self.min_code or array.max() > self.max_code):
            wrong = np.argwhere((array < self.min_code) | (array > self.max_code))
            at, code = wrong[0].tolist(), array[tuple(wrong[0])]
            allowed = f"{self} ({self.min_code}..{self.max_code})"
            raise OverflowError(f"{name}{at} = {code} does not fit {allowed}")
        return array.astype(np.int64, copy=False)

    def saturate(self, codes: Codes) -> Codes:
        """Clamp `codes` to the range of this format."""
        return np.clip(codes, self.min_code, self.max_code)

    def nearest(self, values: ArrayLike) -> Codes:
        """Codes nearest to real `values`, ties toward +infinity, saturated."""
        scaled = np.floor(np.asarray(values, np.float64) * 2.0**self.frac + 0.5)
        return np.clip(scaled, self.min_code, self.max_code).astype(np.int64)

    def values(self, codes: ArrayLike) -> NDArray[np.float64]:
        """The numbers that `codes` stand for."""
        return np.asarray(codes) / 2.0**self.frac

    def bits(self, codes: ArrayLike) -> Codes:
        """Raw two's-complement bits of `codes`, as they travel on wires."""
        return self.require(codes, "codes") & (1 << self.width) - 1


@dataclass(frozen=True)
class Interval:
    """Exact integers `low..high` that a sum can reach, with `frac` fractional bits.

    Widths are derived with it: start from formats, follow the arithmetic, ask for `format`.
    """

    low: int
    high: int
    frac: int

    @classmethod
    def of(cls, source: "Fixed | Block") -> Self:
        """What one operand can be; for a block, its codes shifted by their exponents."""
        if isinstance(source, Block):
            top = source.max_exponent
            low, high = source.code.min_code << top, source.code.max_code << top
            return cls(low, high, source.frac)
        return cls(source.min_code, source.max_code, source.frac)

    def times(self, other: "Interval | Fixed | Block") -> "Interval":
        """Products of one number from each."""
        right = other if isinstance(other, Interval) else Interval.of(other)
        corners = [a * b for a in (self.low, self.high) for b in (right.low, right.high)]
        return Interval(min(corners), max(corners), self.frac + right.frac)

    def total(self, count: int) -> "Interval":
        """Sums of `count` such numbers, and of any fewer of them, as an accumulator meets."""
        return Interval(min(0, self.low * count), max(0, self.high * count), self.frac)

    def plus(self, other: "Interval | Fixed") -> "Interval":
        """Sums of one number from each, aligned to the finer fraction."""
        right = other if isinstance(other, Interval) else Interval.of(other)
        frac = max(self.frac, right.frac)
        a, b = self.aligned(frac), right.aligned(frac)
        return Interval(a.low + b.low, a.high + b.high, frac)

    def aligned(self, frac: int) -> "Interval":
        """The same numbers with more fractional bits."""
        return Interval(self.low << frac - self.frac, self.high << frac - self.frac, frac)

    def format(self, what: str, way_out: str) -> Fixed:
        """Narrowest signed format that loses nothing.

        Raises ValueError, naming the sum `what` and the `way_out`, if half a unit of rounding
        added to it could pass the widest format.
        """
        width = max(self.high, ~self.low).bit_length() + 1
        if width > WIDEST:
            raise ValueError(f"{what} must fit {WIDEST} bits, not {width}; {way_out}")
        return Fixed(width, self.frac)


@dataclass(frozen=True)
class Block:
    """Codes in groups of consecutive channels that share an exponent found at run time.

    Code `c` with exponent `e` stands for `c * 2**e` codes of `source`, the fixed-point format
    that was narrowed: the number `c * 2**e / 2**source.frac`. The exponent of a group is the
    smallest that lets the widest magnitude of the group fit:
    `max(0, bit_length(largest) - (bits - 1))`, where `bit_length` is that of two's complement,
    so that -128 fits 8 bits with exponent 0. Rounding may carry the largest code past the top; it
    is saturated there.
    """

    bits: int
    group: int
    source: Fixed

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= self.source.width:
            raise ValueError(
                f"block bits must be in 2..{self.source.width} to narrow {self.source}, "
                f"not {self.bits!r}"
            )
        if self.group < 1 or self.group & self.group - 1:
            raise ValueError(f"block group must be a power of two, not {self.group!r}")

    def __str__(self) -> str:
        return f"b{self.bits}g{self.group} of {self.source}"

    @property
    def frac(self) -> int:
        return self.source.frac

    @property
    def code(self) -> Fixed:
        return Fixed(self.bits, self.source.frac)

    @property
    def max_exponent(self) -> int:
        return self.source.width - self.bits

    @property
    def exponent(self) -> Fixed:
        return Fixed(max(1, self.max_exponent.bit_length()), 0, signed=False)

    def require(self, codes: ArrayLike, exponents: ArrayLike, name: str) -> tuple[Codes, Codes]:
        """Checked int64 codes (..., channels) and exponents (..., channels / group)."""
        checked = self.code.require(codes, name)
        shifts = Fixed(self.exponent.width, 0, signed=False).require(exponents, f"{name} exponents")
        if checked.shape != (*shifts.shape[:-1], shifts.shape[-1] * self.group):
            raise ValueError(
                f"{name} must have {self.group} codes for each exponent, "
                f"not shapes {checked.shape} and {shifts.shape}"
            )
        if shifts.size and shifts.max() > self.max_exponent:
            raise OverflowError(
                f"{name} exponents must be at most {self.max_exponent}, not {shifts.max()}"
            )
        return checked, shifts

    def expand(self, codes: Codes, exponents: Codes) -> Codes:
        """Codes of `source` that the block stands for: each code shifted by its exponent."""
        return codes << np.repeat(exponents, self.group, axis=-1)

    def values(self, codes: Codes, exponents: Codes) -> NDArray[np.float64]:
        """The numbers that a block stands for."""
        return self.source.values(self.expand(codes, exponents))
