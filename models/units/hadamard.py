"""Hadamard: blocks of a vector times a matrix H of +-1, y = H x / 2**halvings.

H = H_base kron H_points, with H_points the Walsh-Hadamard matrix of Sylvester (1867) and H_base one
of Paley (1933, "On orthogonal matrices", constructions I and II). H H^T = n I, so that H / sqrt(n)
is a rotation; the hardware divides by the power of two next to sqrt(n), and the rest, `gain`, is
for whoever folds the inverse into weights.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.arith import round_shift
from models.beats import Beat, fixed_beat, require_lanes
from models.formats import Codes, Fixed, Interval

BASES = (1, 12, 20, 28)
"""Sizes of H_base. 40 needs none of its own: it is 2 * 20, and the 2 is one of the points."""


@dataclass(frozen=True)
class HadamardConfig:
    """Formats and length of a hadamard unit's vectors.

    A vector is `blocks` blocks of n = base * points channels, each times the same H; within a
    block, channel = a * points + b with a in 0..base-1 and b in 0..points-1.
    """

    i: Fixed
    o: Fixed
    width: int
    lanes: int = 1

    def __post_init__(self) -> None:
        if not self.i.signed:
            signed = Fixed(self.i.width + 1, self.i.frac)
            raise ValueError(f"hadamard i must be signed, not {self.i}; use {signed}")
        require_lanes("hadamard", self.lanes, points=self.points)
        _ = self.total
        if self.shift < 0:
            raise ValueError(
                f"hadamard o must have at most {self.i.frac + self.halvings} fractional bits, "
                f"not {self.o.frac}; add fractional bits to i"
            )

    @property
    def blocks(self) -> int:
        return factors(self.width)[0]

    @property
    def base(self) -> int:
        return factors(self.width)[1]

    @property
    def points(self) -> int:
        return factors(self.width)[2]

    @property
    def n(self) -> int:
        """Channels of a block."""
        return self.base * self.points

    @property
    def halvings(self) -> int:
        """Power of two by which the hardware divides, next to sqrt(n): log2(n) / 2, rounded."""
        return self.n.bit_length() // 2

    @property
    def gain(self) -> float:
        """How much longer y is than x: y = gain * (H / sqrt(n)) x, but for rounding."""
        return float(np.sqrt(self.n)) / 2.0**self.halvings

    @property
    def total(self) -> Fixed:
        """Format of H x: one row adds all n codes, the others subtract as many as they add."""
        added = Interval.of(self.i).total(self.n)
        half = Interval.of(self.i).total(self.n // 2)
        balanced = half.plus(half.times(Interval(-1, -1, 0)))
        low, high = min(added.low, balanced.low), max(added.high, balanced.high)
        return Interval(low, high, self.i.frac).format(
            f"hadamard sum of {self.n} codes of {self.i}", "use a narrower input format"
        )

    @property
    def shift(self) -> int:
        return self.total.frac + self.halvings - self.o.frac

    @property
    def i_beat(self) -> Beat:
        return fixed_beat(self.lanes, x=self.i)

    @property
    def o_beat(self) -> Beat:
        return fixed_beat(self.lanes, y=self.o)


def hadamard(x: ArrayLike, config: HadamardConfig) -> Codes:
    """Exact result of the unit, code for code: rounded once, so that no order of additions shows.

    x       int (..., width)  codes of `config.i`
    return  int (..., width)  codes of `config.o`
    """
    x = config.i.require(x, "x")
    if x.shape[-1:] != (config.width,):
        raise ValueError(
            f"hadamard x must have {config.width} channels, not shape {x.shape}; "
            "configure the unit for that width"
        )
    return config.o.saturate(round_shift(transform(x), config.shift))


def transform(x: ArrayLike, transposed: bool = False) -> NDArray:
    """H x, or H^T x; the inverse of H is H^T / n.

    Integers of any type become int64 and sums are exact; other types, such as float32, are kept.
    Raises OverflowError for integers with sums that int64 might not hold.

    x       (..., width)
    return  (..., width)
    """
    x = np.asarray(x)
    _, base, points = factors(x.shape[-1])
    if x.dtype.kind in "biu":
        x = _as_int64(x, base * points)
    y = x.reshape(-1, base, points)
    if base > 1:
        matrix = base_matrix(base).astype(x.dtype)
        y = (matrix.T if transposed else matrix) @ y
    stride = 1
    while stride < points:
        pairs = y.reshape(-1, 2, stride)
        y = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1)
        stride *= 2
    return y.reshape(x.shape)


def _as_int64(x: NDArray, n: int) -> Codes:
    largest = max(int(x.max()), -int(x.min())) if x.size else 0
    if largest * n > np.iinfo(np.int64).max:
        raise OverflowError(
            f"hadamard sums of {n} integers must fit 64 bits, but one is {largest} in magnitude"
        )
    return x.astype(np.int64)


@cache
def factors(width: int) -> tuple[int, int, int]:
    """`(blocks, base, points)`: the largest n = base * points that divides `width` = blocks * n.

    >>> factors(5120), factors(128), factors(240)
    ((1, 20, 256), (1, 1, 128), (3, 20, 4))
    """
    if width < 1:
        raise ValueError(f"hadamard width must be at least 1, not {width}")
    sizes = []
    for base in BASES:
        if width % base == 0:
            blocks = width // base
            points = blocks & -blocks
            sizes.append((base * points, base, points))
    n, base, points = max(sizes)
    return width // n, base, points


@cache
def base_matrix(base: int) -> Codes:
    """H_base, int (base, base), read-only; its first row and first column are all +1.

    12 and 20 by Paley's construction I, with the primes q = 11 and 19 = base - 1; 28 by II, with
    q = 13 = base / 2 - 1, as 27 is no prime; with the signs of whole rows and columns chosen.
    """
    if base == 1:
        matrix = np.ones((1, 1), np.int64)
    elif base in (12, 20):
        matrix = _bordered(base - 1, corner=1) - np.diag(np.append(0, np.ones(base - 1, int)))
    else:
        conference = _bordered(base // 2 - 1, corner=0)
        matrix = np.kron(conference, [[1, 1], [1, -1]])
        matrix = matrix + np.kron(np.eye(base // 2, dtype=np.int64), [[1, -1], [-1, -1]])
    matrix = matrix * matrix[:, :1]
    matrix = matrix * matrix[0]
    matrix.setflags(write=False)
    return matrix


def _bordered(q: int, corner: int) -> Codes:
    """Legendre symbols of (column - row) modulo the prime `q`, with a border of ones."""
    squares = {k * k % q for k in range(1, q)}
    symbols = np.array([0] + [1 if k in squares else -1 for k in range(1, q)], np.int64)
    residues = (np.arange(q)[None, :] - np.arange(q)[:, None]) % q
    return np.block(
        [
            [np.full((1, 1), corner), np.ones((1, q), np.int64)],
            [np.ones((q, 1), np.int64), symbols[residues]],
        ]
    )
