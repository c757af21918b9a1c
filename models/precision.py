"""Precision: every number format of a quantized network, in one checked object."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from models.formats import Block, Fixed
from models.scales import Kind, Scale


def _parse(value: Any) -> Fixed:
    return value if isinstance(value, Fixed) else Fixed.parse(value)


Format = Annotated[Fixed, BeforeValidator(_parse), PlainSerializer(str)]
"""A `models.formats.Fixed`, written `s8f4` in a file."""


class Precision(BaseModel):
    """Formats of a network: bits and groups that a recipe chooses, and the fixed-point streams.

    The defaults are W8A8 with an INT8 scan. Inputs of the linear layers are blocks of
    `activation_bits`; everything inside the scan (x, B, C, z, y, the state) of `scan_bits`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    weight_bits: int = Field(8, ge=2, le=8)
    weight_group: int = Field(128, ge=8)
    weight_scale: Kind = "pot2"
    activation_bits: int = Field(8, ge=2, le=8)
    scan_bits: int = Field(8, ge=2, le=16)
    tap_bits: int = Field(8, ge=2, le=16)
    group: int = Field(8, ge=1)

    stream: Format = Fixed(24, 12)  # the residual stream, and what units hand to each other
    embedding: Format = Fixed(16, 12)  # rows of the embedding
    normed: Format = Fixed(20, 12)  # out of a norm, into the linear layers' quantizer
    activated: Format = Fixed(20, 12)  # x, B, C and z after SiLU
    norm_weight: Format = Fixed(20, 9)  # holds sqrt(channels) too
    direction: Format = Fixed(22, 20)  # a vector of length 1 inside a norm
    tap: Format = Fixed(20, 16)  # taps of the convolution before they become blocks
    delta: Format = Fixed(22, 18, signed=False)
    rate: Format = Fixed(20, 12, signed=False)  # -A * log2(e)
    decay: Format = Fixed(16, 16, signed=False)
    skip: Format = Fixed(16, 10)  # D
    state: Format = Fixed(28, 16)  # h before it becomes blocks

    @property
    def weight(self) -> Fixed:
        return Fixed(self.weight_bits)

    @property
    def scale(self) -> Scale:
        """Fewer weight bits need larger scales, so the fraction follows the bits."""
        return Scale(self.weight_scale, 12 + self.weight_bits)

    @property
    def linear_input(self) -> Block:
        return Block(self.activation_bits, self.group, self.normed)

    @property
    def conv_input(self) -> Block:
        return Block(self.scan_bits, self.group, self.stream)

    @property
    def conv_tap(self) -> Block:
        return Block(self.tap_bits, self.group, self.tap)

    @property
    def scan_input(self) -> Block:
        """x, B and C, and the activated z."""
        return Block(self.scan_bits, self.group, self.activated)

    @property
    def scan_state(self) -> Block:
        return Block(self.scan_bits, self.group, self.state)

    @property
    def scan_output(self) -> Block:
        return Block(self.scan_bits, self.group, self.stream)


NAMED: dict[str, Precision] = {
    "w8a8": Precision(),
    "w4a8": Precision(weight_bits=4),
    "w4a4": Precision(weight_bits=4, activation_bits=4),
}
"""Precisions that a design may name instead of spelling them out."""
