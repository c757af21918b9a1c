"""Timing of the discretize unit."""

from dataclasses import dataclass

from models.units.discretize import DiscretizeConfig


@dataclass(frozen=True)
class DiscretizeTiming:
    """The heads of a token one by one, then its beats of x, the first as soon as head 0 is done.

    A head takes at least one beat of x, so a beat never waits for a later head.
    """

    config: DiscretizeConfig

    head_latency = 12  # clock edges from reading a head to accepting its first beat of x
    latency = 4  # clock edges from accepting a beat of x to handing over its result
    interval = 1  # clock edges between two accepted beats of x

    @property
    def beats(self) -> int:
        """Beats of x of a token."""
        return self.config.heads * self.config.head_dim // self.config.lanes

    @property
    def token_interval(self) -> int:
        """Clock edges between the first heads of two consecutive tokens."""
        return self.head_latency + self.beats * self.interval

    @property
    def unpack(self) -> int:
        """Clock edges from reading the first head of a beat to releasing the beat."""
        return min(self.config.lanes, self.config.heads) - 1

    def cycles(self, tokens: int) -> int:
        """Clock edges from accepting the first beat of heads to handing over the last result."""
        last_taken = tokens * self.token_interval - self.interval
        return last_taken + self.latency - self.unpack
