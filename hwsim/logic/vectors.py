"""What units that see a whole vector are built from, stage by stage as in `rtl.units`."""

from functools import cache

from hwsim.logic.inventory import Inventory
from hwsim.logic.units import bits_of, lookup
from models.units.argmax import ArgmaxConfig
from models.units.hadamard import HadamardConfig
from models.units.norm import MANTISSA, ROOT, ROOTS, NormConfig


@cache
def norm(config: NormConfig) -> Inventory:
    parts, lanes, x = Inventory("norm"), config.lanes, config.i
    longest, total = config.channels // lanes, config.total.width
    half_bits = max(1, ((total - 2) // 2).bit_length())
    square = parts.multiply(lanes, x, x)
    beat_total = parts.tree(1, lanes, square)
    parts.add(1, total)
    parts.register(beat_total, total)
    parts.control(2 * bits_of(longest + 1) + 8)
    parts.queue(config.i_beat.bits + 1, max(3, longest + 1))

    parts.measure(1, total // 2)
    parts.merge(total)
    parts.register(total + half_bits)
    parts.shift(1, total, MANTISSA.width, half_bits)
    parts.register(MANTISSA.width + 4 * half_bits)
    lookup(parts, ROOTS, 1)
    parts.register(ROOT.width)

    product = parts.multiply(lanes, x, ROOT)
    parts.register(half_bits, 2 * lanes * config.weight.width)
    parts.shift(lanes, product + 1, product + 5, half_bits)
    parts.register(lanes * config.aligned.width)
    parts.add(lanes, config.aligned.width)
    parts.saturate(lanes, config.aligned.width, config.direction.width)
    parts.multiply(lanes, config.direction, config.weight)
    parts.saturate(lanes, config.scaled.width - config.shift + 1, config.o.width)
    parts.register(config.o_beat.bits)
    return parts


@cache
def argmax(config: ArgmaxConfig) -> Inventory:
    parts, width, index = Inventory("argmax"), config.i.width, config.index.width
    left, lane, beat = config.lanes, 0, bits_of(config.beats)
    filled = config.count - (config.beats - 1) * config.lanes
    parts.choose((config.lanes - filled) * width)
    while left > 1:
        left, lane = left // 2, lane + 1
        parts.compare(left, width)
        parts.choose(left * (width + lane))
        if lane % 2 == 0 or left == 1:
            parts.register(left * (width + lane), beat)
    parts.compare(1, width)
    parts.choose(width + index)
    parts.register(width + 2 * index)
    parts.control(beat)
    return parts


@cache
def hadamard(config: HadamardConfig) -> Inventory:
    parts, lanes, width = Inventory("hadamard"), config.lanes, config.i.width
    row = config.points // lanes
    if config.base > 1:
        parts.hold(row, lanes * width, count=config.base)
        parts.control(2 * bits_of(config.base) + 2 * bits_of(row) + 1)
        parts.choose(config.base, config.base // 4)
        left = config.base
        while left > 1:
            for _ in range(2):
                width += left > 1
                parts.add(lanes * (left // 2), width)
                left -= left // 2
            parts.register(lanes * left * width, left)
    apart = row // 2
    while apart:
        width += 1
        _fold_beats(parts, lanes, width, apart)
        apart //= 2
    apart = lanes // 2
    while apart:
        width += 1
        parts.add(lanes, width)
        parts.register(lanes * width)
        apart //= 2
    parts.saturate(lanes, width - config.shift + 1, config.o.width)
    parts.register(config.o_beat.bits)
    return parts


def _fold_beats(parts: Inventory, lanes: int, width: int, apart: int) -> None:
    """Butterflies between beats, whose sums have `width` bits."""
    parts.control(2 * bits_of(2 * apart) + 2)
    parts.add(2 * lanes, width)
    parts.choose(lanes * width)
    parts.register(lanes * width)
    if apart == 1:
        parts.register(lanes * width)
    else:
        parts.hold(apart, lanes * width)
        parts.register(lanes * (width - 1), bits_of(apart))
        parts.add(1, bits_of(apart))
