"""Integer function tables: straight lines over equal segments, as a small ROM and one multiplier.

One table feeds the semantics, the kernels and the hardware. It is made from a real function, a
range and a number of segments; its largest error is measured over every input code of the range.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.arith import round_shift
from models.formats import Codes, Fixed, Interval

Real = NDArray[np.float64]

FUNCTIONS: dict[str, Callable[[Real], Real]] = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "exp2_negative": lambda x: np.exp2(-x),
    "rsqrt": lambda x: 1 / np.sqrt(x),
}


@dataclass(frozen=True)
class Table:
    """`function` on codes `low .. low + segments * 2**segment_bits - 1` of `i`, as codes of `o`.

    In a segment, `base + round_shift(slope * offset, slope_frac)`. Inputs below the range give 0.
    Inputs above it give themselves, as SiLU and softplus do, when `above` is "input", and are
    refused when it is "refused" (then the range covers what can come). `rounding` "down" makes
    every result at most the function, for decays; "nearest" halves the largest error instead.
    """

    function: str
    i: Fixed
    o: Fixed
    low: int
    segment_bits: int
    segments: int
    above: Literal["input", "refused"]
    rounding: Literal["nearest", "down"] = "nearest"
    slope_frac: int = 12

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise ValueError(f"table function must be one of {known}, not {self.function!r}")
        if self.low < self.i.min_code or self.high - 1 > self.i.max_code:
            raise ValueError(
                f"table {self.function} range {self.low}..{self.high - 1} must lie in {self.i} "
                f"({self.i.min_code}..{self.i.max_code}); widen the input or shorten the range"
            )
        if self.above == "refused" and self.high <= self.i.max_code:
            raise ValueError(
                f"table {self.function} range {self.low}..{self.high - 1} must reach the end of "
                f"{self.i} ({self.i.max_code}); narrow the input or lengthen the range"
            )

    @property
    def high(self) -> int:
        """First code above the range."""
        return self.low + (self.segments << self.segment_bits)

    @cached_property
    def slopes(self) -> Codes:
        """Slope (segments,) of each segment: codes of `o` for each code of `i`, `slope_frac`."""
        ends = self._exact(self.low + (np.arange(self.segments + 1) << self.segment_bits))
        rise = np.diff(ends) / 2**self.segment_bits
        return np.floor(rise * 2**self.slope_frac + 0.5).astype(np.int64)

    @cached_property
    def bases(self) -> Codes:
        """Result (segments,) at the first code of each segment, before rounding the line."""
        excess = self._exact(self._range) - self._line(self._range)
        low, high = excess.min(axis=1), excess.max(axis=1)
        if self.rounding == "down":
            return np.floor(low).astype(np.int64)
        return np.floor((low + high) / 2 + 0.5).astype(np.int64)

    @property
    def base(self) -> Fixed:
        """Format of the stored bases."""
        return _holding(self.bases, self.o.frac)

    @property
    def slope(self) -> Fixed:
        """Format of the stored slopes."""
        return _holding(self.slopes, self.o.frac - self.i.frac + self.slope_frac)

    @property
    def line(self) -> Fixed:
        """Format of `base + round_shift(slope * offset, slope_frac)`."""
        steps = Interval(0, (1 << self.segment_bits) - 1, 0)
        rise = Interval.of(self.slope).times(steps)
        whole = Interval(rise.low >> self.slope_frac, (rise.high >> self.slope_frac) + 1, 0)
        return whole.plus(Interval.of(Fixed(self.base.width))).format(
            f"table {self.function}", "use fewer output bits"
        )

    def lookup(self, codes: Codes) -> Codes:
        """Codes (...) of `o` for codes (...) of `i`."""
        offset = codes - self.low
        segment = np.clip(offset >> self.segment_bits, 0, self.segments - 1)
        within = offset & (1 << self.segment_bits) - 1
        line = self.bases[segment] + round_shift(self.slopes[segment] * within, self.slope_frac)
        results = np.where(codes < self.low, 0, line)
        if self.above == "input":
            results = np.where(codes >= self.high, self.passed(codes), results)
        return self.o.saturate(results)

    def passed(self, codes: Codes) -> Codes:
        """Input `codes` with the fraction of the output."""
        more = self.o.frac - self.i.frac
        return codes << more if more >= 0 else round_shift(codes, -more)

    @cached_property
    def max_error_ulp(self) -> float:
        """Largest error over all inputs of the range, in units of the last place of `o`."""
        codes = self._range.ravel()
        exact = np.clip(self._exact(codes), self.o.min_code, self.o.max_code)
        return float(np.abs(self.lookup(codes) - exact).max())

    @cached_property
    def _range(self) -> Codes:
        """Codes (segments, codes per segment) of the range."""
        return np.arange(self.low, self.high).reshape(self.segments, -1)

    def _exact(self, codes: Codes) -> Real:
        return FUNCTIONS[self.function](codes / 2.0**self.i.frac) * 2.0**self.o.frac

    def _line(self, codes: Codes) -> Codes:
        return round_shift(self.slopes[:, None] * (codes - codes[:, :1]), self.slope_frac)


def _holding(codes: Codes, frac: int) -> Fixed:
    low, high = int(codes.min()), int(codes.max())
    return Interval(low, high, frac).format("table entries", "use fewer fractional bits")


_once = lru_cache(maxsize=64)  # entries are computed when they are first read


@_once
def silu(i: Fixed, o: Fixed) -> Table:
    """SiLU over -16..16 in 256 segments; outside, it is 0 or its input within 2e-6."""
    return Table("silu", i, o, -16 << i.frac, i.frac - 3, 256, above="input")


@_once
def softplus(i: Fixed, o: Fixed) -> Table:
    """Softplus over -16..16 in 256 segments; outside, it is 0 or its input within 2e-7."""
    return Table("softplus", i, o, -16 << i.frac, i.frac - 3, 256, above="input")


@_once
def exp2_negative(i: Fixed, o: Fixed) -> Table:
    """`2**-x` for a fraction x in 0..1, never above the function: the mantissa of a decay."""
    return Table("exp2_negative", i, o, 0, i.frac - 8, 256, above="refused", rounding="down")


@_once
def rsqrt(i: Fixed, o: Fixed) -> Table:
    """`1 / sqrt(x)` for a mantissa x in 1..4."""
    return Table("rsqrt", i, o, 1 << i.frac, i.frac - 6, 192, above="refused")
