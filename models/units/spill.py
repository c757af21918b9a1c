"""Spill: words of the state on their way back to memory, packed as `fetch` unpacks them.

The words arrive in parts, as they once came in packets; a step for each part says where its first
port word lies. What is written is the payload of those packets, over the one that was read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from models.beats import Beat, fixed_beat
from models.formats import Fixed
from models.units.fetch import BEATS, Counts, FetchConfig, Packet, Target, pack

PLACE = Fixed(32, signed=False)
WORDS = Fixed(16, signed=False)


class Part(NamedTuple):
    """A step, or several as arrays: the place of a part's first port word, its port words, its
    beats.

    Places are counted in port words from the beginning of the image. No count is 0.
    """

    place: Counts
    words: Counts
    beats: Counts


@dataclass(frozen=True)
class SpillConfig:
    """Beats that leave through a port of `port_bits`."""

    port_bits: int
    beat: Beat

    @cached_property
    def _packing(self) -> FetchConfig:
        return FetchConfig(self.port_bits, (Target("state", self.beat),))

    @property
    def per_word(self) -> int:
        """Beats that travel in one word, at most."""
        return self._packing.per_word(0)

    @property
    def span(self) -> int:
        """Words that one beat takes."""
        return self._packing.span(0)

    @property
    def step_beat(self) -> Beat:
        return fixed_beat(1, place=PLACE, words=WORDS, beats=BEATS)

    @property
    def i_beat(self) -> Beat:
        return self.beat

    @property
    def o_beat(self) -> Beat:
        """A word of the port."""
        return self._packing.word_beat

    @property
    def write_beat(self) -> Beat:
        """Where words go that leave: the place of the first one, and how many."""
        return fixed_beat(1, place=PLACE, words=WORDS)

    @property
    def most_beats(self) -> int:
        """Beats of the longest part that a step can say."""
        return int(most_beats(self.span))

    def lengths(self, beats: int) -> list[int]:
        """Beats of each of the parts in which `beats` beats travel."""
        most = self.most_beats
        return [min(most, beats - at) for at in range(0, beats, most)]

    def part(self, place: int, beats: int) -> Part:
        """The step of a part of `beats` beats.

        Raises ValueError when a step cannot say it.
        """
        if not 0 < beats <= self.most_beats:
            raise ValueError(
                f"spill part must have 1 to {self.most_beats} beats, not {beats}; split the part"
            )
        if not 0 <= place <= PLACE.max_code:
            raise ValueError(
                f"spill part must begin at a word in 0..{PLACE.max_code}, not {place}; "
                "use a wider port"
            )
        return Part(place, self._packing.words(0, beats), beats)


def most_beats(span: Counts) -> Counts:
    """Beats of the longest part that a step can say, of `span` words each."""
    return np.minimum(BEATS.max_code, WORDS.max_code // span)


def spill(
    beats: Sequence[int], parts: Sequence[Part], config: SpillConfig
) -> tuple[list[int], list[int]]:
    """Exact result of the unit: raw words of `write_beat`, one for each part, and of the port.

    Raises ValueError when `beats` are not those of `parts`.
    """
    if len(beats) != sum(part.beats for part in parts):
        raise ValueError(
            f"spill beats must be those of the parts = {sum(part.beats for part in parts)}, "
            f"not {len(beats)}"
        )
    words, at = list[int](), 0
    for part in parts:
        packet = Packet((("state", beats[at : at + part.beats]),))
        words += pack([packet], config._packing)[1:]
        at += part.beats
    writes = config.write_beat.pack(
        place=[part.place for part in parts], words=[part.words for part in parts]
    )
    return writes, words
