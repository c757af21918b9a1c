"""Conv1d: depthwise causal convolution over the last few tokens, taps and inputs in blocks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.arith import round_shift
from models.beats import Beat, Field, block_beat, exponents_per_beat, fixed_beat, require_lanes
from models.formats import Block, Codes, Fixed, Interval


@dataclass(frozen=True)
class Conv1dConfig:
    """Formats and shape of a conv1d unit; inputs and taps share the grouping of channels.

    `layers` are served in turn, token after token; the unit keeps a state for each.
    """

    x: Block
    tap: Block
    o: Fixed
    taps: int
    channels: int
    lanes: int = 1
    layers: int = 1

    def __post_init__(self) -> None:
        require_lanes("conv1d", self.lanes, channels=self.channels)
        if self.tap.group != self.x.group:
            raise ValueError(
                f"conv1d tap group must be that of x = {self.x.group}, not {self.tap.group}"
            )
        if self.channels % self.x.group:
            raise ValueError(
                f"conv1d channels must be whole groups of {self.x.group}, not {self.channels}"
            )
        if self.layers < 1:
            raise ValueError(f"conv1d layers must be at least 1, not {self.layers}")
        if self.taps < 2:
            raise ValueError(f"conv1d taps must be at least 2, not {self.taps}")
        _ = self.total
        if self.shift < 0:
            raise ValueError(
                f"conv1d o must have at most {self.total.frac} fractional bits, not {self.o.frac}"
            )

    @property
    def total(self) -> Fixed:
        """Format of the sum over the taps."""
        return (
            Interval.of(self.x)
            .times(self.tap)
            .total(self.taps)
            .format(
                f"conv1d sum of {self.taps} products of {self.x} and {self.tap}",
                "use narrower source formats",
            )
        )

    @property
    def shift(self) -> int:
        return self.total.frac - self.o.frac

    @property
    def state_words(self) -> int:
        """Words of the state: one for each beat of a token in each layer."""
        return self.layers * self.channels // self.lanes

    @property
    def i_beat(self) -> Beat:
        return block_beat(self.x, self.lanes)

    @property
    def weight_beat(self) -> Beat:
        """Taps of `lanes` channels, those of the oldest token first, and the channels' biases."""
        return Beat(
            (
                Field("codes", self.tap.code, self.taps * self.lanes),
                Field(
                    "exponents",
                    self.tap.exponent,
                    self.taps * exponents_per_beat(self.tap, self.lanes),
                ),
                Field("bias", self.o, self.lanes),
            )
        )

    @property
    def o_beat(self) -> Beat:
        return fixed_beat(self.lanes, y=self.o)


def conv1d(
    window: ArrayLike,
    window_exponents: ArrayLike,
    taps: ArrayLike,
    tap_exponents: ArrayLike,
    bias: ArrayLike,
    config: Conv1dConfig,
) -> Codes:
    """Exact result of the unit, code for code; the state is all of `window` but its newest token.

    window            int (..., taps, channels)          codes of `config.x`, oldest token first
    window_exponents  int (..., taps, channels / group)  their exponents
    taps              int (taps, channels)               codes of `config.tap`
    tap_exponents     int (taps, channels / group)       their exponents
    bias              int (channels,)                    codes of `config.o`
    return            int (..., channels)                codes of `config.o`
    """
    window, window_exponents = config.x.require(window, window_exponents, "window")
    taps, tap_exponents = config.tap.require(taps, tap_exponents, "taps")
    exponents = np.repeat(window_exponents + tap_exponents, config.x.group, axis=-1)
    total = ((window * taps) << exponents).sum(axis=-2)
    return config.o.saturate(round_shift(total, config.shift) + config.o.require(bias, "bias"))


def pack_weights(
    taps: ArrayLike, tap_exponents: ArrayLike, bias: ArrayLike, config: Conv1dConfig
) -> list[int]:
    """Words of `weight_beat` for a token: one for each of its beats.

    taps           int (taps, channels)          codes of `config.tap`, the oldest token's first
    tap_exponents  int (taps, channels / group)  their exponents
    bias           int (channels,)               codes of `config.o`
    """
    taps, tap_exponents = config.tap.require(taps, tap_exponents, "taps")
    per_beat = exponents_per_beat(config.tap, config.lanes)
    repeats = max(1, config.tap.group // config.lanes)
    repeated = np.repeat(tap_exponents, repeats, axis=-1)
    return config.weight_beat.pack(
        codes=_beats_first(taps, config.lanes),
        exponents=_beats_first(repeated, per_beat),
        bias=bias,
    )


def _beats_first(rows: Codes, count: int) -> Codes:
    """Rows (taps, beats * count) as (beats, taps, count)."""
    return rows.reshape(len(rows), -1, count).swapaxes(0, 1)
