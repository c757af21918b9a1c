"""Argmax: the index of the largest code of a vector, the first of equals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.beats import Beat, Field, fixed_beat, require_lanes
from models.formats import Codes, Fixed


@dataclass(frozen=True)
class ArgmaxConfig:
    """Vectors of `count` codes, in beats of `lanes`; what fills the last beat up is ignored."""

    i: Fixed
    count: int
    lanes: int = 1

    def __post_init__(self) -> None:
        require_lanes("argmax", self.lanes)
        if self.count < 1:
            raise ValueError(f"argmax count must be at least 1, not {self.count}")

    @property
    def beats(self) -> int:
        """Beats of a vector."""
        return -(-self.count // self.lanes)

    @property
    def index(self) -> Fixed:
        return Fixed(max(1, (self.count - 1).bit_length()), signed=False)

    @property
    def i_beat(self) -> Beat:
        return fixed_beat(self.lanes, x=self.i)

    @property
    def o_beat(self) -> Beat:
        return Beat((Field("index", self.index),))


def argmax(x: ArrayLike, config: ArgmaxConfig) -> Codes:
    """Exact result of the unit.

    x       int (..., count)  codes of `config.i`
    return  int (...)         index of the largest, the first of equals
    """
    x = config.i.require(x, "x")
    if x.shape[-1:] != (config.count,):
        raise ValueError(
            f"argmax x must have {config.count} codes in a vector, not shape {x.shape}"
        )
    return np.asarray(np.argmax(x, axis=-1), np.int64)
