"""Gate: the product of the scan's output and the activated gate, channel by channel."""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from models.arith import round_shift
from models.beats import Beat, block_beat, fixed_beat, require_lanes
from models.formats import Block, Codes, Fixed, Interval


@dataclass(frozen=True)
class GateConfig:
    """Formats of a gate unit."""

    y: Block
    z: Block
    o: Fixed
    lanes: int = 1

    def __post_init__(self) -> None:
        require_lanes("gate", self.lanes)
        if self.shift < 0:
            raise ValueError(
                f"gate o must have at most {self.product.frac} fractional bits, not {self.o.frac}"
            )

    @property
    def product(self) -> Fixed:
        """Format of y * z."""
        return Interval.of(self.y).times(self.z).format("gate y * z", "use narrower sources")

    @property
    def shift(self) -> int:
        return self.product.frac - self.o.frac

    @property
    def i_beat(self) -> Beat:
        return block_beat(self.y, self.lanes)

    @property
    def gate_beat(self) -> Beat:
        return block_beat(self.z, self.lanes)

    @property
    def o_beat(self) -> Beat:
        return fixed_beat(self.lanes, y=self.o)


def gate(
    y: ArrayLike, y_exponents: ArrayLike, z: ArrayLike, z_exponents: ArrayLike, config: GateConfig
) -> Codes:
    """Exact result of the unit, code for code.

    y, z                      int (..., channels)          codes of `config.y`, `config.z`
    y_exponents, z_exponents  int (..., channels / group)  their exponents
    return                    int (..., channels)          codes of `config.o`
    """
    left = config.y.expand(*config.y.require(y, y_exponents, "y"))
    right = config.z.expand(*config.z.require(z, z_exponents, "z"))
    return config.o.saturate(round_shift(left * right, config.shift))
