"""What units that work beat by beat are built from, stage by stage as in `rtl.units`."""

from functools import cache

from hwsim.logic.inventory import Inventory
from hwsim.storage import Read, rom
from hwsim.units.matvec import MatvecTiming
from models.formats import Fixed
from models.scales import FIELDS
from models.tables import Table
from models.units.activate import ActivateConfig
from models.units.conv1d import Conv1dConfig
from models.units.gate import GateConfig
from models.units.matvec import MatvecConfig
from models.units.quantize import QuantizeConfig
from models.units.residual import ResidualConfig


def bits_of(count: int) -> int:
    """Bits of a signal that counts `count` things from 0, at least 1."""
    return max(1, (count - 1).bit_length())


@cache
def matvec(config: MatvecConfig) -> Inventory:
    parts = Inventory("matvec")
    rows, columns, shared = config.rows, config.columns, config.shared
    several, x, o = columns // shared, config.x, config.o.width
    _vector(parts, config)
    parts.register(rows * columns * config.weight.width)
    bits = parts.multiply(rows * columns, config.weight, x.code)
    bits = parts.tree(rows * several, shared, bits)
    parts.register(rows * several * bits, several * x.exponent.width)
    parts.shift(rows * several, bits, config.expanded.width, x.exponent.width)
    parts.register(rows * several * config.expanded.width)
    if several > 1:
        parts.register(rows * parts.tree(rows, several, config.expanded.width))
    parts.add(rows, config.partial.width)
    parts.register(rows * config.partial.width)
    _scale(parts, config)
    parts.add(rows, config.total.width)
    rounded = config.total.width - config.shift + 1
    parts.register(rows * config.total.width, rows * rounded)
    if config.bias:
        parts.queue(config.bias_beat, MatvecTiming.ahead)
        parts.add(rows, rounded)
    parts.saturate(rows, rounded, o)
    parts.choose((rows - config.lanes) * o)
    parts.register(2 * rows * o)
    parts.control(bits_of(rows // config.lanes + 1))
    return parts


def _vector(parts: Inventory, config: MatvecConfig) -> None:
    words, fills = config.max_columns // config.columns, config.columns // config.lanes
    word = (
        config.columns * config.x.bits + config.columns // config.shared * config.x.exponent.width
    )
    parts.hold(words, word, Read.SAME_ADDRESS)
    parts.register(max(0, fills - 1) * config.i_beat.bits)
    parts.control(2 * bits_of(words) + bits_of(fills) + bits_of(config.group // config.columns))
    parts.control(config.pass_beat.fields[1].format.width)


def _scale(parts: Inventory, config: MatvecConfig) -> None:
    """A sum over a weight group times its scale."""
    rows, partial, total = config.rows, config.partial, config.total.width
    first, *others = FIELDS[config.scale.kind]
    parts.queue(config.scale_beat, MatvecTiming.ahead)
    if config.scale.kind == "mantissa":
        mantissa = Fixed(others[0] + 1, signed=False)
        bits = parts.multiply(rows, partial, mantissa)
        parts.register(rows * first)
        parts.shift(rows, bits, total, first)
    else:
        widest = min(total, partial.width + (1 << first) - 1)
        for by in (first, *others):
            parts.shift(rows, partial.width, widest, by)
        if others:
            parts.add(rows, widest)
            parts.register(2 * rows * widest)
    parts.register(rows * total)


@cache
def quantize(config: QuantizeConfig) -> Inventory:
    parts, block = Inventory("quantize"), config.block
    lanes, width, exponent = config.lanes, block.source.width, block.exponent.width
    groups = max(1, lanes // block.group)
    parts.merge(lanes * (width - 1))
    if lanes < block.group:
        beats = block.group // lanes
        parts.hold(2 * beats, lanes * width, Read.IMMEDIATE)
        parts.register(3 * (width - 1))
        parts.choose(2 * (width - 1))
        parts.control(2 * bits_of(beats) + 4)
    parts.measure(groups, width - 1)
    parts.register(2 * lanes * width, groups * (width - 1 + exponent))
    rounded = max(width, 1 << exponent) + 1  # half a unit has a bit for each exponent
    parts.add(lanes, rounded)
    parts.shift(lanes, rounded, rounded, exponent)
    parts.saturate(lanes, rounded, block.bits)
    parts.register(config.o_beat.bits)
    return parts


@cache
def activate(config: ActivateConfig) -> Inventory:
    parts = Inventory("activate")
    lookup(parts, config.table, config.lanes)
    parts.register(config.o_beat.bits)
    return parts


def lookup(parts: Inventory, table: Table, count: int) -> None:
    """`count` values looked up in ROMs of their own, as in `rtl.tables`."""
    within = Fixed(table.segment_bits, signed=False)
    parts.memories.append(rom(table, count))
    bits = parts.multiply(count, table.slope, within)
    code = table.i.width if table.above == "input" else 0
    parts.register(count * (table.base.width + 2 * (code + 2)))
    parts.add(count, max(table.base.width, bits - table.slope_frac))
    if table.low:
        parts.compare(2 * count, max(1, table.i.width - table.segment_bits))
    if code:
        parts.choose(count * table.line.width)
    parts.saturate(count, table.line.width, table.o.width)


@cache
def conv1d(config: Conv1dConfig) -> Inventory:
    parts = Inventory("conv1d")
    lanes, taps, x, tap = config.lanes, config.taps, config.x, config.tap
    beat, groups = config.i_beat.bits, max(1, lanes // x.group)
    parts.hold(config.state_words, beat * (taps - 1))
    parts.register(beat, lanes * config.o.width * 3, taps * groups * tap.exponent.width)
    parts.choose(beat * (taps - 1))
    parts.control(2 * bits_of(config.state_words) + 4)
    bits = parts.multiply(lanes * taps, x.code, tap.code)
    by = max(x.exponent.width, tap.exponent.width) + 1
    parts.add(taps * groups, by)
    parts.register(taps * groups * by)
    parts.shift(lanes * taps, bits, config.total.width, by)
    parts.register(lanes * taps * config.total.width)
    parts.tree(lanes, taps, config.total.width - log2_up(taps))
    rounded = max(config.total.width - config.shift, config.o.width) + 1
    parts.register(lanes * (config.total.width + rounded + config.o.width))
    parts.add(lanes, rounded)
    parts.saturate(lanes, rounded, config.o.width)
    return parts


def log2_up(count: int) -> int:
    return (count - 1).bit_length()


@cache
def gate(config: GateConfig) -> Inventory:
    parts, lanes, y, z = Inventory("gate"), config.lanes, config.y, config.z
    bits = parts.multiply(lanes, y.code, z.code)
    by = max(y.exponent.width, z.exponent.width) + 1
    groups = max(1, lanes // max(y.group, z.group))
    parts.add(groups, by)
    parts.shift(lanes, bits, config.product.width, by)
    parts.register(groups * by, lanes * config.product.width, lanes * config.o.width)
    parts.saturate(lanes, config.product.width - config.shift + 1, config.o.width)
    return parts


@cache
def residual(config: ResidualConfig) -> Inventory:
    parts, lanes, width = Inventory("residual"), config.lanes, config.stream.width
    parts.add(lanes, width + 1)
    parts.saturate(lanes, width + 1, width)
    parts.register(lanes * (2 * width + 1))
    return parts
