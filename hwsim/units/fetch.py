"""Timing of the fetch unit."""

from collections.abc import Iterable
from dataclasses import dataclass

from models.units.fetch import FetchConfig, Header


@dataclass(frozen=True)
class FetchTiming:
    """A word on each edge, headers too, but for a target that still hands on its last word.

    A word that holds several beats is handed on to its target's queue beat by beat, while the
    port goes on to other targets.
    """

    config: FetchConfig

    queue = 2  # clock edges from entering a target's queue to leaving it

    def cycles(self, packets: Iterable[Header]) -> int:
        """Clock edges from the first header to the last beat handed over, unstalled."""
        edge = 0  # on which the next word is taken, unless its target is busy
        busy = [0] * len(self.config.targets)  # the edge on which a target's last beat is queued
        for header in packets:
            edge = self._packet(edge + 1, header, busy)
        return max(busy) + self.queue

    def _packet(self, edge: int, header: Header, busy: list[int]) -> int:
        """The edge after a packet's last word; `busy` follows it."""
        targets = {target for target, _ in header.parts}
        for repeat in range(header.repeats):
            start, waits = edge, [max(0, busy[target] - edge) for target in targets]
            for target, beats in header.parts:
                edge = self._part(edge, target, beats, busy)
            if waits == [max(0, busy[target] - edge) for target in targets]:
                rest = (header.repeats - 1 - repeat) * (edge - start)  # all alike from here on
                for target in targets:
                    busy[target] += rest
                return edge + rest
        return edge

    def _part(self, edge: int, target: int, beats: int, busy: list[int]) -> int:
        edge = max(edge, busy[target])
        words, per_word = self.config.words(target, beats), self.config.per_word(target)
        if per_word == 1:
            busy[target] = edge + words - 1
            return edge + words
        busy[target] = edge + beats
        return edge + (words - 1) * per_word + 1
