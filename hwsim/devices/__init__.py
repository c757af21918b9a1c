"""Boards: what is on them, by name or by file; every number with its source in the file."""

import difflib
import math
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hwsim.memory import MemoryModel
from models.design import Design
from models.documents import check, read_mapping
from models.errors import InputError

FOLDER = Path(__file__).parent
CLOCK_HZ, LATENCY = 200e6, 40
"""Assumed where no board says otherwise: the clock, and cycles until a read answers."""
SOURCED = ("lut", "dsp", "block_ram", "clock_hz", "memory.bytes_per_s", "memory.sustained",
           "memory.latency_ns", "memory.max_port_bits")  # fmt: skip
"""Numbers that need a source."""

Count = Annotated[int, Field(ge=0, strict=True)]
Hertz = Annotated[float, Field(ge=1e6, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Nanoseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]


class Blocks(BaseModel):
    """Memory blocks of one kind: how many, the `bits` of each, and the `widths` that it can have.

    A block of `bits` has `bits / width` words of a width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Count
    bits: Annotated[int, Field(ge=1, strict=True)]
    widths: Annotated[tuple[Annotated[int, Field(ge=1, strict=True)], ...], Field(min_length=1)]

    @property
    def total_bits(self) -> int:
        return self.count * self.bits


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
    max_port_bits: Annotated[int, Field(ge=8, strict=True)]
    writable: bool = True
    """Whether the accelerator may write to it, as a state in memory needs."""

    @model_validator(mode="after")
    def _refreshes_briefly(self) -> Self:
        if self.refresh_ns and self.refresh_ns >= self.refresh_interval_ns:
            raise ValueError(
                f"refresh_ns must be less than refresh_interval_ns = {self.refresh_interval_ns}, "
                f"not {self.refresh_ns}"
            )
        return self


class Device(BaseModel):
    """A board with its FPGA. Counts are the chip's, without what a shell or a processor takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    part: str
    lut: Count
    dsp: Count
    block_ram: Blocks
    ultra_ram: Blocks | None = None
    clock_hz: Hertz
    """Of a design that names none."""
    memory: BoardMemory
    sources: dict[str, str]
    """Where the numbers are from, by one key or several; assumed where it begins with that."""

    @model_validator(mode="after")
    def _has_sources(self) -> Self:
        told = {key for keys in self.sources for key in keys.split(", ")}
        missing = [key for key in SOURCED if key not in told]
        if missing:
            raise ValueError(f"sources must be given for {', '.join(missing)}, not missing")
        return self

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

    def memory_model(self, port_bits: int, clock_hz: float | None = None) -> MemoryModel:
        """The memory behind a port of `port_bits` at `clock_hz`, or at the device's clock.

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
        interval = round(memory.refresh_interval_ns * clock * 1e-9)
        refresh = math.ceil(memory.refresh_ns * clock * 1e-9)
        return MemoryModel(
            port_bits=port_bits,
            clock_hz=clock,
            latency=max(1, math.ceil(memory.latency_ns * clock * 1e-9)),
            fraction=min(1.0, memory.bytes_per_s / (port_bits / 8 * clock)) * memory.sustained,
            refresh_interval=interval if refresh else 0,
            refresh_cycles=refresh,
        )


def names() -> list[str]:
    """Names of the boards that puffadder knows.

    >>> "vck190" in names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_device(name: str) -> Device:
    """The board of that name, or in the YAML file of that path.

    Raises InputError when there is neither, and for everything that is wrong in the file.
    """
    path = Path(name)
    if name in names():
        path = FOLDER / f"{name}.yaml"
    elif path.suffix not in (".yaml", ".yml"):
        near = difflib.get_close_matches(name.lower(), names(), n=1, cutoff=0.5)
        raise InputError(
            f"device {name!r}",
            f"must be one of {', '.join(names())} or a file *.yaml",
            f"did you mean {near[0]}?" if near else "describe the board in a file",
        )
    raw = {"name": path.stem} | read_mapping(path, Device, "device")
    return check(Device, raw, f"{path}", "device", "correct it in the file")


def device_of(design: Design) -> Device | None:
    """The board that a design names, if it names one; raises InputError as `find_device`."""
    return None if design.device is None else find_device(design.device)


def memory_of(design: Design) -> MemoryModel:
    """The memory behind a design's port: its board's at its clock.

    Without a board, one is assumed that answers after LATENCY cycles with a word in each. Raises
    InputError when there is no such board, or when it has no such port.
    """
    device, bits = device_of(design), design.memory.port_bits
    if device is None:
        return MemoryModel(bits, design.clock_hz or CLOCK_HZ, LATENCY)
    if design.state.placement == "memory" and not device.memory.writable:
        raise InputError(
            f"design {design.name}: state.placement",
            f"must be 'chip' on device {device.name}, whose memory is only read, not 'memory'",
            "use another board",
        )
    return device.memory_model(bits, design.clock_hz)
