"""Timing of the gate unit."""

from dataclasses import dataclass

from models.units.gate import GateConfig


@dataclass(frozen=True)
class GateTiming:
    """A pipeline of three stages: multiply; shift by the exponents; round and saturate."""

    config: GateConfig

    latency = 3  # clock edges from accepting a pair of beats to handing over its result
    interval = 1  # clock edges between two accepted pairs

    def cycles(self, beats: int) -> int:
        """Clock edges from accepting the first of `beats` to handing over the last, unstalled."""
        return self.latency + (beats - 1) * self.interval
