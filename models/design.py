"""Design: how much hardware, in which formats. Read from YAML, checked whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from models.documents import check, keys_of, parse, read_mapping
from models.errors import InputError
from models.memory_port import MOST_PORTS
from models.precision import NAMED, Precision

MOST = 1 << 20
"""Of anything: far above what any chip holds, and so small that products of two are exact."""
SLOWEST_HZ, FASTEST_HZ = 1e6, 1e9
"""Clocks that an FPGA may have."""
Count = Annotated[int, Field(ge=1, le=MOST, strict=True)]

Order = Literal["interleaved", "naive"]
"""Of in_proj's rows: what the scan needs first, or as the checkpoint has them."""


def _named(value: Any) -> Any:
    if isinstance(value, str):
        if value not in NAMED:
            raise ValueError(f"must be one of {', '.join(NAMED)} or a mapping, not {value!r}")
        return NAMED[value]
    return value


def _power(value: int) -> int:
    if value & value - 1:
        raise ValueError(f"must be a power of two, not {value}")
    return value


class MatvecParallelism(BaseModel):
    """Multipliers of the matvec unit: `rows` outputs times `columns` inputs in each cycle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: Count
    columns: Count


class ScanParallelism(BaseModel):
    """State elements that the scan updates in each cycle: head `channels` times `states`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: Count
    states: Count


class MemoryPort(BaseModel):
    """The read port: its width, its bursts, and how far weights are fetched ahead.

    With several `ports`, each with a memory or a channel of its own, a word is one of `port_bits`
    from each of them, read at the same place; bursts and words are those of each port.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    port_bits: Annotated[int, Field(ge=64, le=MOST, strict=True)] = 64
    ports: Annotated[Count, Field(le=MOST_PORTS), AfterValidator(_power)] = 1
    burst: Annotated[int, Field(ge=1, le=256, strict=True)] = 64  # words
    outstanding: Count = 4  # bursts in flight
    prefetch: Annotated[int, Field(ge=3, le=MOST, strict=True)] = (
        64  # beats of weights waiting before the multipliers
    )

    @property
    def word_bits(self) -> int:
        """Bits of a word: what all ports bring at once."""
        return self.ports * self.port_bits


class StateStore(BaseModel):
    """Where the scan's state stays from token to token, and how much of it waits on chip.

    In memory, its words come with the weights and are written back. With 2 buffers, the next head's
    words are on chip while one is scanned; with 1, the port waits for the scan.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    placement: Literal["chip", "memory"] = "chip"
    buffers: Literal[1, 2] = 2


class Design(BaseModel):
    """A design: parallelism and formats. `lanes` channels travel in a beat between units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lanes: Count
    matvec: MatvecParallelism
    scan: ScanParallelism
    memory: MemoryPort = MemoryPort()
    state: StateStore = StateStore()
    order: Order = "interleaved"
    precision: Annotated[Precision, BeforeValidator(_named)] = NAMED["w8a8"]
    device: str | None = None
    """Name or file of the board; without one, a plain memory is assumed and anything fits."""
    clock_hz: Annotated[float, Field(ge=SLOWEST_HZ, le=FASTEST_HZ)] | None = None
    """Without it, the device's."""
    counters: Annotated[bool, Field(strict=True)] = True
    """Cycles of each unit by what it is at, in registers."""


def read_design(path: Path, overrides: tuple[str, ...] = ()) -> Design:
    """The design in the YAML file `path`, changed by `key=value` overrides (`scan.states=8`).

    Raises InputError naming the file, the key, the rule and the value of everything wrong in it.
    """
    raw = read_mapping(path, Design, "design")
    for text in overrides:
        _override(raw, text)
    place = " with ".join(filter(None, [f"{path}", " ".join(overrides)]))
    correct = "correct it in the file, or override it like scan.states=8"
    return check(Design, {"name": path.stem} | raw, place, "design", correct)


def changed(design: Design, changes: Mapping[str, Any], place: str) -> Design:
    """The design with other values at keys of its file, `scan.states`.

    Raises InputError that begins with `place` for values that a design cannot have.
    """
    raw = design.model_dump()
    for key, value in changes.items():
        *folders, leaf = key.split(".")
        inner = raw
        for folder in folders:
            inner = inner[folder]
        inner[leaf] = value
    return check(Design, raw, place, "design", "correct the values")


def _override(raw: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    *folders, leaf = key.split(".")
    if not equals or not all([*folders, leaf]):
        raise InputError(f"override {text!r}", "must look like key=value", "e.g. scan.states=8")
    for folder in folders:
        inner = raw.setdefault(folder, {})
        if isinstance(inner, str) and inner in NAMED:
            inner = raw[folder] = NAMED[inner].model_dump()
        if not isinstance(inner, dict):
            raise InputError(f"override {text!r}", f"must name a key of a mapping, but "
                             f"{folder} is {inner!r}", keys_of(Design, "design"))  # fmt: skip
        raw = inner
    raw[leaf] = parse(value, f"override {text!r}")
