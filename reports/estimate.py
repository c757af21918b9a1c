"""Estimate: what a network takes on a design and its board, without generating anything."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from codegen.designs import find_design
from codegen.files import finite
from hwsim.devices import Device, device_of, memory_of
from hwsim.energy import Energy
from hwsim.engine import predict
from hwsim.logic.calibration import Calibration, read_calibration
from hwsim.memory import MemoryModel
from hwsim.resources import OnChip, memories, require_fit
from hwsim.units.scan import ScanTiming
from models.checkpoints import bundled
from models.checkpoints.reader import read_shape
from models.design import Design
from models.errors import InputError
from models.networks.machine import MachineConfig, machine_config
from models.networks.shape import Mamba2Shape
from models.networks.shapes import MAMBA2_SHAPES, SHAPES, find_mamba2_shape
from models.networks.stream import per_token, row_packet, spill_parts, token_words
from reports.energy import basis as energy_basis
from reports.energy import design_energy
from reports.inputs import Show, design_of, find_manifest, unheard
from reports.run_report import unit_table
from reports.unit_logic import UnitLogic, unit_logic

Tag = Literal["modelled", "assumed", "cited"]
EXACT_CYCLES = 3_000_000
"""Up to here every cycle of a network is stepped through; of a larger one, what repeats is not."""


@dataclass(frozen=True)
class Number:
    """A number of an estimate: how it is known, and from what."""

    value: float
    unit: str
    tag: Tag
    basis: str


@dataclass(frozen=True)
class Bounds:
    """Cycles that a token takes at least, but for words of it that were read before it began."""

    port: float
    multipliers: float
    scan: float

    @property
    def largest(self) -> str:
        return max(asdict(self), key=lambda name: float(getattr(self, name)))


@dataclass(frozen=True)
class Estimate:
    """What one more token takes: the last of `tokens`, each of which follows from the one before.

    All cycles are modelled. `units` are a token's, and add up to `cycles_per_token` for each unit.
    """

    model: str
    design: Design
    device: Device | None
    shape: Mamba2Shape
    tokens: int
    numbers: dict[str, Number]
    bounds: Bounds
    units: dict[str, dict[str, int]]
    on_chip_bits: dict[str, int]
    placed: OnChip | None
    logic: UnitLogic

    def to_json(self) -> str:
        device = self.device
        told = {
            "model": {"name": self.model, **asdict(self.shape)},
            "design": json.loads(self.design.model_dump_json()),
            "device": device.model_dump() if device else {},
            "tokens": self.tokens,
            "numbers": {name: asdict(number) for name, number in self.numbers.items()},
            "bounds": asdict(self.bounds),
            "bound": self.bounds.largest,
            "cycles": {"units": {unit: {"predicted": at} for unit, at in self.units.items()}},
            "resources": self.on_chip_bits,
            "blocks": self.placed.blocks if self.placed else {},
            "logic": self.logic.told,
        }
        return json.dumps(finite(told), indent=2)

    def to_text(self) -> str:
        device = f"board {self.device.name}" if self.device else "no board, a plain memory"
        cycles = self.numbers["cycles_per_token"].value
        bounds, largest = asdict(self.bounds), self.bounds.largest
        lines = [f"{self.model} on design {self.design.name}, {device}", ""]
        lines += [
            f"{name.replace('_', ' '):24}{_readable(number):>14} {number.unit:9} "
            f"{number.tag}: {number.basis}"
            for name, number in self.numbers.items()
        ]
        lines += ["", "a token takes at least (modelled)"]
        lines += [
            f"{name:24}{bound:14,.0f} cycles    {bound / cycles:.1%} of what is predicted"
            + (", the bound" if name == largest else "")
            for name, bound in bounds.items()
        ]
        lines += ["", *self._memory_lines(), "", *self.logic.lines(), ""]
        return "\n".join(lines + unit_table({u: {"predicted": at} for u, at in self.units.items()}))

    def _memory_lines(self) -> list[str]:
        """The largest memories on chip, and the blocks that all of them take."""
        largest = sorted(self.on_chip_bits.items(), key=lambda item: -item[1])
        whole = sum(self.on_chip_bits.values())
        lines = ["on-chip memory (modelled)"]
        lines += [f"{name:24}{bits / 1024:14,.1f} Kb" for name, bits in largest[:5]]
        rest = whole - sum(bits for _, bits in largest[:5])
        lines.append(f"{f'{len(largest) - 5} others':24}{rest / 1024:14,.1f} Kb")
        for kind, blocks in (self.placed.blocks if self.placed else {}).items():
            name = f"{kind.replace('_', ' ')} of {blocks['bits'] // 1024} Kb"
            share = blocks["used"] / blocks["are"]
            lines.append(f"{name:24}{blocks['used']:14,} of {blocks['are']:,} blocks, {share:.0%}")
        return lines


def estimate(
    model: str,
    design: str,
    overrides: tuple[str, ...] = (),
    tokens: int = 2,
    show: Show = unheard,
    calibration: Path | None = None,
    exact: bool = False,
) -> Estimate:
    """What a token takes of the network `model`, a checkpoint or the name of a shape.

    `calibration` is a file of `hwsim.logic.calibration`; with `exact` every cycle is stepped
    through, however many there are. Raises InputError for everything wrong in what is named, and
    when the board has too little on-chip memory for the design.
    """
    chosen = find_design(design, overrides)
    shape = shape_of(model)
    factors = read_calibration(calibration) if calibration else None
    design_used = design_of(model, chosen, overrides, show)
    return estimate_network(shape, design_used, model, tokens, show, factors, exact)


def estimate_network(
    shape: Mamba2Shape,
    design: Design,
    name: str,
    tokens: int = 2,
    show: Show = unheard,
    calibration: Calibration | None = None,
    exact: bool = False,
) -> Estimate:
    """What a token takes of a network of `shape`, which is called `name`."""
    machine, device, memory = machine_config(shape, design), device_of(design), memory_of(design)
    placed = require_fit(machine, device) if device else None
    bounds = bounds_of(machine, memory)
    units, basis = _predict(machine, memory, bounds, tokens, exact, show)
    cycles = sum(next(iter(units.values())).values())
    return Estimate(
        model=name,
        design=design,
        device=device,
        shape=shape,
        tokens=tokens,
        numbers=_numbers(machine, device, memory, cycles, basis, calibration),
        bounds=bounds,
        units=units,
        on_chip_bits={name: each.total_bits for name, each in memories(machine).items()},
        placed=placed,
        logic=unit_logic(machine, device, calibration),
    )


def shape_of(model: str) -> Mamba2Shape:
    """The shape of a checkpoint, of the `bundled` one, or of a published network by its name.

    Raises InputError when there is none of these, and for what is wrong in a checkpoint.
    """
    if model == "bundled":
        return read_shape(bundled())
    if model in SHAPES:
        return find_mamba2_shape(model)
    if manifest := find_manifest(model):
        return manifest.shape
    if Path(model).exists():
        return read_shape(model)
    try:
        return find_mamba2_shape(model)
    except InputError as error:
        way_out = str(error).rpartition("; ")[2]
    raise InputError(
        f"model {model!r}",
        f"must be the folder of a checkpoint, `bundled`, or one of {', '.join(MAMBA2_SHAPES)}",
        way_out,
    )


def bounds_of(machine: MachineConfig, memory: MemoryModel) -> Bounds:
    """What a token takes at least: on the port, on the multipliers, in the scan."""
    words = sum(traffic(machine))
    beats = per_token(machine, lambda packet: packet.beats.get("weights", 0))
    return Bounds(
        port=words * machine.fetch.port_bits / 8 * memory.clock_hz / memory.bandwidth,
        multipliers=beats,
        scan=ScanTiming(machine.units.scan).tiles * machine.shape.layers,
    )


def traffic(machine: MachineConfig) -> tuple[int, int]:
    """Words of all ports together that a token reads, and that it writes."""
    reads = row_packet(machine).words(machine.fetch) + token_words(machine)
    return reads, int(spill_parts(machine).words.sum())


def _numbers(
    machine: MachineConfig,
    device: Device | None,
    memory: MemoryModel,
    cycles: float,
    basis: str,
    calibration: Calibration | None,
) -> dict[str, Number]:
    design, size = machine.design, machine.fetch.port_bits // 8
    reads, writes = traffic(machine)
    numbers = {
        "tokens_per_second": Number(
            memory.clock_hz / cycles, "tokens/s", "modelled", "the whole network, LM head included"
        ),
        "cycles_per_token": Number(cycles, "cycles", "modelled", basis),
        "clock_hz": Number(memory.clock_hz, "Hz", "assumed", _clock_basis(design, device)),
        "memory_bandwidth": Number(memory.bandwidth, "B/s", "assumed", "a word in each cycle"),
        "memory_latency": Number(memory.latency, "cycles", "assumed", "no board is named"),
        "bytes_read_per_token": Number(reads * size, "B", "modelled", "exact"),
        "bytes_written_per_token": Number(writes * size, "B", "modelled", "exact"),
    }
    if device:
        keys = {"memory_bandwidth": "memory.sustained", "memory_latency": "memory.latency_ns"}
        if design.clock_hz is None:
            keys["clock_hz"] = "clock_hz"
        numbers |= {name: _sourced(numbers[name], device, key) for name, key in keys.items()}
        moved = (reads + writes) * size
        energy = design_energy(machine, device, cycles, memory.clock_hz, moved, calibration)
        numbers |= _energy(energy, device)
    return numbers


def _clock_basis(design: Design, device: Device | None) -> str:
    if design.clock_hz is None:
        return "no clock is named"
    if device and design.clock_hz > device.clock_hz:
        usual = device.clock_hz / 1e6
        return f"design {design.name}; above the {usual:g} MHz of board {device.name}"
    return f"design {design.name}"


def _energy(energy: Energy, device: Device) -> dict[str, Number]:
    return {
        "joules_per_token": Number(
            float(energy.total), "J", "modelled", energy_basis(energy, device)
        ),
        "watts": Number(float(energy.watts), "W", "modelled", "over the time of a token"),
    }


def _sourced(number: Number, device: Device, key: str) -> Number:
    """A number that comes from a board: cited, where the board's file does not assume it."""
    source = device.source(key)
    if not source.startswith("assumed"):
        return replace(number, tag="cited", basis=source)
    why = source.removeprefix("assumed").removeprefix(", ") or f"board {device.name}"
    return replace(number, basis=why)


def _readable(number: Number) -> str:
    if number.unit == "Hz":
        return f"{number.value / 1e6:,.0f} M"
    if number.unit == "B/s":
        return f"{number.value / 1e9:,.2f} G"
    if number.unit in ("J", "W"):
        return f"{number.value:,.3g}"
    return f"{number.value:,.2f}" if number.unit == "tokens/s" else f"{number.value:,.0f}"


def _predict(
    machine: MachineConfig,
    memory: MemoryModel,
    bounds: Bounds,
    tokens: int,
    exact: bool,
    show: Show,
) -> tuple[dict[str, dict[str, int]], str]:
    """Cycles of each unit in the last of `tokens`, and how they are known."""
    leap = not exact and tokens * float(getattr(bounds, bounds.largest)) > EXACT_CYCLES
    show(f"predicting {tokens} tokens, {'leaping over what repeats' if leap else 'every cycle'}")
    run = predict(machine, 1, tokens, memory, leap=leap)
    if run.stepped == run.cycles:
        return run.per_token[-1], "every cycle of the whole network"
    share = run.stepped / run.cycles
    basis = f"{share:.1%} of all cycles stepped through, the rest repeats them"
    return run.per_token[-1], basis
