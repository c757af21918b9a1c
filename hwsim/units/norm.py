"""Timing of the norm unit."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.units.norm import NormConfig


@dataclass(frozen=True)
class NormTiming:
    """One vector at a time: taken in, its root found, scaled; each beat passes twice."""

    config: NormConfig

    latency = 5  # clock edges from reading a beat back to handing over its result
    interval = 1  # clock edges between two beats, in and out

    accept = 1  # take the pass
    settle = 2  # add up the last beat's squares; add them to the sum
    root = 5  # find the leading bit; align; read the ROM; multiply by the slope; add

    def vector(self, beats: int) -> int:
        """Clock edges from accepting a pass of `beats` to accepting the next one."""
        return self.accept + beats + self.settle + self.root + beats

    def cycles(self, passes: Sequence[int]) -> int:
        """Clock edges from accepting the first of `passes` to handing over the last result.

        Unstalled; a pass is given as the number of its beats.
        """
        return sum(self.vector(beats) for beats in passes) - 1 + self.latency
