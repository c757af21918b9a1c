"""Residual: add a layer's output to the residual stream."""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from models.beats import Beat, fixed_beat, require_lanes
from models.formats import Codes, Fixed


@dataclass(frozen=True)
class ResidualConfig:
    """Format of the residual stream, and of what is added to it."""

    stream: Fixed
    lanes: int = 1

    def __post_init__(self) -> None:
        require_lanes("residual", self.lanes)

    @property
    def i_beat(self) -> Beat:
        return fixed_beat(self.lanes, x=self.stream)

    @property
    def update_beat(self) -> Beat:
        return fixed_beat(self.lanes, y=self.stream)

    @property
    def o_beat(self) -> Beat:
        return fixed_beat(self.lanes, x=self.stream)


def residual(x: ArrayLike, update: ArrayLike, config: ResidualConfig) -> Codes:
    """Exact result of the unit, code for code.

    x, update  int (..., channels)  codes of `config.stream`
    return     int (..., channels)  codes of `config.stream`
    """
    total = config.stream.require(x, "x") + config.stream.require(update, "update")
    return config.stream.saturate(total)
