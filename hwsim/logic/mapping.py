"""How Yosys maps products to a family's DSPs: its pass mul2dsp cuts what is wider than one.

What it makes of memories is in `hwsim.storage`.
"""

from dataclasses import dataclass

from hwsim.devices.families import FAMILIES, FamilyName
from hwsim.logic.inventory import Product

NARROWEST = 2
"""Bits of the narrowest operand of a DSP."""


@dataclass(frozen=True)
class Mapping:
    """What a synthesis for `family` maps products to.

    A product of less than `least_product` bits is built from LUTs; of operands wider than a DSP's,
    slices have `slice_bits`, one of them for a sign where all operands of a DSP have one (`signs`).
    """

    family: FamilyName
    least_product: int
    slice_bits: int
    signs: bool

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


MAPPINGS: dict[FamilyName, Mapping] = {
    "ultrascale_plus": Mapping("ultrascale_plus", least_product=9, slice_bits=18, signs=True),
    "7series": Mapping("7series", least_product=9, slice_bits=18, signs=True),
    "ecp5": Mapping("ecp5", least_product=4, slice_bits=18, signs=False),
}
"""By the family that is synthesized for."""
