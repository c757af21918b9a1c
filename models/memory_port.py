"""Memory ports: their names, what is asked of one, and as which bursts it asks the memory."""

from dataclasses import dataclass

from models.beats import Beat, Field
from models.formats import Fixed

BOUNDARY = 4096
"""Bytes; AXI4 forbids a burst to cross a multiple of it."""
LONGEST_BURST = 256
"""Beats of the longest AXI4 burst."""
MOST_PORTS = 32
"""Over which a word is striped; as many as the widest memory, HBM2 of two stacks, has channels."""


def port_name(kind: str, port: int) -> str:
    """Name of an AXI4 port, the prefix of its signals; `kind` is "read" or "write".

    >>> [port_name("read", port) for port in range(3)]
    ['m_axi_read', 'm_axi_read_1', 'm_axi_read_2']
    """
    return f"m_axi_{kind}" + (f"_{port}" if port else "")


@dataclass(frozen=True)
class ReadPortConfig:
    """An AXI4 read port of `port_bits`, with up to `outstanding` bursts of up to `burst` words.

    A read asks for `words` port words from `address` on. Bursts end at multiples of their largest
    size, so that only the first and the last burst of a read can be short.
    """

    port_bits: int
    address_bits: int = 48
    burst: int = 64
    outstanding: int = 4

    def __post_init__(self) -> None:
        _require_power("port_bits", self.port_bits, 8, 1024)
        _require_power("burst", self.burst, 1, LONGEST_BURST)
        if not 12 < self.address_bits <= 62:
            raise ValueError(
                f"read port address_bits must be in 13..62, not {self.address_bits!r}; "
                "AXI4 masters of Zynq and Versal have 40 or 48"
            )
        if self.outstanding < 1:
            raise ValueError(
                f"read port outstanding must be 1 or more, not {self.outstanding!r}; "
                "use as many bursts as cover the memory's latency"
            )

    @property
    def word_bytes(self) -> int:
        return self.port_bits // 8

    @property
    def burst_words(self) -> int:
        """Words of the largest burst: `burst`, or what fits between two 4 KB boundaries."""
        return min(self.burst, BOUNDARY // self.word_bytes)

    @property
    def i_beat(self) -> Beat:
        """A read: where, in bytes (a multiple of a word's), and how many words; 0 reads nothing."""
        return Beat(
            (
                Field("address", Fixed(self.address_bits, signed=False)),
                Field("words", Fixed(32, signed=False)),
            )
        )

    @property
    def o_beat(self) -> Beat:
        """A port word: its bytes, the one of the lowest address in the lowest bits."""
        return self.striped_beat(1)

    def striped_beat(self, ports: int) -> Beat:
        """A word of each of `ports` such ports, that of the first in the lowest bits."""
        return Beat((Field("word", Fixed(8, signed=False), ports * self.word_bytes),))

    def bursts(self, address: int, words: int) -> list[tuple[int, int]]:
        """Address and words of each burst of a read, in order.

        >>> ReadPortConfig(port_bits=32, burst=16).bursts(0x38, 20)
        [(56, 2), (64, 16), (128, 2)]
        """
        if address % self.word_bytes:
            raise ValueError(
                f"read address must be a multiple of {self.word_bytes} bytes, not {address:#x}"
            )
        first, end = address // self.word_bytes, address // self.word_bytes + words
        starts = [first, *range(_next(first, self.burst_words), end, self.burst_words)]
        if not words:
            return []
        return [
            (start * self.word_bytes, min(_next(start, self.burst_words), end) - start)
            for start in starts
        ]


def _next(word: int, size: int) -> int:
    """The first multiple of `size` after `word`."""
    return (word // size + 1) * size


def _require_power(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high or value & value - 1:
        raise ValueError(f"read port {name} must be a power of two in {low}..{high}, not {value!r}")
