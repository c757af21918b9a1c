"""Timing of the residual unit."""

from dataclasses import dataclass

from models.units.residual import ResidualConfig


@dataclass(frozen=True)
class ResidualTiming:
    """A pipeline of two stages: add; saturate."""

    config: ResidualConfig

    latency = 2  # clock edges from accepting a pair of beats to handing over its result
    interval = 1  # clock edges between two accepted pairs

    def cycles(self, beats: int) -> int:
        """Clock edges from accepting the first of `beats` to handing over the last, unstalled."""
        return self.latency + (beats - 1) * self.interval
