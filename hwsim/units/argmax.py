"""Timing of the argmax unit."""

from dataclasses import dataclass

from models.units.argmax import ArgmaxConfig


@dataclass(frozen=True)
class ArgmaxTiming:
    """A pipeline: two levels of the tree over the lanes in a stage, then the best of the beats."""

    config: ArgmaxConfig

    interval = 1  # clock edges between two beats, also of two vectors

    @property
    def latency(self) -> int:
        """Clock edges from accepting the last beat of a vector to handing over its index."""
        levels = self.config.lanes.bit_length() - 1
        return -(-levels // 2) + 1

    def cycles(self, vectors: int) -> int:
        """Clock edges from the first beat of `vectors` to handing over the last index."""
        return (vectors * self.config.beats - 1) * self.interval + self.latency
