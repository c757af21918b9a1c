"""What moves beats between units and memory is built from: queues, routes, ports, control."""

from functools import cache

from hwsim.logic.inventory import Inventory
from hwsim.logic.units import bits_of
from hwsim.resources import BURST_BITS, write_bursts
from models.beats import STEP, Beat, block_beat
from models.formats import Block, Fixed
from models.memory_port import ReadPortConfig
from models.networks.machine import MachineConfig
from models.registers import ADDRESS_BITS, COUNTER_BITS, WORD_BITS, register_map
from models.units.fetch import BEATS, HEADER, FetchConfig, per_word, span, waiting_bits
from models.units.spill import SpillConfig


@cache
def queue(beat: Beat, depth: int) -> Inventory:
    parts = Inventory("queue")
    parts.queue(beat, depth)
    return parts


@cache
def fork(outputs: int) -> Inventory:
    parts = Inventory("fork")
    parts.control(outputs)
    return parts


@cache
def switch(outputs: int) -> Inventory:
    parts = Inventory("switch")
    parts.control(STEP.fields[1].bits)
    parts.choose(outputs)
    return parts


@cache
def select(beat: Beat, inputs: int) -> Inventory:
    parts = Inventory("select")
    parts.control(STEP.fields[1].bits)
    parts.choose(inputs)
    parts.choose(beat.bits, inputs)
    return parts


@cache
def resize(block: Block, lanes: int, to: int) -> Inventory:
    """Beats of `lanes` codes as beats of `to`."""
    parts = Inventory("resize")
    narrow = block_beat(block, min(lanes, to))
    ways = max(lanes, to) // min(lanes, to)
    if to > lanes:
        parts.register((ways - 1) * narrow.bits)
    elif to < lanes:
        parts.choose(narrow.bits, ways)
    if ways > 1:
        parts.control(bits_of(ways))
    return parts


def fetch(config: FetchConfig) -> Inventory:
    parts = Inventory("fetch")
    parts.include([headers()])
    parts.include(waits(each.beat.bits, each.depth, config.port_bits) for each in config.targets)
    return parts


@cache
def headers() -> Inventory:
    """What fetch has for all targets together."""
    parts = Inventory("fetch")
    parts.control(HEADER.bits + 2 * BEATS.width + 8)
    return parts


@cache
def waits(bits: int, depth: int, port_bits: int) -> Inventory:
    """What fetch has for a target of beats of `bits`."""
    parts = Inventory("fetch")
    several, words = int(per_word(bits, port_bits)), span(bits, port_bits)
    parts.queue(int(waiting_bits(bits, several)), depth)
    parts.parts["targets"] += 1
    if several > 1:
        parts.choose(bits, several)
        parts.control(bits_of(several))
    elif words > 1:
        parts.register((words - 1) * port_bits)
        parts.control(bits_of(words))
    return parts


@cache
def spill(config: SpillConfig) -> Inventory:
    parts = Inventory("spill")
    parts.control(BEATS.width + config.write_beat.bits)
    if config.span > 1:
        parts.register(config.beat.bits)
        parts.choose(config.beat.bits)
        parts.control(bits_of(config.span + 1))
    else:
        parts.register((config.per_word - 1) * config.beat.bits, config.port_bits)
        parts.choose(config.per_word * config.beat.bits)
        parts.control(bits_of(config.per_word))
    return parts


@cache
def masters(config: ReadPortConfig, ports: int, writes: bool) -> Inventory:
    """AXI4 masters that read, or that write, of all memory ports."""
    parts = Inventory("write_master" if writes else "read_master")
    for _ in range(ports):
        _master(parts, config, writes)
    if ports > 1:
        parts.control(ports * (1 + writes))
        parts.add(2 * (ports - 1), config.address_bits)
        parts.register((ports - 1) * config.address_bits)
    return parts


def _master(parts: Inventory, config: ReadPortConfig, writes: bool) -> None:
    words, address = config.i_beat.fields[1].bits, config.address_bits
    parts.add(1, words)
    parts.control(2 * address + 2 * words + bits_of(config.outstanding + 1))
    if writes:
        parts.queue(BURST_BITS, int(write_bursts(config.outstanding)) + 1)
        parts.register(8)
        parts.control(8)


def sequence(machine: MachineConfig) -> Inventory:
    """The tokens of a run and their reads."""
    parts = Inventory("sequence")
    token, address = machine.token_beat.fields[0].format, machine.port.address_bits
    parts.control(token.width + address + 3 * WORD_BITS + 8)
    parts.multiply(1, token, Fixed(WORD_BITS, signed=False))
    parts.add(5, WORD_BITS)
    parts.add(2, address)
    parts.compare(5, WORD_BITS)
    parts.choose(address + WORD_BITS, 3)
    return parts


@cache
def control(counters: tuple[str, ...], ports: int) -> Inventory:
    """Registers behind AXI4-Lite, read through a choice of all their words."""
    parts = Inventory("control")
    fields = [field for each in register_map(counters, ports).values() for field in each.fields]
    kept = sum(field.bits for field in fields if field.access == "read-write")
    parts.choose(sum(field.bits for field in fields))
    parts.control(kept + 2 * ADDRESS_BITS + 2 * WORD_BITS + 16)
    parts.add(1, 2 * WORD_BITS)
    return parts


@cache
def counting(counters: tuple[str, ...]) -> Inventory:
    """Cycles of each unit by what it is at."""
    parts = Inventory("counting")
    parts.parts["counts"] += len(counters)
    parts.register(len(counters) * COUNTER_BITS)
    return parts
