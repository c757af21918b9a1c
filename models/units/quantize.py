"""Quantize: narrow a vector to blocks, groups of codes with a run-time power-of-two exponent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.arith import bit_length, by_group, round_shift
from models.beats import Beat, block_beat, fixed_beat, require_lanes
from models.formats import Block, Codes


@dataclass(frozen=True)
class QuantizeConfig:
    """The block to make, from codes of its source format."""

    block: Block
    lanes: int = 1

    def __post_init__(self) -> None:
        require_lanes("quantize", self.lanes)

    @property
    def i_beat(self) -> Beat:
        return fixed_beat(self.lanes, x=self.block.source)

    @property
    def o_beat(self) -> Beat:
        return block_beat(self.block, self.lanes)


def quantize(x: ArrayLike, config: QuantizeConfig) -> tuple[Codes, Codes]:
    """Exact result of the unit, code for code; the rule is that of `models.formats.Block`.

    x       int (..., channels)          codes of `config.block.source`, whole groups
    return  int (..., channels)          codes of `config.block.code`
            int (..., channels / group)  exponents
    """
    block = config.block
    x = block.source.require(x, "x")
    if x.shape[-1] % block.group:
        raise ValueError(
            f"quantize x must have whole groups of {block.group} channels, not {x.shape[-1]}"
        )
    groups = by_group(x, block.group)
    widest = np.bitwise_or.reduce(groups ^ (groups >> 63), axis=-1)
    exponents = np.maximum(bit_length(widest) - (block.bits - 1), 0)
    codes = block.code.saturate(round_shift(groups, exponents[..., None]))
    return codes.reshape(x.shape), exponents
