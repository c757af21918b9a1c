"""Timing of the fetch unit."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from models.units.fetch import FetchConfig, Header


@dataclass
class _Waiting:
    """A target's queue: edges on which its words come to the front, and its beats leave."""

    places: int
    """Words that can wait behind the one in front."""
    fronts: deque[int] = field(default_factory=deque)
    """Of the last words, as many as there are places."""
    leaves: int = 0
    """The edge on which the last beat leaves."""

    def take(self, edge: int, beats: int) -> int:
        """The edge from `edge` on that takes a word with `beats` beats."""
        if len(self.fronts) == self.places:
            edge = max(edge, self.fronts.popleft() + 1)
        front = max(edge + 1, self.leaves)
        self.fronts.append(front)
        self.leaves = front + beats
        return edge


@dataclass(frozen=True)
class FetchTiming:
    """A word on each edge, headers too, but for one whose target's queue is full.

    A word comes to the front of its queue on the edge behind the one that takes it, and then its
    beats leave, one on each edge.
    """

    config: FetchConfig

    def cycles(self, packets: Iterable[Header]) -> int:
        """Clock edges from the first header to the last beat handed over, unstalled."""
        waiting = [_Waiting(target.depth - 1) for target in self.config.targets]
        edge = -1
        for header in packets:
            edge += 1
            for target, beats in header.parts * header.repeats:
                edge = self._part(edge, target, beats, waiting[target])
        return max(queue.leaves for queue in waiting)

    def _part(self, edge: int, target: int, beats: int, queue: _Waiting) -> int:
        """The edge on which the last word of a part is taken, behind one on `edge`."""
        span, most = self.config.span(target), self.config.per_word(target)
        for at in range(0, beats, most):
            edge = queue.take(edge + span, min(most, beats - at))
        return edge
