"""Timing of the conv1d unit."""

from dataclasses import dataclass

from models.units.conv1d import Conv1dConfig


@dataclass(frozen=True)
class Conv1dTiming:
    """A pipeline of six stages: read the state; multiply; shift; add up; add the bias; saturate."""

    config: Conv1dConfig

    latency = 6  # clock edges from accepting a beat to handing over its result
    interval = 1  # clock edges between two accepted beats, also of neighbouring tokens

    def cycles(self, beats: int) -> int:
        """Clock edges from accepting the first of `beats` to handing over the last, unstalled."""
        return self.latency + (beats - 1) * self.interval
