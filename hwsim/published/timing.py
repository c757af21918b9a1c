"""How long a published design takes for a token, and what work that is.

Each phase takes as long as the slowest of what overlaps in it, and phases follow each other:

    transfer   bytes / rate, and the memory's latency for each burst where bursts wait for the one
               before, otherwise for each tensor
    rate       what the ports take at the clock, or the memory's peak, times what it sustains

Every input is a number of the design's file, of its network or of its board.
"""

import math
from dataclasses import dataclass

from hwsim.devices import BoardMemory
from hwsim.energy import SCAN_PRODUCTS, Work
from hwsim.published import Memory, Phase, Published


@dataclass(frozen=True)
class Timing:
    """Seconds of a token, by phase; those of a layer are summed over all layers."""

    phases: dict[str, float]
    bytes_read: float
    bytes_written: float

    @property
    def seconds(self) -> float:
        return sum(self.phases.values())

    @property
    def tokens_per_second(self) -> float:
        return 1 / self.seconds


def timing(design: Published) -> Timing:
    """What a token takes.

    >>> from hwsim.published import find_published
    >>> round(timing(find_published("rtx-2070")).bytes_read / 1e9, 2)
    5.48
    """
    phases: dict[str, float] = {}
    moved = [0.0, 0.0]
    for phases_of, times in ((design.phases, design.layer_count), (design.ends, 1)):
        for phase in phases_of:
            phases[phase.name] = phases.get(phase.name, 0.0) + times * _seconds(design, phase)
            moved[0] += times * sum(_bytes(design, name) for name in phase.reads)
            moved[1] += times * sum(_bytes(design, name) for name in phase.writes)
    return Timing(phases, *moved)


def work(design: Published, seconds: float) -> Work:
    """The work of a token that takes `seconds`, for the energy model."""
    told = timing(design)
    numbers, products, state = design.numbers, 0.0, 0.0
    for phases, times in ((design.phases, design.layer_count), (design.ends, 1)):
        products += times * sum(numbers[name] for phase in phases for name in phase.products)
        if any(phase.scan for phase in phases):
            state = times * numbers["state"]
    moved = told.bytes_read + told.bytes_written
    weight_bits, input_bits = design.operands or (0, 0)
    scan_bits = design.scan.bits if design.scan else 0
    power = design.told.power
    return Work(
        products=products,
        product_bits=weight_bits * input_bits,
        scan_products=SCAN_PRODUCTS * state,
        scan_bits=scan_bits * scan_bits,
        on_chip_bytes=2 * moved,
        off_chip_bytes=moved,
        registers=power.registers if power else 0,
        clock_hz=design.clock_hz,
        seconds=seconds,
    )


def memory_behind(design: Published) -> Memory | BoardMemory:
    """The memory that the design's file describes, or its board's."""
    if design.memory:
        return design.memory
    assert design.device is not None
    return design.device.memory


def _bytes(design: Published, tensor: str) -> float:
    return design.numbers[tensor] * design.bits[tensor] / 8


def _seconds(design: Published, phase: Phase) -> float:
    transfers = sum(_transfer(design, name) for name in (*phase.reads, *phase.writes))
    numbers, clock = design.numbers, design.clock_hz
    products = 0.0
    if design.products_per_cycle:
        products = sum(numbers[name] for name in phase.products) / design.products_per_cycle
    scan = phase.scan * numbers["state"] / design.scan.lanes if phase.scan and design.scan else 0.0
    return max(transfers, products / clock, scan / clock)


def _transfer(design: Published, tensor: str) -> float:
    """Seconds of a tensor's transfer, in either direction."""
    memory, port, size = memory_behind(design), design.port, _bytes(design, tensor)
    rate, waits = memory.bytes_per_s, 1
    if port:
        word = port.count * port.bits / 8
        rate = min(rate, word * design.clock_hz)
        waits = math.ceil(math.ceil(size / word) / port.burst) if port.serial else 1
    return size / (rate * memory.sustained) + waits * memory.latency_ns * 1e-9
