"""Packing: memories into blocks, as `hwsim.resources.place` does it, compiled for many designs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.devices import Blocks, Device
from hwsim.resources import LARGEST_IN_LUTS, Memories
from models.compiled import compiled

Counts = NDArray[np.int64]

NO_BLOCKS = Blocks(count=0, bits=1, widths=(1,))
"""Of a kind that a chip has none of."""
PACKED = ("block_ram", "ultra_ram", "lut_bits", "left_out")
"""What is told of a design: blocks, bits in LUTs, and memories for which no blocks are left."""


@dataclass(frozen=True)
class Standing:
    """Memories that designs have in common.

    in_blocks  int (memories, 4)  words, bits, copies, whether constant; the largest first
    lut_bits   bits of the others
    """

    in_blocks: Counts
    lut_bits: int

    @classmethod
    def of(cls, found: Memories) -> "Standing":
        blocks = sorted(
            (each for each in found.values() if not each.in_luts), key=lambda each: -each.total_bits
        )
        told = [(each.words, each.bits, each.copies, each.constant) for each in blocks]
        lut_bits = sum(each.total_bits for each in found.values() if each.in_luts)
        return cls(np.array(told, np.int64).reshape(-1, 4), lut_bits)


class Queues(NamedTuple):
    """Memories of which every design has its own.

    words, bits, copies  int (queues, designs)
    """

    words: Counts
    bits: Counts
    copies: Counts


@dataclass(frozen=True)
class Packer:
    """Packs queues beside one of several `Standing` on a device.

    kinds     int (2, 2 + widths)     of block RAM and UltraRAM: blocks, bits of each, widths
    sizes     int (rows, memories)    bits of each memory, the largest first, then zeros
    needs     int (rows, memories, 2) blocks of each kind; no UltraRAM for a constant
    lut_bits  int (rows,)
    """

    kinds: Counts
    sizes: Counts
    needs: Counts
    lut_bits: Counts

    @classmethod
    def of(cls, rows: Sequence[Standing], device: Device) -> "Packer":
        most = max(len(row.in_blocks) for row in rows)
        blocks = np.zeros((len(rows), most, 4), np.int64)
        for row, standing in zip(blocks, rows, strict=True):
            row[: len(standing.in_blocks)] = standing.in_blocks
        kinds, needs = _kinds(device), np.zeros((len(rows), most, 2), np.int64)
        _need(blocks, kinds, needs)
        lut_bits = np.array([row.lut_bits for row in rows])
        return cls(kinds, blocks[..., :3].prod(axis=2), needs, lut_bits)

    def pack(self, queues: Queues, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """PACKED (designs, 4) of each design.

        rows  int (designs,)  which of the `Standing` a design has
        """
        packed = np.zeros((len(rows), len(PACKED)))
        packed[:, PACKED.index("lut_bits")] = self.lut_bits[rows]
        _pack(queues, self.sizes, self.needs, rows, self.kinds, LARGEST_IN_LUTS, packed)
        return packed


def _kinds(device: Device) -> Counts:
    """As `Packer.kinds`; the last width fills those that a kind has fewer."""
    kinds = (device.block_ram, device.ultra_ram or NO_BLOCKS)
    most = max(len(kind.widths) for kind in kinds)
    widths = [kind.widths + kind.widths[-1:] * (most - len(kind.widths)) for kind in kinds]
    return np.array([(k.count, k.bits, *each) for k, each in zip(kinds, widths, strict=True)])


@compiled()
def _need(blocks: Any, kinds: Any, needs: Any) -> None:
    for row in range(blocks.shape[0]):
        for at in range(blocks.shape[1]):
            words, bits, copies, constant = blocks[row, at]
            needs[row, at, 0] = copies * _blocks_of(words, bits, kinds[0])
            if not constant:
                needs[row, at, 1] = copies * _blocks_of(words, bits, kinds[1])


@compiled()
def _blocks_of(words: int, bits: int, kind: Any) -> int:
    """As `hwsim.resources.blocks_of`."""
    least = np.iinfo(np.int64).max
    for width in kind[2:]:
        least = min(least, -(-bits // width) * -(-words // (kind[1] // width)))
    return least


@compiled()
def _pack(
    queues: Any, sizes: Any, needs: Any, rows: Any, kinds: Any, in_luts: int, packed: Any
) -> None:
    """Of memories of one size, queues are the first, as `hwsim.resources.memories` has them."""
    words, bits, copies = queues
    largest = np.empty(len(words), np.int64)
    for design in range(len(rows)):
        row, into, at = rows[design], packed[design], 0
        for number in range(_sort(queues, design, in_luts, largest, into)):
            one = largest[number], design
            at = _put_larger(sizes[row], needs[row], at, _size(queues, *one), kinds, into)
            block_ram = copies[one] * _blocks_of(words[one], bits[one], kinds[0])
            ultra_ram = copies[one] * _blocks_of(words[one], bits[one], kinds[1])
            _put(block_ram, ultra_ram, kinds, into)
        _put_larger(sizes[row], needs[row], at, 0, kinds, into)


@compiled()
def _size(queues: Any, queue: int, design: int) -> int:
    at = queue, design
    return queues.words[at] * queues.bits[at] * queues.copies[at]


@compiled()
def _sort(queues: Any, design: int, in_luts: int, largest: Any, into: Any) -> int:
    """How many queues are in blocks, these in `largest`; the bits of the others `into` LUTs."""
    count = 0
    for queue in range(len(queues.words)):
        size = _size(queues, queue, design)
        if queues.words[queue, design] <= in_luts:
            into[2] += size
            continue
        at = count
        while at and _size(queues, largest[at - 1], design) < size:
            largest[at] = largest[at - 1]
            at -= 1
        largest[at] = queue
        count += 1
    return count


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
        into[3] += 1
