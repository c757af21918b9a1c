"""Precision: every number format of a quantized network, in one checked object."""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from models.errors import InputError
from models.formats import WIDEST, Block, Fixed
from models.scales import Kind, Scale

TABLE_FRAC = 3
"""Fewest fractional bits of what enters a table: the tables have 8 segments to a unit."""


def _parse(value: Any) -> Fixed:
    return value if isinstance(value, Fixed) else Fixed.parse(value)


def _signed(format: Fixed) -> Fixed:
    if not format.signed:
        raise ValueError(f"must be signed, such as {Fixed(format.width, format.frac)}")
    return format


def _unsigned(format: Fixed) -> Fixed:
    if format.signed:
        raise ValueError(
            f"must be unsigned, such as {Fixed(format.width, format.frac, signed=False)}"
        )
    return format


def _power_of_two(count: int) -> int:
    if count & count - 1:
        raise ValueError("must be a power of two")
    return count


Format = Annotated[Fixed, BeforeValidator(_parse), PlainSerializer(str)]
"""A `models.formats.Fixed`, written `s8f4` in a file."""

Signed = Annotated[Format, AfterValidator(_signed)]
Unsigned = Annotated[Format, AfterValidator(_unsigned)]
Group = Annotated[int, AfterValidator(_power_of_two)]


_NARROWED = {
    "activation_bits": ("normed",),
    "scan_bits": ("stream", "activated", "state"),
    "tap_bits": ("tap",),
}
"""Formats that become blocks, by the field with the bits of the codes."""


class Precision(BaseModel):
    """Formats of a network: bits and groups that a recipe chooses, and the fixed-point streams.

    The defaults are W8A8 with an INT8 scan. Inputs of the linear layers are blocks of
    `activation_bits`; everything inside the scan (x, B, C, z, y, the state) of `scan_bits`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True
    )

    weight_bits: int = Field(8, ge=2, le=8)
    weight_group: int = Field(128, ge=8)
    weight_scale: Kind = "pot2"
    activation_bits: int = Field(8, ge=2, le=8)
    scan_bits: int = Field(8, ge=2, le=16)
    tap_bits: int = Field(8, ge=2, le=16)
    group: Group = Field(8, ge=1)
    hadamard: bool = False  # out_proj's input is rotated, online

    stream: Signed = Fixed(24, 12)  # the residual stream, and what units hand to each other
    embedding: Signed = Fixed(16, 12)  # rows of the embedding
    normed: Signed = Fixed(20, 12)  # out of a norm, into the linear layers' quantizer
    activated: Signed = Fixed(20, 12)  # x, B, C and z after SiLU
    norm_weight: Signed = Fixed(20, 9)  # holds sqrt(channels) too
    direction: Signed = Fixed(22, 20)  # a vector of length 1 inside a norm
    tap: Signed = Fixed(20, 16)  # taps of the convolution before they become blocks
    delta: Unsigned = Fixed(22, 18, signed=False)
    rate: Unsigned = Fixed(20, 12, signed=False)  # -A * log2(e)
    decay: Unsigned = Fixed(16, 16, signed=False)
    skip: Signed = Fixed(16, 10)  # D
    state: Signed = Fixed(28, 16)  # h before it becomes blocks

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        """Refuse fields that contradict each other, whatever the network and the design."""
        for bits, sources in _NARROWED.items():
            for source in sources:
                self._require_narrower(bits, source)
        if self.stream.frac < TABLE_FRAC:
            raise ValueError(
                f"stream must have at least {TABLE_FRAC} fractional bits, not {self.stream.frac}"
            )
        if self.delta.width + self.rate.width > WIDEST:
            raise ValueError(
                f"delta and rate must have at most {WIDEST} bits together, "
                f"not {self.delta.width + self.rate.width}"
            )
        # As the embedding meets the stream: rounded when it has more fractional bits.
        more, largest = self.embedding.frac - self.stream.frac, self.embedding.max_code
        met = largest + (1 << more - 1) >> more if more > 0 else largest << -more
        if met > self.stream.max_code:
            raise ValueError(
                f"embedding must fit the stream, which is {self.stream}, not {self.embedding}"
            )
        return self

    def _require_narrower(self, bits: str, source: str) -> None:
        format = getattr(self, source)
        if getattr(self, bits) > format.width:
            raise ValueError(
                f"{bits} must be at most the {format.width} bits of {source} = {format}, "
                f"not {getattr(self, bits)}"
            )

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


def named_precision(name: str) -> Precision:
    """The precision of that name.

    Raises InputError when there is none.
    """
    if name not in NAMED:
        rule = f"must be one of {', '.join(NAMED)}, not {name!r}"
        raise InputError("precision", rule, "name one of these")
    return NAMED[name]
