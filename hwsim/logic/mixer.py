"""What discretize and scan are built from, stage by stage as in `rtl.units`."""

from functools import cache

from hwsim.logic.inventory import Inventory
from hwsim.logic.units import bits_of, log2_up, lookup, quantize
from hwsim.units.scan import ScanTiming
from models.beats import fixed_beat
from models.units.discretize import EXP2, FRACTION, MANTISSA, DiscretizeConfig
from models.units.quantize import QuantizeConfig
from models.units.scan import ScanConfig


@cache
def discretize(config: DiscretizeConfig) -> Inventory:
    parts, lanes, x = Inventory("discretize"), config.lanes, config.x
    result = config.decay.width + MANTISSA.width + config.delta_exponent.width + config.skip.width
    _heads(parts, config)
    parts.hold(config.heads, result)
    parts.control(2 * bits_of(config.heads + 1) + bits_of(config.heads))
    parts.control(bits_of(config.head_dim // lanes))

    groups = max(1, lanes // x.group)
    product = parts.multiply(lanes, x.code, MANTISSA)
    skipped = parts.multiply(lanes, x.code, config.skip)
    raised = max(x.exponent.width, config.delta_exponent.width) + 1
    parts.add(groups, raised)
    parts.register(groups * (2 * x.exponent.width + 2 * raised), 3 * config.decay.width)
    parts.saturate(lanes, product - config.drive_shift + 1, config.drive_bits)
    parts.register(2 * lanes * config.drive_bits)
    parts.shift(lanes, skipped, config.skipped.width, x.exponent.width)
    parts.register(lanes * config.skipped.width)
    parts.saturate(lanes, config.skipped.width - config.skip_shift + 1, config.o.width)
    parts.register(lanes * config.o.width)
    return parts


def _heads(parts: Inventory, config: DiscretizeConfig) -> None:
    """From a time step to a decay, one head at a time."""
    delta, skip, rate = config.delta.width, config.skip.width, config.rate.width
    exponent, power = config.delta_exponent.width, config.power.width
    each = 2 * config.dt.width + rate + skip
    parts.choose(each, config.lanes)
    parts.control(bits_of(config.heads + 1) + bits_of(config.lanes))
    parts.add(1, config.biased.width)
    parts.register(config.biased.width, rate, skip)
    lookup(parts, config.softplus, 1)
    parts.register(delta, 4 * rate, 10 * skip)
    if config.delta_low > 0:
        parts.compare(1, delta)
        parts.choose(delta)
    if config.delta_high < config.delta.max_code:
        parts.compare(1, delta)
        parts.choose(delta)
    parts.register(2 * delta)
    parts.multiply(1, config.delta, config.rate)
    parts.measure(1, delta)
    parts.register(5 * exponent)
    parts.saturate(1, config.steepness.width - config.power_shift, power)
    parts.register(power)
    parts.add(1, delta)
    parts.shift(1, delta, delta, exponent)
    parts.saturate(1, delta, MANTISSA.width)
    parts.register(4 * MANTISSA.width)
    lookup(parts, config.exp2, 1)
    whole = power - FRACTION.frac
    parts.register(EXP2.width, 3 * whole)
    parts.shift(1, EXP2.width, EXP2.width, whole)
    parts.saturate(1, EXP2.width, config.decay.width)
    parts.register(config.decay.width)


@cache
def scan(config: ScanConfig) -> Inventory:
    parts = Inventory("scan")
    _walks(parts, config)
    for beat in (config.b_beat, config.c_beat):
        parts.hold(config.vector_beats, beat.bits)
        parts.control(bits_of(config.vector_beats + 1))
    if config.spilled:
        parts.queue(config.state_beat)
    else:
        parts.hold(config.state_words, config.state_beat.bits)
    parts.queue(fixed_beat(config.lanes, skip=config.o), ScanTiming(config).skips)
    _update(parts, config)
    narrow = QuantizeConfig(config.h, config.states)
    parts.include(quantize(narrow) for _ in range(config.channels))
    _read_out(parts, config)
    return parts


def _walks(parts: Inventory, config: ScanConfig) -> None:
    """Where the tiles are that are begun, and those that are written."""
    counts = (
        config.state_words,
        config.state_tiles,
        config.channel_tiles,
        config.beats // config.groups,
        config.groups,
    )
    for _ in range(2):
        parts.control(sum(bits_of(count) for count in counts))


def _update(parts: Inventory, config: ScanConfig) -> None:
    channels, tile, h = config.channels, config.channels * config.states, config.h
    drive, b = config.drive.drive, config.b
    parts.choose(channels * (drive.bits + drive.exponent.width), config.channel_tiles)
    parts.register(channels * drive.exponent.width)
    kept = parts.multiply(tile, config.drive.decay, h.code)
    added = parts.multiply(tile, drive.code, b.code)
    by = max(drive.exponent.width, b.exponent.width) + 1
    groups = max(1, config.states // b.group)
    parts.add(channels * groups, by)
    parts.register(channels * groups * (by + h.exponent.width))
    parts.shift(tile, kept, config.kept.width, h.exponent.width)
    parts.shift(tile, added, config.added.width, by)
    parts.register(tile * (config.kept.width + config.added.width + config.update.width))
    parts.add(tile, config.update.width - abs(config.kept_align - config.added_align))
    parts.saturate(tile, config.update.width - config.update_shift + 1, h.source.width)
    parts.register(tile * h.source.width)


def _read_out(parts: Inventory, config: ScanConfig) -> None:
    channels, tile, h, c = config.channels, config.channels * config.states, config.h, config.c
    total, o = config.total.width, config.o.width
    length = min(config.states, h.group, c.group)
    runs = config.states // length
    product = parts.multiply(tile, h.code, c.code)
    by = max(h.exponent.width, c.exponent.width) + 1
    parts.add(channels * runs, by)
    parts.register(2 * channels * runs * by, channels * runs * h.exponent.width)
    bits = parts.tree(channels * runs, length, product)
    parts.register(channels * runs * bits)
    parts.shift(channels * runs, bits, total, by)
    parts.register(channels * runs * total)
    parts.tree(channels, runs, total - log2_up(runs))
    rounded = max(total - config.total_shift, o) + 1
    parts.register(channels * total, channels * total, channels * rounded)
    parts.add(channels, total)
    parts.choose(channels * o, config.channel_tiles)
    parts.add(channels, rounded)
    parts.saturate(channels, rounded, o)
    parts.register(config.lanes * o)
    parts.control(bits_of(config.channel_tiles) + 16)
