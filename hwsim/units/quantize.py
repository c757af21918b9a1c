"""Timing of the quantize unit."""

from dataclasses import dataclass

from models.units.quantize import QuantizeConfig


@dataclass(frozen=True)
class QuantizeTiming:
    """A pipeline of three stages; a group of several beats waits for its last one first."""

    config: QuantizeConfig

    interval = 1  # clock edges between two accepted beats

    @property
    def latency(self) -> int:
        """Clock edges from accepting the first beat to handing over its result."""
        beats = self.config.block.group // self.config.lanes
        return 3 + (beats if beats > 1 else 0)

    def cycles(self, beats: int) -> int:
        """Clock edges from accepting the first of `beats` to handing over the last, unstalled."""
        return self.latency + (beats - 1) * self.interval
