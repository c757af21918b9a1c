"""Timing of the matvec unit."""

from collections.abc import Iterable
from dataclasses import dataclass

from models.units.matvec import MatvecConfig

Freeze = tuple[int, int]
"""Clock edges `start <= edge < stop` on which the pipeline stands still."""


@dataclass(frozen=True)
class MatvecTiming:
    """A vector is loaded, then one weight beat is multiplied on each edge, tile after tile.

    A finished tile leaves by `lanes` while the next is computed. One that finishes while its
    predecessor still leaves freezes the pipeline, and so the weights, until that is gone.
    """

    config: MatvecConfig

    interval = 1  # clock edges between two weight beats
    ahead = 4  # scales, and biases, that are taken before they are needed

    @property
    def scaled(self) -> int:
        """Clock edges from a weight group's last beat to when its sum waits for its scale."""
        several_exponents = self.config.columns > self.config.x.group
        return 5 + several_exponents

    @property
    def latency(self) -> int:
        """Clock edges from a tile's last weight beat to its handover to the output register."""
        two_steps = self.config.scale.kind != "pot"
        return self.scaled + 4 + two_steps

    @property
    def output(self) -> int:
        """Clock edges on which a tile leaves."""
        return self.config.rows // self.config.lanes

    def cycles(self, passes: Iterable[tuple[int, int]]) -> int:
        """Clock edges from the first transfer in to the last output, unstalled.

        `passes` are (beats of the vector, tiles), as on port `i_pass`.
        """
        issued = -1  # edge of the last weight beat
        left = 0  # edge on which the last tile's last beat leaves
        freezes: list[Freeze] = []
        for beats, tiles in passes:
            issued += 1 + beats  # the pass is taken, the vector loaded
            for _ in range(tiles):
                weights = beats * self.config.lanes // self.config.columns
                issued = _after(issued, weights, freezes)
                finished = _after(issued, self.latency, freezes)
                handover = max(finished, left)
                freezes = [freeze for freeze in freezes if freeze[1] > issued]
                if handover > finished:
                    freezes.append((finished, handover))
                left = handover + self.output
        return left


def _after(edge: int, steps: int, freezes: list[Freeze]) -> int:
    """The edge by which the pipeline has advanced `steps` times after `edge`."""
    reached = edge + steps
    for start, stop in freezes:
        start = max(start, edge + 1)
        if start <= reached and stop > start:
            reached += stop - start
    return reached
