"""Families of FPGAs: what all chips of one architecture have in common."""

from dataclasses import dataclass
from typing import Literal

FamilyName = Literal["7series", "ultrascale", "ultrascale_plus", "versal", "ecp5"]


@dataclass(frozen=True)
class Family:
    """An architecture: its process, its LUTs, and what one of its DSPs multiplies."""

    node_nm: int
    lut_inputs: int
    """Of the LUTs that a board counts."""
    dsp: str
    """The block that a board counts as a DSP, by its vendor's name."""
    multiplier: tuple[int, int]
    """Bits of a DSP's two operands, both signed."""
    int8_products: int
    """Most products of two signed bytes that the vendor documents for one DSP in a cycle."""
    source: str


FAMILIES: dict[FamilyName, Family] = {
    "7series": Family(
        node_nm=28,
        lut_inputs=6,
        dsp="DSP48E1",
        multiplier=(25, 18),
        int8_products=1,
        source="data sheet, DS180, 7 series overview; UG479, 7 series DSP48E1",
    ),
    "ultrascale": Family(
        node_nm=20,
        lut_inputs=6,
        dsp="DSP48E2",
        multiplier=(27, 18),
        int8_products=2,  # of one byte with two others
        source="data sheet, DS890, UltraScale overview; UG579, UltraScale DSP; WP486, INT8",
    ),
    "ultrascale_plus": Family(
        node_nm=16,
        lut_inputs=6,
        dsp="DSP48E2",
        multiplier=(27, 18),
        int8_products=2,  # of one byte with two others
        source="data sheet, DS890, UltraScale overview; UG579, UltraScale DSP; WP486, INT8",
    ),
    "versal": Family(
        node_nm=7,
        lut_inputs=6,
        dsp="DSP58",
        multiplier=(27, 24),
        int8_products=3,  # only their sum comes out
        source="data sheet, DS950, Versal overview; AM004, Versal DSP engine, INT8 mode",
    ),
    "ecp5": Family(
        node_nm=40,
        lut_inputs=4,
        dsp="MULT18X18D",
        multiplier=(18, 18),
        int8_products=2,  # as two multipliers of 9 x 9 bits
        source="data sheet, FPGA-DS-02012, ECP5 family; FPGA-TN-02205, ECP5 sysDSP usage guide",
    ),
}
"""Families by the name that a board's file gives."""


def mapped(family: FamilyName) -> FamilyName:
    """The family that stands for `family` in synthesis: UltraScale+ for UltraScale, and for Versal,
    which Yosys does not know; its LUTs are as wide, its DSPs wider.
    """
    return "ultrascale_plus" if family in ("ultrascale", "versal") else family
