"""Timing of the activate unit."""

from dataclasses import dataclass

from models.units.activate import ActivateConfig


@dataclass(frozen=True)
class ActivateTiming:
    """A pipeline of three stages: read the ROM; multiply by the slope; add, round and saturate."""

    config: ActivateConfig

    latency = 3  # clock edges from accepting a beat to handing over its result
    interval = 1  # clock edges between two accepted beats

    def cycles(self, beats: int) -> int:
        """Clock edges from accepting the first of `beats` to handing over the last, unstalled."""
        return self.latency + (beats - 1) * self.interval
