"""Scales of weights: unsigned integers that a few bits encode, so that scaling is cheap."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.formats import Codes, Fixed

Kind = Literal["pot", "pot2", "mantissa"]
FIELDS = {"pot": (4,), "pot2": (4, 4), "mantissa": (4, 4)}
"""Widths of the encoded fields of each kind, from the lowest bit up; the first is a shift."""


@dataclass(frozen=True)
class Scale:
    """A positive scale of `kind`, decoded to an integer in units of `2**-frac`.

    pot       one shift s                  `2**s`
    pot2      two shifts s, t              `2**s + 2**t`, the additive powers of two of LightMamba
    mantissa  a shift s, a mantissa m      `(16 + m) * 2**s`

    >>> Scale("pot2", 16).decode(np.array([0x31])).tolist()
    [10]
    """

    kind: Kind
    frac: int

    def __post_init__(self) -> None:
        if self.kind not in FIELDS:
            raise ValueError(f"scale kind must be one of {', '.join(FIELDS)}, not {self.kind!r}")

    @property
    def code(self) -> Fixed:
        """Format of the encoded scale, all its fields side by side."""
        return Fixed(sum(FIELDS[self.kind]), 0, signed=False)

    @property
    def value(self) -> Fixed:
        """Format of the decoded scale."""
        top = int(self.decode(np.array([self.code.max_code]))[0])
        return Fixed(top.bit_length(), self.frac, signed=False)

    def decode(self, codes: Codes) -> Codes:
        """Integers (...) that the encoded `codes` (...) stand for."""
        shift, other = codes & 15, codes >> 4
        match self.kind:
            case "pot":
                return 1 << shift
            case "pot2":
                return (1 << shift) + (1 << other)
            case _:
                return (16 + other) << shift

    def values(self, codes: ArrayLike) -> NDArray[np.float64]:
        """The real scales (...) that the encoded `codes` (...) stand for."""
        return self.value.values(self.decode(np.asarray(codes)))

    def encode(self, values: ArrayLike) -> Codes:
        """Codes of the smallest scales that are not below the real `values`, or of the largest."""
        scaled = np.asarray(values, np.float64) * 2.0**self.frac
        at = np.searchsorted(self._levels, scaled, side="left")
        return self._codes[np.minimum(at, len(self._levels) - 1)]

    @property
    def _levels(self) -> NDArray[np.int64]:
        return self.decode(self._codes)

    @property
    def _codes(self) -> Codes:
        """One code for each distinct scale, in the order of the scales."""
        every = np.arange(self.code.max_code + 1)
        _, first = np.unique(self.decode(every), return_index=True)
        return every[first]
