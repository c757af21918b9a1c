"""Fetch: hand the words of one memory port to the units that they are for; the order is data.

The stream is a sequence of packets, a header word and its payload: `repeats` times the words of
`first_beats` beats for target `first`, then those of `second_beats` beats for target `second`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.beats import Beat, Field, fixed_beat
from models.formats import WIDEST, Fixed

Octets = NDArray[np.uint8]
Counts = Any
"""A count, or an array of counts, of one configuration each."""

INDEX = Fixed(4, signed=False)
BEATS = Fixed(16, signed=False)
REPEATS = Fixed(24, signed=False)
HEADER = fixed_beat(
    1, first=INDEX, first_beats=BEATS, second=INDEX, second_beats=BEATS, repeats=REPEATS
)
"""A header, in the lowest bits of its word."""


class Header(NamedTuple):
    """The fields of a header: targets by index, beats of each in one repeat, repeats.

    A packet for one target has `second_beats` = 0. A word of zeros has no payload and is skipped.
    """

    first: int = 0
    first_beats: int = 0
    second: int = 0
    second_beats: int = 0
    repeats: int = 0

    @property
    def parts(self) -> list[tuple[int, int]]:
        """Target and beats of each part of a repeat, without parts of no beats."""
        parts = [(self.first, self.first_beats), (self.second, self.second_beats)]
        return [(target, beats) for target, beats in parts if beats]


@dataclass(frozen=True)
class Target:
    """Who takes beats on port `o_<name>`, from a queue of `depth` places.

    A place holds the beats of a word, or a beat that is wider.
    """

    name: str
    beat: Beat
    depth: int = 3


@dataclass(frozen=True)
class FetchConfig:
    """A port of `port_bits` and the targets of its words.

    A word holds as many whole beats of its target as fit, the first in the lowest bits; a beat
    that is wider than the port spans several words, the lowest bits first.
    """

    port_bits: int
    targets: tuple[Target, ...]

    def __post_init__(self) -> None:
        if self.port_bits < HEADER.bits or self.port_bits & self.port_bits - 1:
            raise ValueError(
                f"fetch port_bits must be a power of two of at least {HEADER.bits}, "
                f"not {self.port_bits}"
            )
        if not 1 <= len(self.targets) <= INDEX.max_code + 1:
            raise ValueError(
                f"fetch must have 1 to {INDEX.max_code + 1} targets, not {len(self.targets)}"
            )
        names = [target.name for target in self.targets]
        if len(set(names)) < len(names):
            raise ValueError(f"fetch targets must have different names, not {names}")
        for target in self.targets:
            if target.depth < 3:
                raise ValueError(
                    f"fetch {target.name} depth must be at least 3, not {target.depth}; "
                    "a shorter queue cannot pass a word in every cycle"
                )

    @property
    def word_beat(self) -> Beat:
        """A word of the port, in pieces that a format holds."""
        return Beat((Field("word", Fixed(32, signed=False), self.port_bits // 32),))

    def per_word(self, target: int) -> int:
        """Beats of a target that travel in one word, at most."""
        return int(per_word(self.targets[target].beat.bits, self.port_bits))

    def span(self, target: int) -> int:
        """Words that one beat of a target takes."""
        return span(self.targets[target].beat.bits, self.port_bits)

    def waiting(self, target: int) -> Beat:
        """What a place of a target's queue holds: a beat, or the bits of several in a word.

        With these comes which of them, counted from 0, is the last.
        """
        beat, most = self.targets[target].beat, self.per_word(target)
        if most == 1:
            return beat
        piece = next(width for width in range(WIDEST, 0, -1) if beat.bits % width == 0)
        bits = Field("bits", Fixed(piece, signed=False), most * beat.bits // piece)
        last = Field("last", Fixed(int(last_bits(most)), signed=False))
        return Beat((bits, last))

    def places(self, target: int, beats: int) -> int:
        """Places of its queue that a part of `beats` beats takes."""
        return places(beats, self.per_word(target))

    def words(self, target: int, beats: int) -> int:
        """Words of a part of `beats` beats."""
        return self.places(target, beats) * self.span(target)

    def payload(self, header: Header) -> int:
        """Words that follow a header."""
        return header.repeats * sum(self.words(*part) for part in header.parts)


def per_word(bits: Counts, port_bits: Counts) -> Counts:
    """Beats of `bits` that travel in one word of a port, at most."""
    return np.maximum(1, port_bits // bits)


def span(bits: Counts, port_bits: Counts) -> Counts:
    """Words that one beat of `bits` takes."""
    return -(-bits // port_bits)


def places(beats: Counts, several: Counts) -> Counts:
    """Places that a part of `beats` beats takes, `several` in a word that parts do not share."""
    return -(-beats // several)


def last_bits(several: Counts) -> Counts:
    """Bits that say which of the `several` beats of a word is the last."""
    return np.frexp(several - 1)[1]


def waiting_bits(bits: Counts, several: Counts) -> Counts:
    """Bits of a place of a queue, as of `FetchConfig.waiting`."""
    return several * bits + last_bits(several)


@dataclass(frozen=True)
class Packet:
    """Beats for one target or two, by name; `repeats` equal shares of each go in turn.

    `Packet((("scales", scales), ("weights", weights)), repeats=2)` with 2 scales and 6 weights
    sends one scale, three weights, one scale, three weights.
    """

    parts: tuple[tuple[str, Sequence[int]], ...]
    repeats: int = 1


def fetch(words: Sequence[int], config: FetchConfig) -> dict[str, list[int]]:
    """Exact result of the unit: raw beats by the name of their target, in order.

    Raises ValueError for words that are not whole packets for the targets of `config`.
    """
    octets = _octets(words, config.port_bits, "words")
    beats: dict[str, list[int]] = {target.name: [] for target in config.targets}
    for at, header in _packets(octets, config):
        if not header.repeats:
            continue
        payload = octets[at + 1 : at + 1 + config.payload(header)]
        repeats, start = payload.reshape(header.repeats, -1, config.port_bits // 8), 0
        for target, count in header.parts:
            stop = start + config.words(target, count)
            beats[config.targets[target].name] += _integers(
                _from_words(repeats[:, start:stop], count, target, config)
            )
            start = stop
    return beats


def pack(packets: Iterable[Packet], config: FetchConfig) -> list[int]:
    """Words of `packets`; a packet without any beats takes none.

    Raises ValueError for a packet that a header cannot say, OverflowError for a beat that is
    wider than its target's.
    """
    size = config.port_bits // 8
    rows = [np.empty((0, size), np.uint8)]
    for packet in packets:
        header = header_of(packet, config)
        if header.parts:
            rows.append(_octets(HEADER.pack(**header._asdict()), config.port_bits, "header"))
            rows.append(_payload(packet, header, config))
    return _integers(np.concatenate(rows))


def header_of(packet: Packet, config: FetchConfig) -> Header:
    """The header of a packet; parts of no beats are left out.

    Raises ValueError for a packet that a header cannot say.
    """
    names = [target.name for target in config.targets]
    if not 1 <= packet.repeats <= REPEATS.max_code:
        raise ValueError(
            f"fetch packet repeats must be in 1..{REPEATS.max_code}, not {packet.repeats}; "
            "split the packet"
        )
    parts = []
    for name, beats in packet.parts:
        if name not in names:
            raise ValueError(f"fetch packet part must be for one of {names}, not {name!r}")
        share, rest = divmod(len(beats), packet.repeats)
        if rest:
            raise ValueError(
                f"fetch packet {name} must have equal shares for {packet.repeats} repeats, "
                f"not {len(beats)} beats in all"
            )
        if share > BEATS.max_code:
            raise ValueError(
                f"fetch packet {name} must have at most {BEATS.max_code} beats in a repeat, "
                f"not {share}; use more repeats or split the packet"
            )
        if share:
            parts.append((names.index(name), share))
    if len(packet.parts) > 2:
        raise ValueError(
            f"fetch packet must have at most 2 parts, not {len(packet.parts)}; split the packet"
        )
    first, second = [*parts, (0, 0), (0, 0)][:2]
    return Header(*first, *second, packet.repeats) if parts else Header()


def headers(words: Sequence[int], config: FetchConfig) -> list[Header]:
    """The headers of a stream of words, also those that have no payload."""
    octets = _octets(words, config.port_bits, "words")
    return [header for _, header in _packets(octets, config)]


def _packets(octets: Octets, config: FetchConfig) -> Iterator[tuple[int, Header]]:
    """Each header, and the word that it is."""
    at = 0
    while at < len(octets):
        fields = HEADER.unpack(_integers(octets[at : at + 1, : HEADER.bits // 8]))
        header = Header(**{name: int(codes[0, 0]) for name, codes in fields.items()})
        for target, _ in header.parts:
            if target >= len(config.targets):
                raise ValueError(
                    f"fetch words[{at}]: header must name targets 0..{len(config.targets) - 1}, "
                    f"not {target}; the words are of another design, or not at a header"
                )
        if header.repeats and not header.first_beats:
            raise ValueError(
                f"fetch words[{at}]: header must have beats for its first target, not 0; "
                "the words are not at a header"
            )
        payload, left = config.payload(header), len(octets) - at - 1
        if payload > left:
            raise ValueError(
                f"fetch words[{at}]: header must be followed by {payload} words of payload, "
                f"not {left}; the words are cut short, or not at a header"
            )
        yield at, header
        at += 1 + payload


def _payload(packet: Packet, header: Header, config: FetchConfig) -> Octets:
    """Octets (words, port octets) of all repeats of a packet."""
    filled = [part for part in packet.parts if len(part[1])]
    parts = []
    for (target, _), (name, beats) in zip(header.parts, filled, strict=True):
        octets = _octets(beats, config.targets[target].beat.bits, name)
        parts.append(_to_words(octets, header.repeats, target, config))
    return np.concatenate(parts, axis=1).reshape(-1, config.port_bits // 8)


def _octets(words: Sequence[int], bits: int, name: str) -> Octets:
    """Octets (words, size) of unsigned `words` of `bits` bits, the lowest first."""
    if len(words) and (min(words) < 0 or max(words) >> bits):
        at = next(at for at, word in enumerate(words) if word < 0 or word >> bits)
        raise OverflowError(f"fetch {name}[{at}] = {words[at]:#x} does not fit {bits} bits")
    size = -(-bits // 8)
    joined = b"".join([word.to_bytes(size, "little") for word in words])
    return np.frombuffer(joined, np.uint8).reshape(-1, size)


def _integers(octets: Octets) -> list[int]:
    """The reverse of `_octets`."""
    size, joined = octets.shape[-1], octets.tobytes()
    return [int.from_bytes(joined[at : at + size], "little") for at in range(0, len(joined), size)]


def _to_words(octets: Octets, repeats: int, target: int, config: FetchConfig) -> Octets:
    """Octets (repeats, words, port octets) of a part, from those of its beats (beats, octets).

    Beats that are not whole octets are moved bit by bit.
    """
    bits = config.targets[target].beat.bits
    by_bit = bits % 8 != 0
    if by_bit:
        octets = np.unpackbits(octets, axis=1, count=bits, bitorder="little")
    each, span = config.per_word(target), config.span(target)
    word = config.port_bits if by_bit else config.port_bits // 8
    beats = octets.reshape(repeats, -1, octets.shape[1])
    filled = _padded(beats, 1, -(-beats.shape[1] // each) * each)
    bundles = filled.reshape(repeats, -1, each * beats.shape[2])
    words = _padded(bundles, 2, span * word).reshape(repeats, -1, word)
    return np.packbits(words, axis=2, bitorder="little") if by_bit else words


def _from_words(words: Octets, count: int, target: int, config: FetchConfig) -> Octets:
    """The reverse of `_to_words`, for `count` beats in each repeat."""
    bits, repeats = config.targets[target].beat.bits, len(words)
    by_bit = bits % 8 != 0
    if by_bit:
        words = np.unpackbits(words, axis=2, bitorder="little")
    each, span = config.per_word(target), config.span(target)
    beat = bits if by_bit else bits // 8
    bundles = words.reshape(repeats, -1, span * words.shape[2])[:, :, : each * beat]
    beats = bundles.reshape(repeats, -1, beat)[:, :count].reshape(-1, beat)
    return np.packbits(beats, axis=1, bitorder="little") if by_bit else beats


def _padded(array: Octets, axis: int, length: int) -> Octets:
    """`array` with zeros behind its `axis`, up to `length`."""
    behind = [(0, 0)] * array.ndim
    behind[axis] = (0, length - array.shape[axis])
    return np.pad(array, behind) if behind[axis][1] else array
