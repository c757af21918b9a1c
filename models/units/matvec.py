"""Matvec: a matrix of few-bit weights times a vector in blocks.

out = round(sum over weight groups of scale * (sum over the group of weight * x)) + bias
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from models.arith import round_shift
from models.beats import Beat, Field, block_beat, fixed_beat, require_divisor, require_lanes
from models.formats import Block, Codes, Fixed, Interval
from models.scales import Scale


@dataclass(frozen=True)
class MatvecConfig:
    """Formats, parallelism and the largest matrix of a matvec unit.

    `rows` outputs times `columns` inputs are multiplied in each cycle; vectors enter and leave
    by `lanes`. A weight group is `group` consecutive columns of a row, the last one may be short.
    """

    x: Block
    weight: Fixed
    group: int
    scale: Scale
    o: Fixed
    max_rows: int
    max_columns: int
    bias: bool = False
    rows: int = 1
    columns: int = 1
    lanes: int = 1

    def __post_init__(self) -> None:
        require_lanes("matvec", self.lanes, rows=self.rows, columns=self.columns)
        require_divisor("matvec columns", self.columns, max_columns=self.max_columns)
        if self.group % self.columns:
            raise ValueError(
                f"matvec columns must divide the weight group = {self.group}, not {self.columns}; "
                "use fewer columns or longer weight groups"
            )
        if self.max_columns % self.x.group:
            raise ValueError(
                f"matvec max_columns must be whole groups of {self.x.group}, "
                f"not {self.max_columns}; pad the vector"
            )
        _ = self.partial, self.total
        if self.shift < 0:
            raise ValueError(
                f"matvec o must have at most {self.total.frac} fractional bits, not {self.o.frac}; "
                "use fewer, or more in the scale"
            )

    @property
    def groups(self) -> int:
        """Weight groups in the longest row."""
        return -(-self.max_columns // self.group)

    @property
    def shared(self) -> int:
        """Columns of a weight beat that share an exponent."""
        return min(self.columns, self.x.group)

    @property
    def expanded(self) -> Fixed:
        """Format of the sum over the columns that share an exponent, shifted by it."""
        return self._sum(self.shared).format("matvec products", "use a narrower source format")

    @property
    def _partial(self) -> Interval:
        return self._sum(self.group)

    def _sum(self, columns: int) -> Interval:
        return Interval.of(self.x).times(self.weight).total(columns)

    @cached_property
    def partial(self) -> Fixed:
        """Format of the sum over one weight group."""
        return self._partial.format(
            f"matvec sum of {self.group} products of {self.weight} and {self.x}",
            "use shorter weight groups or a narrower source format",
        )

    @cached_property
    def total(self) -> Fixed:
        """Format of the sum over a row."""
        return (
            self._partial.times(self.scale.value)
            .total(self.groups)
            .format(
                f"matvec sum of {self.max_columns} products of {self.weight}, {self.x} and a "
                f"{self.scale.kind} scale",
                "use a narrower source format or fewer columns",
            )
        )

    @property
    def shift(self) -> int:
        return self.total.frac - self.o.frac

    @property
    def i_beat(self) -> Beat:
        return block_beat(self.x, self.lanes)

    @property
    def weight_beat(self) -> Beat:
        """What one cycle multiplies: `columns` weights of the first row, then of the next."""
        return fixed_beat(self.rows * self.columns, weights=self.weight)

    @property
    def scale_beat(self) -> Beat:
        """Scales of one weight group of a tile of `rows` rows."""
        return fixed_beat(self.rows, scales=self.scale.code)

    @property
    def bias_beat(self) -> Beat:
        """Biases of a tile of `rows` rows; the port is there when the configuration has biases."""
        return fixed_beat(self.rows, bias=self.o)

    @property
    def pass_beat(self) -> Beat:
        """One pass: beats of the vector (`lanes` codes each) and tiles of `rows` rows."""
        beats = Fixed((self.max_columns // self.lanes).bit_length(), 0, signed=False)
        tiles = Fixed((-(-self.max_rows // self.rows)).bit_length(), 0, signed=False)
        return Beat((Field("beats", beats), Field("tiles", tiles)))

    @property
    def o_beat(self) -> Beat:
        return fixed_beat(self.lanes, y=self.o)


def matvec(
    codes: ArrayLike,
    exponents: ArrayLike,
    weights: ArrayLike,
    scales: ArrayLike,
    bias: ArrayLike | None,
    config: MatvecConfig,
) -> Codes:
    """Exact result of the unit, code for code.

    codes      int (..., columns)            codes of `config.x`
    exponents  int (..., columns / x.group)  their exponents
    weights    int (rows, columns)           codes of `config.weight`
    scales     int (rows, weight groups)     encoded scales
    bias       int (rows,)                   codes of `config.o`, or None for no bias
    return     int (..., rows)               codes of `config.o`
    """
    codes, exponents = config.x.require(codes, exponents, "codes")
    weights = config.weight.require(weights, "weights")
    scales = config.scale.code.require(scales, "scales")
    require_matrix(weights, scales, bias, codes.shape[-1], config)
    decoded = config.scale.decode(scales)
    x = config.x.expand(codes, exponents)
    total = np.zeros((*x.shape[:-1], weights.shape[0]), np.int64)
    for at in range(decoded.shape[1]):
        group = slice(at * config.group, (at + 1) * config.group)
        total += (x[..., group] @ weights[:, group].T) * decoded[:, at]
    rounded = round_shift(total, config.shift)
    if bias is not None:
        rounded = rounded + config.o.require(bias, "bias")
    return config.o.saturate(rounded)


def require_matrix(
    weights: ArrayLike,
    scales: ArrayLike,
    bias: ArrayLike | None,
    columns: int,
    config: MatvecConfig,
) -> None:
    """Refuse a matrix whose arrays disagree in shape with each other or with `columns` codes.

    Raises ValueError naming the array, the shape that it must have and the one that it has.
    """
    rows = np.shape(weights)[0] if np.ndim(weights) else 0
    if columns > config.max_columns:
        raise ValueError(
            f"matvec codes must have at most max_columns = {config.max_columns} columns, "
            f"not {columns}; make max_columns larger"
        )
    shapes: dict[str, tuple[ArrayLike, tuple[int, ...]]] = {
        "weights": (weights, (rows, columns)),
        "scales": (scales, (rows, -(-columns // config.group))),
    }
    if bias is not None:
        shapes["bias"] = bias, (rows,)
    for name, (array, shape) in shapes.items():
        if np.shape(array) != shape:
            raise ValueError(
                f"matvec {name} must have shape {shape}, not {np.shape(array)}; "
                f"the vector has {columns} columns in weight groups of {config.group}"
            )
