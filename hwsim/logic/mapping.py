"""How Yosys maps products and memories to a family's DSPs, block RAM and LUTs.

The rules are those of its passes: mul2dsp cuts what is wider than a DSP, memory_libmap takes what
costs least, by the costs that its descriptions of the memories give.
"""

from dataclasses import dataclass

from hwsim.devices.families import FAMILIES, FamilyName
from hwsim.logic.inventory import Held, Product

NARROWEST = 2
"""Bits of the narrowest operand of a DSP."""
PARITY = 9
"""Bits of a block's word from which on there is one more for each eight."""
CHOICE_COST = 0.5
"""Of a bit that is chosen from one row of memories more."""


@dataclass(frozen=True)
class Cell:
    """A memory of `words` words of `bits` bits that is made of `luts` LUTs, and what it costs."""

    words: int
    bits: int
    luts: int
    cost: float


@dataclass(frozen=True)
class Placed:
    """What a memory becomes: `luts`, with `rows` of them to choose from, or `blocks`, or neither,
    where it is a constant in logic.
    """

    luts: int = 0
    rows: int = 1
    blocks: int = 0


@dataclass(frozen=True)
class Mapping:
    """What a synthesis for `family` maps to.

    A product of less than `least_product` bits is built from LUTs; of operands wider than a DSP's,
    slices have `slice_bits`, one of them for a sign where all operands of a DSP have one (`signs`).
    `cells` are memories of LUTs, `shared` those with one address to read and to write. A block has
    `block_bits`, and costs `block_cost`; a bit of a constant in logic costs `logic_cost`.
    """

    family: FamilyName
    least_product: int
    slice_bits: int
    signs: bool
    cells: tuple[Cell, ...]
    shared: tuple[Cell, ...]
    block_bits: int = 18432
    block_cost: float = 128
    logic_cost: float = 1 / 64

    def dsps(self, product: Product) -> int:
        """DSPs of one of the multipliers; 0 where it is built from LUTs."""
        a, b = product.a, product.b
        if a.width + b.width < self.least_product:
            return 0
        signed = self.signs or a.signed or b.signed
        widths = [each.width + (signed and not each.signed) for each in (a, b)]
        return self._slices(max(widths), min(widths))

    def _slices(self, a: int, b: int) -> int:
        wide, narrow = FAMILIES[self.family].multiplier
        if min(a, b) < NARROWEST or a + b < self.least_product:
            return 0
        step = self.slice_bits - self.signs
        if a > wide:
            slices = (a - wide + step - 1) // step
            return slices * self._slices(self.slice_bits, b) + self._slices(a - slices * step, b)
        if b > narrow:
            slices = (b - narrow + step - 1) // step
            return slices * self._slices(a, self.slice_bits) + self._slices(a, b - slices * step)
        return 1

    def place(self, held: Held) -> Placed:
        """What one of the copies of a memory becomes."""
        blocks = self.blocks(held)
        if held.read == "constant":
            cheap = held.words * held.bits * self.logic_cost <= blocks * self.block_cost
            return Placed() if cheap else Placed(blocks=blocks)
        cells = self.shared if held.read == "same address" else self.cells
        cost, cell = min(
            ((_cost(held, each), each) for each in cells), key=lambda of_cell: of_cell[0]
        )
        if held.read != "immediate" and cost > blocks * self.block_cost:
            return Placed(blocks=blocks)
        rows = -(-held.words // cell.words)
        return Placed(luts=rows * -(-held.bits // cell.bits) * cell.luts, rows=rows)

    def blocks(self, held: Held) -> int:
        """Blocks of a memory, at the width that takes the fewest."""
        return min(
            -(-held.bits // width) * -(-held.words // words) for width, words in self._shapes()
        )

    def _shapes(self) -> list[tuple[int, int]]:
        """Bits and words of a block."""
        with_parity = [(width, self.block_bits // width) for width in (36, 18, PARITY)]
        bits = self.block_bits // PARITY * (PARITY - 1)
        return with_parity + [(width, bits // width) for width in (4, 2, 1)]


def _cost(held: Held, cell: Cell) -> float:
    rows = -(-held.words // cell.words)
    return rows * held.bits / cell.bits * cell.cost + CHOICE_COST * held.bits * (rows - 1)


MAPPINGS: dict[FamilyName, Mapping] = {
    "ultrascale_plus": Mapping(
        "ultrascale_plus",
        least_product=9,
        slice_bits=18,
        signs=True,
        cells=(Cell(32, 14, 8, 16), Cell(64, 7, 8, 16)),
        shared=(Cell(32, 16, 8, 16), *(Cell(64 << at, 1, 1 << at, 2 << at) for at in range(4))),
    ),
    "7series": Mapping(
        "7series",
        least_product=9,
        slice_bits=18,
        signs=True,
        cells=(Cell(32, 6, 4, 8), Cell(64, 3, 4, 8)),
        shared=(Cell(32, 8, 4, 8), *(Cell(64 << at, 1, 1 << at, 2 << at) for at in range(3))),
    ),
    "ecp5": Mapping(
        "ecp5",
        least_product=4,
        slice_bits=18,
        signs=False,
        cells=(Cell(16, 4, 4, 4),),
        shared=(Cell(16, 4, 4, 4),),
        logic_cost=1 / 16,
    ),
}
"""By the family that is synthesized for."""


def mapped(family: FamilyName) -> FamilyName:
    """The family of MAPPINGS that stands for `family`: UltraScale+ for UltraScale, and for Versal,
    which Yosys does not know; its LUTs are as wide, its DSPs wider.
    """
    return family if family in MAPPINGS else "ultrascale_plus"
