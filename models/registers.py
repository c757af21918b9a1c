"""The registers of the accelerator, as software sees them; every address is written here, once.

The first register has the layout of Vitis kernels (`ap_ctrl`). A register of 64 bits is two words,
the lower first. Access of a field:

    start          write 1 to start; reads 1 until the accelerator is done
    read-write     kept until written again
    read-only      what the hardware says
    clear-on-read  set by the hardware, cleared by reading it
    constant       always its reset value
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.memory_port import MOST_PORTS

Access = Literal["start", "read-write", "read-only", "clear-on-read", "constant"]

WORD_BITS = 32
ADDRESS_BITS = 12
"""Of the address of a byte, relative to the first register's."""
COUNTERS = 0x100
"""Offset of the first counter."""
COUNTER_BITS = 48
ADDRESSES = (1 << ADDRESS_BITS) - 8 * MOST_PORTS
"""Offset of where port 0's address would be among those of the other ports' images."""
VERSION = 0x0001_0000
"""Of this map: the upper half changes when a register changes its meaning or its place."""


@dataclass(frozen=True)
class Field:
    """Neighbouring bits of a register; `low` is the lowest of them."""

    name: str
    bits: int
    access: Access
    meaning: str
    low: int = 0
    reset: int = 0


@dataclass(frozen=True)
class Register:
    """A register of 32 or 64 bits at an offset in bytes."""

    name: str
    offset: int
    fields: tuple[Field, ...]
    bits: int = WORD_BITS

    @property
    def words(self) -> dict[str, int]:
        """Offset of each of its words, by the name that software gives it.

        >>> REGISTERS["CYCLES"].words
        {'CYCLES_LOW': 64, 'CYCLES_HIGH': 68}
        """
        if self.bits == WORD_BITS:
            return {self.name: self.offset}
        return {f"{self.name}_LOW": self.offset, f"{self.name}_HIGH": self.offset + 4}


def _value(
    name: str, offset: int, access: Access, meaning: str, *, bits: int = WORD_BITS, reset: int = 0
) -> Register:
    """A register that is one field of the same name."""
    whole = -(-bits // WORD_BITS) * WORD_BITS
    return Register(name, offset, (Field(name.lower(), bits, access, meaning, 0, reset),), whole)


_FIXED = (
    Register(
        "CONTROL",
        0x00,
        (
            Field("start", 1, "start", "start a run; ignored while one is going on", 0),
            Field("done", 1, "clear-on-read", "a run has ended since this was read", 1),
            Field("idle", 1, "read-only", "no run is going on", 2, reset=1),
            Field("ready", 1, "clear-on-read", "the next run can be started; as done", 3),
        ),
    ),
    Register(
        "STATUS",
        0x10,
        (
            Field("read_error", 1, "read-only", "the memory answered a read with an error", 0),
            Field("write_error", 1, "read-only", "the memory answered a write with an error", 1),
        ),
    ),
    _value("VERSION", 0x14, "constant", "version of this map", reset=VERSION),
    _value("PROMPT_TOKENS", 0x18, "read-write", "tokens to take from the input stream"),
    _value("NEW_TOKENS", 0x1C, "read-write", "tokens to generate"),
    _value("IMAGE_ADDRESS", 0x20, "read-write", "bytes; the weight image in memory", bits=64),
    _value("IMAGE_WORDS", 0x28, "read-write", "port words of the image that a token reads"),
    _value("PREFIX_WORDS", 0x2C, "read-write", "of them, the first that need no token to be known"),
    _value("EMBEDDING_ADDRESS", 0x30, "read-write", "bytes; the embedding's first row", bits=64),
    _value("EMBEDDING_STRIDE", 0x38, "read-write", "bytes from a row to the next"),
    _value("EMBEDDING_WORDS", 0x3C, "read-write", "port words of a row"),
    _value("CYCLES", 0x40, "read-only", "clock cycles from start to done, or so far", bits=64),
)


def register_map(counters: Sequence[str] = (), ports: int = 1) -> dict[str, Register]:
    """Registers by name, with one of 64 bits for each of the named counters (`matvec_busy`), and
    one for the image behind each of the memory `ports` but the first, whose is IMAGE_ADDRESS.

    A counter has its field `counter_<name>`. Raises ValueError when they are too many.
    """
    room = ADDRESSES - COUNTERS
    if len(counters) * 8 > room:
        raise ValueError(f"counters must be at most {room // 8}, not {len(counters)}")
    counting = [
        Register(
            f"COUNTER_{name.upper()}",
            COUNTERS + 8 * at,
            (Field(f"counter_{name}", COUNTER_BITS, "read-only", f"cycles: {name}"),),
            bits=64,
        )
        for at, name in enumerate(counters)
    ]
    meaning = "bytes; the weight image of port"
    addresses = [
        _value(name.upper(), ADDRESSES + 8 * port, "read-write", f"{meaning} {port}", bits=64)
        for port, name in enumerate(image_addresses(ports))
        if port
    ]
    return {register.name: register for register in (*_FIXED, *counting, *addresses)}


def image_addresses(ports: int) -> list[str]:
    """Fields that hold where the image of each port begins.

    >>> image_addresses(3)
    ['image_address', 'image_address_1', 'image_address_2']
    """
    return ["image_address", *(f"image_address_{port}" for port in range(1, ports))]


REGISTERS = register_map()
"""All registers but the counters, of one memory port."""
