"""Features: what the LUTs and flip-flops of a unit are counted from, and what is known exactly."""

from dataclasses import dataclass

from hwsim.logic.inventory import Inventory
from hwsim.logic.mapping import Mapping
from hwsim.storage import Read, become, rules_of
from models.units.fetch import Counts

LUT_FEATURES = (
    "one", "adders", "shifters", "choices", "clamps", "excess", "compares", "lengths", "merges",
    "control", "queues", "targets", "counts", "products", "sliced", "constants", "blocked",
)  # fmt: skip
"""The parts of an inventory, and: `one` for each unit; bits of `products` in LUTs, a times b; bits
of the sums of `sliced` products; 64 bits of `constants` in LUTs; bits of the words in block RAM
(`blocked`), which some families cannot read as they are written."""
FF_FEATURES = ("one", "registers", "beside", "read", "blocked")
"""Bits of `registers`, of those `beside` the products of DSPs, of words `read` from LUTs, and of
those in block RAM."""


@dataclass(frozen=True)
class Features:
    """What a unit's LUTs and flip-flops are linear in, in the order of LUT_FEATURES and
    FF_FEATURES; and its DSPs, blocks of RAM and LUTs of memories, exactly. Of one unit or of many.
    """

    lut: tuple[Counts, ...]
    ff: tuple[Counts, ...]
    dsp: Counts
    block_ram: Counts
    memory_lut: Counts


def features(unit: Inventory, mapping: Mapping) -> Features:
    """Those of a `unit` as `mapping` maps its products and memories."""
    parts = dict.fromkeys(LUT_FEATURES, 0.0) | {"one": 1.0}
    for name, bits in unit.parts.items():
        parts[name] += bits
    dsp = block_ram = memory_lut = beside = read = 0
    for product in unit.products:
        bits, slices = product.a.width + product.b.width, mapping.dsps(product)
        dsp += product.count * slices
        if slices:
            beside += product.count * bits
            parts["sliced"] += product.count * (slices - 1) * bits
        else:
            parts["products"] += product.count * product.a.width * product.b.width
            read += product.count * bits
    rules = rules_of(mapping.family)
    for held in unit.memories:
        placed = become(held, rules)
        block_ram += held.copies * placed.blocks
        memory_lut += held.copies * placed.luts
        parts["choices"] += held.copies * held.kept * (placed.rows - 1)
        if held.read == Read.CONSTANT and not placed.blocks:
            parts["constants"] += held.copies * held.words * held.kept / 64
        if placed.blocks:
            parts["blocked"] += held.copies * held.kept * (held.read != Read.CONSTANT)
        elif held.read != Read.IMMEDIATE:
            read += held.copies * held.kept
    return Features(
        lut=tuple(parts[name] for name in LUT_FEATURES),
        ff=(1.0, float(unit.registers), float(beside), float(read), parts["blocked"]),
        dsp=dsp,
        block_ram=block_ram,
        memory_lut=memory_lut,
    )
