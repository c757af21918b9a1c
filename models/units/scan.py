"""Scan: one token of the selective state update and its read-out.

h = decay * h + drive * B, narrowed to blocks along the state; y = C . h + skip
(Dao and Gu 2024, eq. 1, with the discretized parameters of section 7).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.arith import round_shift
from models.beats import Beat, Field, block_beat, fixed_beat, require_divisor
from models.formats import Block, Codes, Fixed, Interval
from models.units.discretize import DiscretizeConfig
from models.units.quantize import QuantizeConfig, quantize


@dataclass(frozen=True)
class ScanConfig:
    """Formats, shape and parallelism of a scan unit.

    `channels` head channels times `states` state elements are updated in each cycle; `lanes` head
    channels travel in a beat. Heads of a group share B and C. `h` is the stored state.
    `layers` are served in turn, token after token, each with a state of its own: on chip, or, when
    it is `spilled`, as a stream of words that come in before their update and leave after it.
    """

    drive: DiscretizeConfig
    b: Block
    c: Block
    h: Block
    o: Fixed
    groups: int
    state: int
    channels: int = 1
    states: int = 1
    layers: int = 1
    spilled: bool = False

    def __post_init__(self) -> None:
        require_divisor("scan channels", self.channels, lanes=self.lanes)
        require_divisor("scan states", self.states, state=self.state)
        if self.layers < 1:
            raise ValueError(f"scan layers must be at least 1, not {self.layers}")
        if self.heads % self.groups:
            raise ValueError(f"scan groups must divide heads = {self.heads}, not {self.groups}")
        for name, block in (("b", self.b), ("c", self.c), ("h", self.h)):
            if self.state % block.group:
                raise ValueError(
                    f"scan {name} group must divide the state = {self.state}, not {block.group}; "
                    f"use {self.state & -self.state} or a smaller power of two"
                )
        if self.o != self.drive.o:
            raise ValueError(f"scan o must be that of the skip = {self.drive.o}, not {self.o}")
        _ = self.update, self.total
        if self.total_shift < 0:
            raise ValueError(
                f"scan o must have at most {self.total.frac} fractional bits, not {self.o.frac}"
            )

    @property
    def heads(self) -> int:
        return self.drive.heads

    @property
    def head_dim(self) -> int:
        return self.drive.head_dim

    @property
    def lanes(self) -> int:
        return self.drive.lanes

    @property
    def _kept(self) -> Interval:
        return Interval.of(self.h).times(self.drive.decay)

    @property
    def _added(self) -> Interval:
        return Interval.of(self.drive.drive).times(self.b)

    @property
    def kept(self) -> Fixed:
        """Format of decay * h."""
        return self._kept.format("scan decay * h", "narrow h or the decay")

    @property
    def added(self) -> Fixed:
        """Format of drive * B."""
        return self._added.format("scan drive * B", "narrow delta, x or B")

    @property
    def update(self) -> Fixed:
        """Format of decay * h + drive * B."""
        return self._kept.plus(self._added).format(
            f"scan decay * h + drive * B of {self.h}, {self.drive.drive} and {self.b}",
            "use narrower source formats",
        )

    @property
    def kept_align(self) -> int:
        """Bits that decay * h is shifted left to meet the fraction of the sum."""
        return self.update.frac - self._kept.frac

    @property
    def added_align(self) -> int:
        """Bits that drive * B is shifted left to meet the fraction of the sum."""
        return self.update.frac - self._added.frac

    @property
    def update_shift(self) -> int:
        return self.update.frac - self.h.frac

    @property
    def total(self) -> Fixed:
        """Format of C . h."""
        return (
            Interval.of(self.c)
            .times(self.h)
            .total(self.state)
            .format(
                f"scan sum of {self.state} products of {self.c} and {self.h}",
                "use narrower source formats",
            )
        )

    @property
    def total_shift(self) -> int:
        return self.total.frac - self.o.frac

    @property
    def state_tiles(self) -> int:
        return self.state // self.states

    @property
    def channel_tiles(self) -> int:
        """Tiles of channels in a beat of `lanes` head channels."""
        return self.lanes // self.channels

    @property
    def beats(self) -> int:
        """Beats of `lanes` head channels in a token."""
        return self.heads * self.head_dim // self.lanes

    @property
    def vector_beats(self) -> int:
        """Beats of a token's B, and of its C."""
        return self.groups * self.state_tiles

    @property
    def head_words(self) -> int:
        """Words of a head's state: tiles of channels in order, state tile by state tile."""
        return self.head_dim // self.channels * self.state_tiles

    @property
    def state_words(self) -> int:
        """Words of the state: layers, their heads in order."""
        return self.layers * self.heads * self.head_words

    @property
    def i_beat(self) -> Beat:
        """`lanes` channels of a head, as `discretize` hands them over."""
        return self.drive.o_beat

    @property
    def b_beat(self) -> Beat:
        return block_beat(self.b, self.states)

    @property
    def c_beat(self) -> Beat:
        return block_beat(self.c, self.states)

    @property
    def state_beat(self) -> Beat:
        """One word of the state: `states` elements of each of `channels` channels."""
        one = block_beat(self.h, self.states)
        return Beat(tuple(Field(f.name, f.format, f.count * self.channels) for f in one.fields))

    @property
    def o_beat(self) -> Beat:
        return fixed_beat(self.lanes, y=self.o)


def scan(
    decay: ArrayLike,
    drive: ArrayLike,
    drive_exponents: ArrayLike,
    skip: ArrayLike,
    b: tuple[ArrayLike, ArrayLike],
    c: tuple[ArrayLike, ArrayLike],
    h: tuple[ArrayLike, ArrayLike],
    config: ScanConfig,
) -> tuple[Codes, tuple[Codes, Codes]]:
    """Exact result of the unit, code for code, and the state after it.

    decay            int (..., heads)                     codes of the decay
    drive            int (..., heads * head_dim)          codes of the drive
    drive_exponents  int (..., channels / group)          their exponents
    skip             int (..., heads * head_dim)          codes of `config.o`
    b, c             int (..., groups * state)            codes, and exponents (.../ group)
    h                int (..., heads, head_dim, state)    codes, and exponents (.../ group)
    return           int (..., heads * head_dim)          y, codes of `config.o`
                     codes and exponents                  h after the token
    """
    shape = (config.heads, config.head_dim)
    decay = config.drive.decay.require(decay, "decay")[..., None, None]
    skip = config.o.require(skip, "skip")
    h_codes, h_exponents = config.h.require(*h, "h")
    driven = config.drive.drive.expand(*config.drive.drive.require(drive, drive_exponents, "drive"))
    driven = driven.reshape(*driven.shape[:-1], *shape, 1)
    b_values = _by_head(config.b.expand(*config.b.require(*b, "b")), config)
    c_values = _by_head(config.c.expand(*config.c.require(*c, "c")), config)

    kept = (decay * config.h.expand(h_codes, h_exponents)) << config.kept_align
    update = kept + ((driven * b_values) << config.added_align)
    narrowed = config.h.source.saturate(round_shift(update, config.update_shift))
    after = quantize(narrowed, QuantizeConfig(config.h))

    read = (config.h.expand(*after) * c_values).sum(axis=-1)
    read = round_shift(read.reshape(skip.shape), config.total_shift)
    return config.o.saturate(read + skip), after


def _by_head(codes: Codes, config: ScanConfig) -> Codes:
    """Codes (..., groups * state) as (..., heads, 1, state)."""
    by_group = codes.reshape(*codes.shape[:-1], config.groups, 1, config.state)
    return np.repeat(by_group, config.heads // config.groups, axis=-3)
