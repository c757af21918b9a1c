"""Activate: a table function on every channel."""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from models.beats import Beat, fixed_beat, require_lanes
from models.formats import Codes
from models.tables import Table


@dataclass(frozen=True)
class ActivateConfig:
    """The table; its input and output formats are those of the unit."""

    table: Table
    lanes: int = 1

    def __post_init__(self) -> None:
        require_lanes("activate", self.lanes)

    @property
    def i_beat(self) -> Beat:
        return fixed_beat(self.lanes, x=self.table.i)

    @property
    def o_beat(self) -> Beat:
        return fixed_beat(self.lanes, y=self.table.o)


def activate(x: ArrayLike, config: ActivateConfig) -> Codes:
    """Exact result of the unit, code for code.

    x       int (...)  codes of `config.table.i`
    return  int (...)  codes of `config.table.o`
    """
    return config.table.lookup(config.table.i.require(x, "x"))
