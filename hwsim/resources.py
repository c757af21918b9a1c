"""On-chip memory: every memory and queue that a design instantiates, and the blocks they take."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hwsim.devices import Blocks, Device
from hwsim.storage import Read, Storage, needs, rom, rules_on
from hwsim.units.matvec import MatvecTiming
from hwsim.units.scan import ScanTiming
from models.beats import STEP, Beat, fixed_beat
from models.errors import InputError
from models.networks.layer import LayerUnits, queue_depths
from models.networks.machine import MachineConfig
from models.networks.shape import Mamba2Shape
from models.units.discretize import MANTISSA
from models.units.fetch import Counts
from models.units.hadamard import HadamardConfig
from models.units.matvec import MatvecConfig
from models.units.norm import ROOTS
from models.units.quantize import QuantizeConfig
from models.units.scan import ScanConfig

SHORTEST_QUEUE = 3
"""Beats of a queue that only decouples."""

BURST_BITS = 8
"""Of the length of an AXI4 burst, which waits for its words to be written."""

WAYS_OUT = {
    "scan.state": "keep the state in memory with state.placement=memory",
    "fetch.weights": "use a smaller memory.prefetch",
}
"""What makes a memory smaller that is too large, by its name."""


Memories = Mapping[str, Storage]
"""Memories by the unit or queue that they belong to."""


def memories(machine: MachineConfig) -> dict[str, Storage]:
    """Every memory of the accelerator, exactly: with as many bits as its hardware has.

    The last beat of a queue waits in registers and is not counted.
    """
    behind_port = {
        f"fetch.{target.name}": _queue(machine.fetch.waiting(index), target.depth)
        for index, target in enumerate(machine.fetch.targets)
    }
    if machine.spill:
        bursts = int(write_bursts(machine.port.outstanding))
        behind_port["write.bursts"] = Storage(bursts, BURST_BITS, copies=machine.ports)
    return behind_port | unit_memories(machine.shape, machine.units)


def unit_memories(shape: Mamba2Shape, units: LayerUnits) -> dict[str, Storage]:
    """The memories that are not behind the port, and alike for every port."""
    found = dict(_queues(shape, units)) | dict(_unit_memories(units))
    return {name: storage for name, storage in found.items() if storage.total_bits}


def write_bursts(outstanding: Counts) -> Counts:
    """Bursts, or arrays of them, of which the lengths wait for words to be written."""
    return np.maximum(SHORTEST_QUEUE, outstanding) - 1


def total_bits(found: Memories) -> int:
    return sum(storage.total_bits for storage in found.values())


def queues(shape: Mamba2Shape, units: LayerUnits) -> dict[str, tuple[Beat, int]]:
    """Beat and depth of each queue between units, by its name in `rtl`."""
    beats = {
        "looped": units.residual.o_beat,
        "kept": units.residual.i_beat,
        "rows": units.matvec.o_beat,
        "activated": units.scan_input.o_beat,
        "x": units.scan_input.o_beat,
        "y": units.scan_output.o_beat,
        "z": units.gate_input.o_beat,
        "gated": units.gate.o_beat,
    }
    depths = queue_depths(shape, units)
    return {name: (beat, depths[name]) for name, beat in beats.items() if depths[name]}


def _queues(shape: Mamba2Shape, units: LayerUnits) -> Iterator[tuple[str, Storage]]:
    for name, of in queues(shape, units).items():
        yield name, _queue(*of)
    if units.hadamard:
        steps = _queue(STEP)
        yield "hadamard.steps", Storage(steps.words, steps.bits, copies=2)


def _unit_memories(units: LayerUnits) -> Iterator[tuple[str, Storage]]:
    norm, conv, discretize = units.norm, units.conv1d, units.discretize
    longest = norm.channels // norm.lanes
    held = Storage(max(SHORTEST_QUEUE, longest + 1) - 1, norm.i_beat.bits + 1)  # and whether last
    yield "norm.vector", held
    yield "norm.root", rom(ROOTS)
    if units.hadamard:
        yield from _hadamard(units.hadamard)
    yield from _matvec(units.matvec)
    for name in ("linear_input", "conv_input", "scan_input", "gate_input", "scan_output"):
        yield f"{name}.banks", _banks(getattr(units, name))
    history = conv.i_beat.bits * (conv.taps - 1)
    yield "conv1d.history", Storage(max(2, conv.state_words), history)
    yield "silu.table", rom(units.silu.table, units.silu.lanes)
    yield "gate_silu.table", rom(units.gate_silu.table, units.gate_silu.lanes)
    head = (discretize.decay, MANTISSA, discretize.delta_exponent, discretize.skip)
    yield "discretize.heads", Storage(discretize.heads, sum(each.width for each in head))
    yield "discretize.softplus", rom(discretize.softplus)
    yield "discretize.exp2", rom(discretize.exp2)
    yield from _scan(units.scan)


def _hadamard(config: HadamardConfig) -> Iterator[tuple[str, Storage]]:
    """Banks of H_base, and the delay lines of butterflies, whose sums get wider by a bit each."""
    row, bits = config.points // config.lanes, config.i.width
    if config.base > 1:
        yield "hadamard.banks", Storage(max(2, row), config.i_beat.bits, config.base)
        bits += (config.base - 1).bit_length()
    while row > 2:  # the last fold holds its beat in registers
        row, bits = row // 2, bits + 1
        yield f"hadamard.line{row}", Storage(row, config.lanes * bits)


def _matvec(config: MatvecConfig) -> Iterator[tuple[str, Storage]]:
    exponents = config.columns // config.shared
    word = config.columns * config.x.bits + exponents * config.x.exponent.width
    words = max(2, config.max_columns // config.columns)
    yield "matvec.vector", Storage(words, word, read=Read.SAME_ADDRESS)
    yield "matvec.scales", _queue(config.scale_beat, MatvecTiming(config).ahead)
    if config.bias:
        yield "matvec.bias", _queue(config.bias_beat, MatvecTiming(config).ahead)


def _scan(config: ScanConfig) -> Iterator[tuple[str, Storage]]:
    if config.spilled:
        yield "scan.leaving", _queue(config.state_beat)
    else:
        yield "scan.state", Storage(config.state_words, config.state_beat.bits)
    yield "scan.b", Storage(config.vector_beats, config.b_beat.bits)
    yield "scan.c", Storage(config.vector_beats, config.c_beat.bits)
    skip = fixed_beat(config.lanes, skip=config.o)
    yield "scan.skips", _queue(skip, ScanTiming(config).skips)
    yield "scan.banks", _banks(QuantizeConfig(config.h, config.states), config.channels)


def _queue(beat: Beat, depth: int = SHORTEST_QUEUE) -> Storage:
    return Storage(depth - 1, beat.bits)


def _banks(config: QuantizeConfig, copies: int = 1) -> Storage:
    """Two banks of a group's beats, where a group takes several."""
    beats = config.block.group // config.lanes
    words = 2 * beats if beats > 1 else 0
    return Storage(words, config.lanes * config.block.source.width, copies, Read.IMMEDIATE)


