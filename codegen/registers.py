"""The register map as software reads it: a C header, a page, and a driver in Python."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codegen.image import Image
from codegen.origin import Origin
from models.counters import ACTIVITY_BITS, UNITS, Activity
from models.registers import ADDRESS_BITS, WORD_BITS, Register

PREFIX = "PUFFADDER"
DRIVER = Path(__file__).with_name("driver.py.in")
"""The driver without its head and its tables."""
MEANINGS = {
    Activity.BUSY: "takes data, or weights to compute with",
    Activity.INPUT: "waits for data",
    Activity.OUTPUT: "is held up by what follows",
    Activity.MEMORY_READ: "waits for what comes from memory",
    Activity.MEMORY_WRITE: "waits for memory to take its state",
    Activity.STATE: "waits for its state to be written",
    Activity.FILL: "fills or drains",
}
"""What a unit does while it is at an activity."""


@dataclass(frozen=True)
class Layout:
    """Where things are in the weight image, and what a transfer of tokens holds.

    `image_words`, `prefix_words` and `row_words` count words of a port, the rest but `vocab` and
    `ports` are bytes, of the image behind each port.
    """

    image_words: int
    prefix_words: int
    embedding_offset: int
    embedding_stride: int
    row_words: int
    image_bytes: int
    token_bytes: int
    vocab: int
    ports: int = 1

    @classmethod
    def of(cls, image: Image, token_bytes: int) -> "Layout":
        stride, rows = image.row_words * image.octets, len(image.rows)
        return cls(
            image_words=len(image.stream),
            prefix_words=image.prefix,
            embedding_offset=image.embedding,
            embedding_stride=stride,
            row_words=image.row_words,
            image_bytes=image.embedding + rows * stride,
            token_bytes=token_bytes,
            vocab=rows,
            ports=image.ports,
        )

    def by_name(self) -> dict[str, tuple[int, str]]:
        """Value and meaning, by the name of the constant."""
        return {
            "IMAGE_WORDS": (self.image_words, "port words that every token reads"),
            "PREFIX_WORDS": (self.prefix_words, "the first of them, read before it is known"),
            "EMBEDDING_OFFSET": (self.embedding_offset, "bytes from the image to the embedding"),
            "EMBEDDING_STRIDE": (self.embedding_stride, "bytes from a row to the next"),
            "EMBEDDING_WORDS": (self.row_words, "port words of a row"),
            "IMAGE_BYTES": (self.image_bytes, "bytes of the image, embedding included"),
            "TOKEN_BYTES": (self.token_bytes, "bytes of a transfer of a token, the lowest first"),
            "VOCAB": (self.vocab, "tokens that there are"),
            "PORTS": (self.ports, "memory ports, each with a file of the image"),
        }


def c_header(registers: dict[str, Register], layout: Layout, origin: Origin) -> str:
    """C header: byte offsets of words, shifts and masks of fields, and the layout of the image."""
    guard = f"{PREFIX}_REGISTERS_H"
    lines = [f"{origin.head('//')}#ifndef {guard}", f"#define {guard}"]
    for register in registers.values():
        lines += ["", f"// {_meaning(register)}"]
        lines += _defines(register)
    lines += ["", "// The weight image that comes along, and its tokens."]
    for name, (value, meaning) in layout.by_name().items():
        lines.append(f"#define {PREFIX}_LAYOUT_{name} {value}u // {meaning}")
    return "\n".join([*lines, "", f"#endif // {guard}", ""])


def _defines(register: Register) -> Iterator[str]:
    for word, offset in register.words.items():
        yield f"#define {PREFIX}_{word} 0x{offset:03x}u"
    for field in register.fields:
        name = f"{PREFIX}_{register.name}_{field.name.upper()}"
        if field.access == "constant":
            yield f"#define {PREFIX}_{register.name}_VALUE 0x{field.reset:08x}u"
        elif len(register.fields) > 1 or field.bits < WORD_BITS:
            mask = (1 << field.bits) - 1 << field.low
            yield f"#define {name}_SHIFT {field.low}"
            yield f"#define {name}_MASK 0x{mask:08x}u // {field.access}: {field.meaning}"


def _meaning(register: Register) -> str:
    if len(register.fields) > 1 or register.fields[0].bits < WORD_BITS:
        return f"{register.name}."
    field = register.fields[0]
    return f"{register.name}, {register.bits} bits, {field.access}: {field.meaning}."


def markdown(registers: dict[str, Register], layout: Layout, origin: Origin) -> str:
    """Page with a row for each field, and the layout of the image."""
    rows = [
        f"| `0x{register.offset:03x}` | {register.name} | {_bits(field.low, field.bits)} | "
        f"{field.name} | {field.access} | `0x{field.reset:x}` | {field.meaning} |"
        for register in registers.values()
        for field in register.fields
    ]
    values = [
        f"| {name} | {value} | {meaning} |" for name, (value, meaning) in layout.by_name().items()
    ]
    return "\n".join(
        [
            *origin.head(">").splitlines(),
            "",
            "# Registers",
            "",
            f"AXI4-Lite, words of {WORD_BITS} bits, {1 << ADDRESS_BITS} bytes; a register of 64 "
            "bits is two words, the lower first.",
            "Access outside the registers is answered with SLVERR.",
            "",
            "| offset | register | bits | field | access | reset | meaning |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "A run takes PROMPT_TOKENS tokens from the input stream and puts out one token after "
            "each token that it reads: PROMPT_TOKENS + NEW_TOKENS - 1, of which the last "
            "NEW_TOKENS are the generated text.",
            "",
            *_counter_lines(registers),
            "## Image",
            "",
            "| name | value | meaning |",
            "|---|---|---|",
            *values,
            "",
            *_striped_lines(layout),
        ]
    )


def _striped_lines(layout: Layout) -> list[str]:
    """Where the parts of an image of several ports belong."""
    if layout.ports == 1:
        return []
    return [
        f"Each word is read from {layout.ports} ports, its lowest octets from `m_axi_read`, the "
        "next from `m_axi_read_1` and so on. image.0.bin lies at IMAGE_ADDRESS in the memory of "
        "`m_axi_read`, image.1.bin at IMAGE_ADDRESS_1 in that of `m_axi_read_1`; sizes, offsets "
        "and words are of each. Start every image at a multiple of 4096. Ports wait for each "
        "other: none may need the others' data to be taken before it gets its own.",
        "",
    ]


def _counter_lines(registers: dict[str, Register]) -> list[str]:
    """What the counters count, where there are some."""
    if not _counted(registers):
        return []
    return [
        "## Counters",
        "",
        "In each cycle that CYCLES counts, a unit is at one activity; those of a unit add up to "
        "CYCLES. They begin anew with each run.",
        f"The port `activity` shows them as they are, {ACTIVITY_BITS} bits for each unit, in the "
        "order of the registers, the first unit in the lowest bits.",
        "",
        "| activity | on the port | the unit |",
        "|---|---|---|",
        *(f"| {at.word} | {at.value} | {meaning} |" for at, meaning in MEANINGS.items()),
        "",
    ]


def _counted(registers: dict[str, Register]) -> dict[str, tuple[str, ...]]:
    """Activities of each unit that have a counter."""
    fields = {field.name for register in registers.values() for field in register.fields}
    words = {
        unit: tuple(at.word for at in activities if f"counter_{unit}_{at.word}" in fields)
        for unit, activities in UNITS.items()
    }
    return {unit: counted for unit, counted in words.items() if counted}


def _bits(low: int, count: int) -> str:
    return f"{low + count - 1}:{low}" if count > 1 else f"{low}"


def python_driver(registers: dict[str, Register], layout: Layout, origin: Origin) -> str:
    """Source of a module with the class `Driver`, which needs nothing but Python."""
    head, rest = DRIVER.read_text().split("# TABLES\n")
    tables = ["FIELDS = {  # offset of the register, lowest bit, bits"]
    for register in registers.values():
        for field in register.fields:
            place = f"(0x{register.offset:03X}, {field.low}, {field.bits})"
            tables.append(f'    "{field.name}": {place},')
    tables += ["}", "UNITS = {  # what each unit is counted at"]
    tables += [f'    "{unit}": {words},' for unit, words in _counted(registers).items()]
    tables += ["}", f"VERSION = {registers['VERSION'].fields[0].reset:#x}"]
    for name, (value, meaning) in layout.by_name().items():
        tables.append(f"{name} = {value}  # {meaning}")
    return origin.head("#") + head + "\n".join([*tables, ""]) + rest
