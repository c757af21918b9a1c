"""Boards: what is on them, by name or by file; every number with its source in the file."""

import math
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hwsim.devices.families import FAMILIES, Family, FamilyName
from hwsim.memory import MemoryModel
from models.design import FASTEST_HZ, SLOWEST_HZ, Design
from models.documents import check, names_in, read_mapping
from models.errors import InputError, meant

FOLDER = Path(__file__).parent
CLOCK_HZ, LATENCY = 200e6, 40
"""Assumed where no board says otherwise: the clock, and cycles until a read answers."""
TRUST = ("data sheet", "board page", "paper", "measured", "assumed")
"""How a source begins: what kind it is."""
UNSOURCED = ("name", "part", "family", "memory", "sources", "type", "writable")
"""Keys of a board and of its memory that are no numbers; the others need a source."""

Count = Annotated[int, Field(ge=0, strict=True)]
Several = Annotated[int, Field(ge=1, strict=True)]
Bits = Annotated[int, Field(ge=8, strict=True)]
Hertz = Annotated[float, Field(ge=SLOWEST_HZ, le=FASTEST_HZ)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Nanoseconds = Annotated[float, Field(ge=0, le=1e5)]
"""Beyond 0.1 ms is no memory that a port reads word by word."""
Share = Annotated[float, Field(gt=0, le=1)]
Watts = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Blocks(BaseModel):
    """Memory blocks of one kind: how many, the `bits` of each, and the `widths` that it can have.

    Its words are addressed by bits: of a width, a block has the largest power of two of words that
    it holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Count
    bits: Several
    widths: Annotated[tuple[Several, ...], Field(min_length=1)]

    @property
    def total_bits(self) -> int:
        return self.count * self.bits

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Bits and number of a block's words, for each of its widths.

        >>> Blocks(count=1, bits=18432, widths=(36, 4)).shapes
        ((36, 512), (4, 4096))
        """
        words = {width: self.bits // width for width in self.widths}
        return tuple((width, 1 << count.bit_length() - 1) for width, count in words.items())


class BoardMemory(BaseModel):
    """The memory outside the chip, as a design's port meets it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    bytes_per_s: Rate
    """Peak of the memory itself."""
    sustained: Share
    """Share of the port's peak that long sequential reads reach between refreshes, where the memory
    is not the limit; of the memory's peak where it is."""
    latency_ns: Nanoseconds
    """From an address to the first word."""
    refresh_interval_ns: Nanoseconds = 0
    """0 when the sustained share already counts the refreshes."""
    refresh_ns: Nanoseconds = 0
    channels: Several
    """Parts of the memory that serve reads independently, each with an equal share of the peak."""
    channel_bits: Bits
    """Width of a port on a channel's controller, to which that of a design is converted."""
    ports: Several
    """Ports of at most `max_port_bits` that a design can have at the same time."""
    max_port_bits: Bits
    writable: bool = True
    """Whether the accelerator may write to it, as a state in memory needs."""

    def share(self, ports: int) -> float:
        """Bytes in a second, at most, behind each of `ports` that have equal parts of the memory.

        A port does not reach beyond its own channels: where they cannot be dealt out evenly, some
        are left over. Ports that are more than the channels share them.
        """
        whole = max(1, self.channels // ports) / self.channels
        return self.bytes_per_s * min(whole, 1 / ports)

    @model_validator(mode="after")
    def _refreshes_briefly(self) -> Self:
        if self.refresh_ns and self.refresh_ns >= self.refresh_interval_ns:
            raise ValueError(
                f"refresh_ns must be less than refresh_interval_ns = {self.refresh_interval_ns}, "
                f"not {self.refresh_ns}"
            )
        return self


class Device(BaseModel):
    """A board with its FPGA. Counts are the chip's, without what a shell or a processor takes.

    A number that is None is not known; `number` tells so whoever needs it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    part: str
    family: FamilyName
    lut: Count
    ff: Count | None = None
    dsp: Count
    block_ram: Blocks
    ultra_ram: Blocks | None = None
    """None on a chip without."""
    clock_hz: Hertz
    """Of a design that names none."""
    static_w: Watts | None = None
    """Power of the chip while nothing switches; neither of the memory nor of the board."""
    memory: BoardMemory
    sources: dict[str, str]
    """Where the numbers are from, by one key or several; each begins with one of TRUST."""

    @model_validator(mode="after")
    def _has_sources(self) -> Self:
        numbers = [*_numbers(self), *(f"memory.{key}" for key in _numbers(self.memory))]
        told = {key for keys in self.sources for key in keys.split(", ")}
        missing = [key for key in numbers if key not in told]
        if missing:
            raise ValueError(f"sources must be given for {', '.join(missing)}, not missing")
        others = sorted(key for key in told if key.removesuffix(".widths") not in numbers)
        if others:
            raise ValueError(f"sources must be of numbers of the board, not of {', '.join(others)}")
        for keys, text in self.sources.items():
            if not text.startswith(TRUST):
                rule = f"must begin with {', '.join(TRUST[:-1])} or {TRUST[-1]}"
                raise ValueError(f"the source of {keys} {rule}, not {text!r}")
        return self

    @property
    def chip(self) -> Family:
        """What its FPGA has in common with others of the same architecture.

        >>> find_device("vck190").chip.multiplier
        (27, 24)
        """
        return FAMILIES[self.family]

    @property
    def on_chip_bits(self) -> int:
        """Bits of all memory blocks."""
        return self.block_ram.total_bits + (self.ultra_ram.total_bits if self.ultra_ram else 0)

    def source(self, key: str) -> str:
        """Where a number is from, "assumed" first where it is.

        >>> find_device("zcu104").source("clock_hz")
        'assumed'
        """
        return next(text for keys, text in self.sources.items() if key in keys.split(", "))

    def trust(self, key: str) -> str:
        """What kind of source a number has, of TRUST.

        >>> find_device("zcu104").trust("lut")
        'data sheet'
        """
        return next(kind for kind in TRUST if self.source(key).startswith(kind))

    def number(self, key: str) -> float:
        """A number by the key that it has in `sources`; raises InputError when it is not known.

        >>> find_device("u280").number("memory.channels")
        32
        """
        found: float | None = attrgetter(key)(self)
        if found is None:
            raise InputError(
                f"device {self.name}: {key}",
                "must be known here, not left out",
                "add it, with its source, to a copy of the board's file",
            )
        return found

    def memory_model(
        self, port_bits: int, clock_hz: float | None = None, ports: int = 1
    ) -> MemoryModel:
        """The memory behind `ports` of `port_bits` each at `clock_hz`, or at the device's clock.

        Each port has an equal share of the memory, in as many whole channels as there are for it.
        Raises InputError when the memory has no such ports, or not so many, or is too slow for
        them at this clock.

        >>> find_device("vck190").memory_model(256, 400e6).bandwidth
        12000000000.0
        """
        memory, clock = self.memory, clock_hz or self.clock_hz
        if port_bits > memory.max_port_bits:
            raise InputError(
                f"device {self.name}: memory.port_bits",
                f"must be at most {memory.max_port_bits}, not {port_bits}",
                "use a narrower port, or another board",
            )
        if ports > memory.ports:
            raise InputError(
                f"device {self.name}: memory.ports", f"must be at most {memory.ports}, not {ports}",
                "use fewer ports, or another board",
            )  # fmt: skip
        interval = round(memory.refresh_interval_ns * clock * 1e-9)
        refresh = math.ceil(memory.refresh_ns * clock * 1e-9)
        try:
            return MemoryModel(
                port_bits=ports * port_bits,
                clock_hz=clock,
                latency=max(1, math.ceil(memory.latency_ns * clock * 1e-9)),
                fraction=min(1.0, memory.share(ports) / (port_bits / 8 * clock)) * memory.sustained,
                refresh_interval=interval if refresh else 0,
                refresh_cycles=refresh,
            )
        except ValueError as error:
            place = f"device {self.name} at {clock / 1e6:g} MHz and {ports} x {port_bits} bits:"
            way_out = "take another clock or port, or correct the device's file"
            raise InputError(place, f"{error}", way_out) from None


def _numbers(model: BaseModel) -> list[str]:
    """Keys of the numbers that a board or its memory has, but for those left out."""
    fields = type(model).model_fields.items()
    given = [key for key, field in fields if getattr(model, key) != field.default]
    return [key for key in given if key not in UNSOURCED]


def names() -> list[str]:
    """Names of the boards that puffadder knows.

    >>> "vck190" in names()
    True
    """
    return names_in(FOLDER)


def find_device(name: str) -> Device:
    """The board of that name, or in the YAML file of that path.

    Raises InputError when there is neither, and for everything that is wrong in the file.
    """
    path = Path(name)
    if name in names():
        path = FOLDER / f"{name}.yaml"
    elif path.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"device {name!r}",
            f"must be one of {', '.join(names())} or a file *.yaml",
            meant(name, names(), "describe the board in a file"),
        )
    raw = {"name": path.stem} | read_mapping(path, Device, "device")
    return check(Device, raw, f"{path}", "device", "correct it in the file")


def device_of(design: Design) -> Device | None:
    """The board that a design names, if it names one; raises InputError as `find_device`."""
    return None if design.device is None else find_device(design.device)


def memory_of(design: Design) -> MemoryModel:
    """The memory behind a design's ports: its board's at its clock; see `memory_on`.

    Raises InputError when there is no such board, or when it has no such ports.
    """
    return memory_on(device_of(design), design)


def memory_on(device: Device | None, design: Design) -> MemoryModel:
    """The memory behind a design's ports on a board.

    Without a board, one is assumed that answers after LATENCY cycles with a word in each. Raises
    InputError when the board has no such ports.
    """
    port = design.memory
    if device is None:
        return MemoryModel(port.word_bits, design.clock_hz or CLOCK_HZ, LATENCY)
    if design.state.placement == "memory" and not device.memory.writable:
        raise InputError(
            f"design {design.name}: state.placement",
            f"must be 'chip' on device {device.name}, whose memory is only read, not 'memory'",
            "use another board",
        )
    return device.memory_model(port.port_bits, design.clock_hz, port.ports)
