"""Packing: memories into blocks, as `hwsim.resources.place` does it, compiled for many designs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.devices import Device
from hwsim.resources import Memories, turn
from hwsim.storage import Counts, Read, Rules, needs_of_many, rules_on
from models.compiled import compiled

PACKED = ("block_ram", "ultra_ram", "left_out")
"""What is told of a design: blocks, and memories for which no blocks are left."""
FIRST = np.iinfo(np.int64).max
"""Size of a memory that is put before all that have another."""


class Queues(NamedTuple):
    """Memories of which every design has its own.

    words, bits, copies  int (queues, designs)
    """

    words: Counts
    bits: Counts
    copies: Counts


def standing(found: Memories) -> Counts:
    """Memories that designs have in common (memories, 5): words, bits, copies, read, and bits that
    are kept; in the order in which blocks are found for them.
    """
    told = [
        (each.words, each.bits, each.copies, each.read, each.kept)
        for each in sorted(found.values(), key=turn)
    ]
    return np.array(told, np.int64).reshape(-1, 5)


@dataclass(frozen=True)
class Packer:
    """Packs queues beside one of several rows of `standing` memories on a device.

    kinds  int (2, 2)               of block RAM and UltraRAM: blocks, and bits of each
    sizes  int (rows, memories)     bits of each memory, the largest first; FIRST of a constant
    needs  int (rows, memories, 2)  blocks of each kind, none of a memory in LUTs; no UltraRAM for a
                                    constant
    """

    rules: Rules
    kinds: Counts
    sizes: Counts
    needs: Counts

    @classmethod
    def of(cls, rows: Sequence[Counts], device: Device) -> "Packer":
        rules, kinds = rules_on(device), (device.block_ram, device.ultra_ram)
        memories = np.zeros((len(rows), max(len(row) for row in rows), 5), np.int64)
        for into, row in zip(memories, rows, strict=True):
            into[: len(row)] = row
        words, bits, copies, read, kept = np.moveaxis(memories, 2, 0)
        return cls(
            rules,
            np.array([(kind.count, kind.bits) if kind else (0, 0) for kind in kinds]),
            np.where(read == Read.CONSTANT, FIRST, words * bits * copies),
            copies[..., None] * needs_of_many(words, kept, read, rules),
        )

    def pack(self, queues: Queues, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """PACKED (designs, 3) of each design.

        rows  int (designs,)  which of the rows of standing memories a design has
        """
        words, bits, copies = queues
        read = np.full_like(words, Read.CLOCKED)
        needs = copies[..., None] * needs_of_many(words, bits, read, self.rules)
        packed = np.zeros((len(rows), len(PACKED)))
        own = words * bits * copies, needs
        _pack(*own, self.sizes, self.needs, rows, self.kinds, packed)
        return packed


@compiled()
def _pack(
    own_sizes: Any, own_needs: Any, sizes: Any, needs: Any, rows: Any, kinds: Any, packed: Any
) -> None:
    """Of memories of one size, queues are the first, as `hwsim.resources.memories` has them."""
    largest = np.empty(len(own_sizes), np.int64)
    for design in range(len(rows)):
        row, into, at = rows[design], packed[design], 0
        size, need = own_sizes[:, design], own_needs[:, design]
        _sort(size, largest)
        for queue in largest:
            at = _put_larger(sizes[row], needs[row], at, size[queue], kinds, into)
            _put(need[queue, 0], need[queue, 1], kinds, into)
        _put_larger(sizes[row], needs[row], at, 0, kinds, into)


@compiled()
def _sort(sizes: Any, largest: Any) -> None:
    """Indices of queues with these `sizes` in bits, the largest first, into `largest` (queues,)."""
    for queue in range(len(sizes)):
        at = queue
        while at and sizes[largest[at - 1]] < sizes[queue]:
            largest[at] = largest[at - 1]
            at -= 1
        largest[at] = queue


@compiled()
def _put_larger(sizes: Any, needs: Any, at: int, size: int, kinds: Any, into: Any) -> int:
    """The standing memories from `at` on that are larger than `size`, and where the others are."""
    while at < len(sizes) and sizes[at] > size:
        _put(needs[at, 0], needs[at, 1], kinds, into)
        at += 1
    return at


@compiled()
def _put(block_ram: int, ultra_ram: int, kinds: Any, into: Any) -> None:
    """A memory that takes so many blocks of either kind."""
    room = into[0] + block_ram <= kinds[0, 0]
    wasteful = room and ultra_ram * kinds[1, 1] > block_ram * kinds[0, 1]
    if ultra_ram and into[1] + ultra_ram <= kinds[1, 0] and not wasteful:
        into[1] += ultra_ram
    elif room:
        into[0] += block_ram
    else:
        into[2] += 1