@dataclass(frozen=True)
class OnChip:
    """Where the memories of a design are on a device: modelled, not what a tool found.

    What becomes LUTs or logic, and how many blocks the others take, is as `hwsim.storage` has it of
    Yosys. Tables go to block RAM, for UltraRAM starts empty. Then each other memory, the largest
    first, takes the kind of blocks that still has room for it and wastes the fewest bits, UltraRAM
    rather than block RAM. Memories do not share blocks, but halves of one are counted apart.
    """

    device: Device
    memories: Memories
    block_ram: int
    ultra_ram: int
    left_out: tuple[str, ...]
    """Memories for which no blocks are left."""

    @property
    def fits(self) -> bool:
        return not self.left_out

    @property
    def total_bits(self) -> int:
        return total_bits(self.memories)

    @property
    def blocks(self) -> dict[str, dict[str, int]]:
        """Blocks `used`, how many there `are`, and the `bits` of each, by kind."""
        return {
            kind: {"used": getattr(self, kind), "are": blocks.count, "bits": blocks.bits}
            for kind, blocks in _kinds(self.device).items()
        }


def place(found: Memories, device: Device) -> OnChip:
    """Put memories into the blocks of `device`."""
    kinds, rules = _kinds(device), rules_on(device)
    used, left_out = {"block_ram": 0, "ultra_ram": 0}, []
    for name, storage in sorted(found.items(), key=lambda item: turn(item[1])):
        blocks = zip(used, needs(storage.words, storage.kept, storage.read, rules), strict=True)
        need = {kind: storage.copies * count for kind, count in blocks if count}
        room = [kind for kind in need if used[kind] + need[kind] <= kinds[kind].count]
        if room:
            best = min(reversed(room), key=lambda kind: need[kind] * kinds[kind].bits)
            used[best] += need[best]
        elif need:
            left_out.append(name)
    return OnChip(device, found, **used, left_out=tuple(left_out))


def turn(storage: Storage) -> tuple[bool, int]:
    """What is less of a memory that blocks are found for earlier."""
    return storage.read != Read.CONSTANT, -storage.total_bits


def _kinds(device: Device) -> dict[str, Blocks]:
    kinds = {"block_ram": device.block_ram, "ultra_ram": device.ultra_ram}
    return {kind: blocks for kind, blocks in kinds.items() if blocks}


def require_fit(machine: MachineConfig, device: Device) -> OnChip:
    """Where the memories of a design are on `device`.

    Raises InputError when its blocks do not hold them, with what is short and the ways out.
    """
    placed = place(memories(machine), device)
    if placed.fits:
        return placed
    largest = sorted(placed.memories.items(), key=lambda item: -item[1].total_bits)[:3]
    parts = ", ".join(f"{name} {_mb(storage.total_bits)}" for name, storage in largest)
    kinds = _kinds(device).values()
    blocks = ", ".join(f"{kind.count} of {kind.bits // 1024} Kb" for kind in kinds)
    ways_out = [
        WAYS_OUT.get(largest[0][0], ""),
        "use another board, fewer bits or a smaller network",
    ]
    raise InputError(
        f"design {machine.design.name}: on-chip memory",
        f"must fit the blocks of device {device.name} ({blocks}: {_mb(device.on_chip_bits)}), "
        f"not need {_mb(placed.total_bits)}: {parts}, with no blocks left for "
        f"{_few(placed.left_out)}",
        ", or ".join(filter(None, ways_out)),
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} others" if len(names) > 2 else "")


def _mb(bits: int) -> str:
    return f"{bits / 1e6:.1f} Mb"
