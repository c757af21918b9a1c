"""Timing of the spill unit."""

from dataclasses import dataclass

from models.units.spill import SpillConfig


@dataclass(frozen=True)
class SpillTiming:
    """A beat on each edge, or the words of a wide one; parts follow each other without a gap."""

    config: SpillConfig

    step = 1  # clock edges from taking a part's step to taking its first beat
    latency = 1  # from taking a beat to handing over the first word that it completes

    @property
    def interval(self) -> int:
        """Clock edges between two beats."""
        return self.config.span

    def cycles(self, beats: int) -> int:
        """Clock edges from taking the first step to handing over the last word."""
        return self.step + (beats - 1) * self.interval + self.latency + self.config.span - 1
