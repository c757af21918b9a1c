"""Beats: which codes travel together in one transfer of a port, and as which bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.formats import Block, Codes, Fixed


@dataclass(frozen=True)
class Field:
    """`count` neighbouring codes of one format in a beat, the first in the lowest bits."""

    name: str
    format: Fixed
    count: int = 1

    @property
    def bits(self) -> int:
        return self.format.width * self.count


@dataclass(frozen=True)
class Beat:
    """One transfer of a port: fields from the lowest bit up, without gaps.

    >>> beat = Beat((Field("codes", Fixed(4), 2), Field("exponents", Fixed(3, signed=False))))
    >>> [hex(word) for word in beat.pack(codes=[[1, -1], [2, 3]], exponents=[5, 6])]
    ['0x5f1', '0x632']
    """

    fields: tuple[Field, ...]

    @property
    def bits(self) -> int:
        return sum(field.bits for field in self.fields)

    def pack(self, **codes: ArrayLike) -> list[int]:
        """Raw words of the beats that carry `codes`, one array of any shape for each field.

        Each array is read in order, `count` codes to a beat, the last beat filled with zeros.
        Raises OverflowError for a code out of its field's range, ValueError when fields disagree
        in the number of beats.
        """
        columns = [self._wires(field, codes[field.name]) for field in self.fields]
        if len({len(column) for column in columns}) > 1:
            beats = {f.name: len(c) for f, c in zip(self.fields, columns, strict=True)}
            raise ValueError(f"fields must fill the same number of beats, not {beats}")
        octets = np.packbits(np.concatenate(columns, axis=1), axis=1, bitorder="little")
        return [int.from_bytes(row.tobytes(), "little") for row in octets]

    def unpack(self, words: list[int]) -> dict[str, Codes]:
        """Codes (beats, count) of each field."""
        size = (self.bits + 7) // 8
        octets = b"".join(word.to_bytes(size, "little") for word in words)
        raw = np.frombuffer(octets, np.uint8).reshape(len(words), size)
        wires = np.unpackbits(raw, axis=1, bitorder="little").astype(np.int64)
        taken, start = {}, 0
        for field in self.fields:
            width = field.format.width
            part = wires[:, start : start + field.bits].reshape(len(words), field.count, width)
            code = (part << np.arange(width)).sum(axis=-1)
            negative = field.format.signed * (code >> width - 1)
            taken[field.name] = code - (negative << width)
            start += field.bits
        return taken

    @staticmethod
    def _wires(field: Field, codes: ArrayLike) -> NDArray[np.uint8]:
        bits = np.ravel(field.format.bits(codes))
        padded = np.append(bits, np.zeros(-bits.size % field.count, np.int64))
        octets = padded.astype("<i8", copy=False).view(np.uint8).reshape(-1, 8)
        spread = np.unpackbits(octets, axis=1, count=field.format.width, bitorder="little")
        return spread.reshape(-1, field.bits)


def fixed_beat(lanes: int, **formats: Fixed) -> Beat:
    """Beat of `lanes` codes of each of the named formats."""
    return Beat(tuple(Field(name, format, lanes) for name, format in formats.items()))


def block_beat(block: Block, lanes: int) -> Beat:
    """Beat of `lanes` codes of `block` and the exponents of their groups.

    With fewer lanes than a group has channels, every beat of the group repeats its exponent.
    """
    return Beat(
        (
            Field("codes", block.code, lanes),
            Field("exponents", block.exponent, exponents_per_beat(block, lanes)),
        )
    )


STEP = Beat((Field("port", Fixed(4, signed=False)), Field("beats", Fixed(20, signed=False))))
"""A step of a switch or a selection between units: which port, for how many beats."""


def exponents_per_beat(block: Block, lanes: int) -> int:
    """Exponents in a beat of `lanes` codes of `block`: one for each group that it touches."""
    return max(1, lanes // block.group)


def pack_block(block: Block, lanes: int, codes: Codes, exponents: Codes) -> list[int]:
    """Words of the beats of a vector: codes (channels,), exponents (channels / group,)."""
    repeats = max(1, block.group // lanes)
    beat = block_beat(block, lanes)
    return beat.pack(codes=codes, exponents=np.repeat(np.ravel(exponents), repeats))


def require_lanes(unit: str, lanes: int, /, **wholes: int) -> None:
    """Refuse `lanes` of a `unit` as `require_divisor` does.

    >>> require_lanes("matvec", 32, rows=48)
    Traceback (most recent call last):
        ...
    ValueError: matvec lanes must divide rows = 48, not 32; use 16 or a smaller power of two
    """
    require_divisor(f"{unit} lanes", lanes, **wholes)


def require_divisor(thing: str, count: int, /, **wholes: int) -> None:
    """Refuse a `count` that is not a power of two or does not divide each of the named `wholes`.

    Raises ValueError naming the `thing` that is counted, the whole and the largest count that
    would do.
    """
    if count < 1 or count & count - 1:
        raise ValueError(f"{thing} must be a power of two, not {count!r}")
    for name, whole in wholes.items():
        if whole % count:
            raise ValueError(
                f"{thing} must divide {name} = {whole}, not {count}; "
                f"use {whole & -whole} or a smaller power of two"
            )
