"""Storage: a memory, and what Yosys makes of it: memories of LUTs, blocks, or logic.

The rules are those of its pass memory_libmap, which takes what costs least by its descriptions of a
family's memories. They are functions of counts, which are compiled, too, for those of many designs.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from hwsim.devices import Blocks, Device
from hwsim.devices.families import FamilyName, mapped
from models.compiled import compiled
from models.tables import Table

Counts = NDArray[np.int64]

BLOCK_RAM = Blocks(count=0, bits=18_432, widths=(36, 18, 9, 4, 2, 1))
"""A block as Yosys describes it, of every family."""
BLOCK_COST = 128
CHOICE_COST = 0.5
"""Of a bit that is chosen from one row of memories more."""


class Read(IntEnum):
    """How a memory is read."""

    CLOCKED = 0
    """A cycle later."""
    IMMEDIATE = 1
    """Within the cycle, which blocks cannot."""
    SAME_ADDRESS = 2
    """A cycle later, at the address where it is written."""
    CONSTANT = 3
    """And never written."""


@dataclass(frozen=True)
class Storage:
    """`copies` memories of `words` words of `bits` bits.

    Of a constant's bits, `alike` are the same in every word and are not kept.
    """

    words: int
    bits: int
    copies: int = 1
    read: Read = Read.CLOCKED
    alike: int = 0

    @property
    def total_bits(self) -> int:
        return self.words * self.bits * self.copies

    @property
    def kept(self) -> int:
        """Bits of a word that a memory has to keep."""
        return self.bits - self.alike


def rom(table: Table, copies: int = 1) -> Storage:
    """The memory behind a table."""
    bits = table.base.width + table.slope.width
    return Storage(table.segments, bits, copies, Read.CONSTANT, alike=bits - _varying(table))


@cache
def _varying(table: Table) -> int:
    """Bits of a table's entries that are not the same in all of them."""
    return sum(
        int(np.bitwise_or.reduce(codes ^ codes[0])).bit_count()
        for codes in (
            table.bases & (1 << table.base.width) - 1,
            table.slopes & (1 << table.slope.width) - 1,
        )
    )


class Rules(NamedTuple):
    """What a memory can become; tables by rows.

    cells       words, bits, LUTs and cost of a memory of LUTs
    shared      the same, of those with one address to read and to write
    logic_bits  bits of a constant in logic that cost 1
    shapes      bits of a word, and words, of a block
    ultra       the same, of UltraRAM
    """

    cells: Any
    shared: Any
    logic_bits: int
    shapes: Any = BLOCK_RAM.shapes
    ultra: Any = ()


class Placed(NamedTuple):
    """What a memory becomes: `luts`, with `rows` of them to choose from, or `blocks`, or neither,
    where it is a constant in logic.
    """

    luts: int
    rows: int
    blocks: int


@register_jitable
def placed(words: int, bits: int, read: int, rules: Rules) -> Placed:
    """What one memory becomes that keeps `bits` bits of a word."""
    blocks = fewest(words, bits, rules.shapes)
    if read == Read.CONSTANT:
        in_logic = words * bits <= blocks * BLOCK_COST * rules.logic_bits
        return Placed(0, 1, 0 if in_logic else blocks)
    if read == Read.SAME_ADDRESS:
        cost, luts, rows = cheapest(words, bits, rules.shared)
    else:
        cost, luts, rows = cheapest(words, bits, rules.cells)
    if read != Read.IMMEDIATE and cost > blocks * BLOCK_COST:
        return Placed(0, 1, blocks)
    return Placed(luts, rows, 0)


@register_jitable
def fewest(words: int, bits: int, shapes: Any) -> int:
    """Blocks that a memory takes, at the shape that takes the fewest; 0 where there are none.

    >>> fewest(1000, 40, [(36, 512), (18, 1024), (9, 2048)])
    3
    """
    least = 0
    for shape in shapes:
        blocks = -(-bits // shape[0]) * -(-words // shape[1])
        if blocks < least or not least:
            least = blocks
    return least


@register_jitable
def cheapest(words: int, bits: int, cells: Any) -> tuple[float, int, int]:
    """Cost of a memory of LUTs, its LUTs, and the rows of them to choose from."""
    least, luts, of_rows = -1.0, 0, 0
    for cell in cells:
        rows = -(-words // cell[0])
        cost = rows * bits / cell[1] * cell[3] + CHOICE_COST * bits * (rows - 1)
        if cost < least or least < 0:
            least, luts, of_rows = cost, rows * -(-bits // cell[1]) * cell[2], rows
    return least, luts, of_rows


@register_jitable
def needs(words: int, bits: int, read: int, rules: Rules) -> tuple[int, int]:
    """Blocks that one memory takes of block RAM, or else of UltraRAM; 0 of what cannot hold it, as
    UltraRAM a constant, for it starts empty.
    """
    block_ram = placed(words, bits, read, rules).blocks
    if block_ram and read != Read.CONSTANT:
        return block_ram, fewest(words, bits, rules.ultra)
    return block_ram, 0


def needs_of_many(words: Counts, bits: Counts, read: Counts, rules: Rules) -> Counts:
    """`needs` (..., 2) of memories (...)."""
    found = np.empty((words.size, 2), np.int64)
    _needs(words.ravel(), bits.ravel(), read.ravel(), _compiled(rules), found)
    return found.reshape(*words.shape, 2)


def _compiled(rules: Rules) -> Rules:
    """With arrays for tables."""
    cells, shared = (np.array(rows, np.int64) for rows in (rules.cells, rules.shared))
    shapes, ultra = (
        np.array(rows, np.int64).reshape(-1, 2) for rows in (rules.shapes, rules.ultra)
    )
    return Rules(cells, shared, rules.logic_bits, shapes, ultra)


@compiled()
def _needs(words: Any, bits: Any, read: Any, rules: Any, found: Any) -> None:
    for at in range(len(words)):
        found[at] = needs(words[at], bits[at], read[at], rules)


def become(storage: Storage, rules: Rules) -> Placed:
    """What one of the copies becomes."""
    return placed(storage.words, storage.kept, storage.read, rules)


@cache
def rules_of(family: FamilyName) -> Rules:
    """Those of a synthesis for any chip of `family`."""
    return _RULES[mapped(family)]


def rules_on(device: Device) -> Rules:
    """Those of a device, with its blocks."""
    ultra = device.ultra_ram.shapes if device.ultra_ram else ()
    return rules_of(device.family)._replace(shapes=device.block_ram.shapes, ultra=ultra)


_RULES: dict[FamilyName, Rules] = {
    "ultrascale_plus": Rules(
        cells=((32, 14, 8, 16), (64, 7, 8, 16)),
        shared=((32, 16, 8, 16), *((64 << at, 1, 1 << at, 2 << at) for at in range(4))),
        logic_bits=64,
    ),
    "7series": Rules(
        cells=((32, 6, 4, 8), (64, 3, 4, 8)),
        shared=((32, 8, 4, 8), *((64 << at, 1, 1 << at, 2 << at) for at in range(3))),
        logic_bits=64,
    ),
    "ecp5": Rules(cells=((16, 4, 4, 4),), shared=((16, 4, 4, 4),), logic_bits=16),
}
"""By the family that is synthesized for."""
