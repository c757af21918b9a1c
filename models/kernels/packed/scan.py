"""The scan with its state in bytes: `models.units.scan`, with equal codes.

    state = start(config)
    y = scan(decay, drive, drive_exponents, skip, b, c, state, config)

Lanes are head channels, so that neither the exponent of a group of states nor y needs a sum or a
maximum over lanes. Updates are float64, which hold them exactly: `require_exact` says when.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.compiled import compiled
from models.errors import InputError
from models.formats import Codes
from models.kernels.checks import require, require_block
from models.kernels.packed.lanes import (
    LANES,
    any_above,
    bit_length,
    least,
    low_words,
    most,
    power_of_two,
    real,
    splat,
    widen,
)
from models.kernels.packed.memory import OFFSET, load, load_offset, prefetch, store
from models.kernels.packed.rounding import clamped, rounded
from models.units.scan import ScanConfig

EXACT = 53
"""Bits of a float64."""

NEAREST = 1.5 * 2.0**52
"""Added to a small number, it leaves the nearest integer in the low bits."""

WIDE = 2.0**30
"""Drives times B above this are clamped before they are integers of 32 bits."""


@dataclass(frozen=True, eq=False)
class ScanState:
    """The state of one sequence; a tile is 16 channels of a head, the last one of them filled up.

    codes      int8 (heads * tiles * state * 16,)          for each tile and state, 16 channels
    exponents  int8 (heads * tiles * state / group * 16,)
    """

    codes: NDArray[np.int8]
    exponents: NDArray[np.int8]


def tiles(config: ScanConfig) -> int:
    """Tiles of a head."""
    return -(-config.head_dim // LANES)


def start(config: ScanConfig) -> ScanState:
    """The state before the first token."""
    count = config.heads * tiles(config) * config.state * LANES
    return ScanState(np.zeros(count, np.int8), np.zeros(count // config.h.group, np.int8))


def unpacked(state: ScanState, config: ScanConfig) -> tuple[Codes, Codes]:
    """Codes (heads, head_dim, state) and exponents (.., state / group), as the unit has them."""
    by_state = [
        packed.reshape(config.heads, tiles(config), -1, LANES).swapaxes(2, 3)
        for packed in (state.codes, state.exponents)
    ]
    codes, exponents = (
        part.reshape(config.heads, tiles(config) * LANES, -1)[:, : config.head_dim].astype(np.int64)
        for part in by_state
    )
    return codes, exponents


def require_exact(config: ScanConfig) -> None:
    """Refuse formats whose updates or codes would not be exact, by InputError.

    An update is a multiple of the state's unit times `2**-update_shift`, and half of that is added;
    what passes `EXACT` bits is rounded, but then it saturates too.
    """
    h, b, c = config.h, config.b, config.c
    bits = max(h.bits, config.drive.drive.bits, b.bits, c.bits)
    if bits > 8:
        rule = f"must have at most 8 bits, not {bits}"
        raise InputError("packed scan codes of h, drive, b and c", rule, "use fewer bits")
    if not h.group == b.group == c.group <= 1 << 16:
        rule = f"must share one group of at most {1 << 16}, not {h.group}, {b.group} and {c.group}"
        raise InputError("packed scan h, b and c", rule, "choose one group for the three")
    for name, format in (("state", h.source), ("o", config.o)):
        if format.width > 31:
            rule = f"must have at most 31 bits, not {format.width}"
            raise InputError(f"packed scan {name}", rule, "use a narrower format")
    bits = h.source.width + config.update_shift + 1
    if bits > EXACT:
        rule = f"must fit {EXACT} bits, not {bits}"
        raise InputError("packed scan updates", rule, "narrow the state, the decay, delta or B")


def _offset(config: ScanConfig) -> float:
    """OFFSET when its product with a decay, times two to an exponent, is exact too; otherwise 0."""
    bits = int(OFFSET).bit_length() + config.h.max_exponent + config.update_shift + 1
    return OFFSET if bits <= EXACT else 0.0


def scan(
    decay: ArrayLike,
    drive: ArrayLike,
    drive_exponents: ArrayLike,
    skip: ArrayLike,
    b: tuple[ArrayLike, ArrayLike],
    c: tuple[ArrayLike, ArrayLike],
    state: ScanState,
    config: ScanConfig,
) -> Codes:
    """`models.units.scan.scan` of one token, which replaces the `state`; y (heads * head_dim,)."""
    require_exact(config)
    decay, skip = require(config.drive.decay, decay, "decay"), require(config.o, skip, "skip")
    drive, drive_exponents = require_block(config.drive.drive, drive, drive_exponents, "drive")
    b, c = require_block(config.b, *b, "b"), require_block(config.c, *c, "c")
    lengths = {"decay": (decay, config.heads), "drive": (drive, config.heads * config.head_dim)}
    lengths |= {"skip": (skip, config.heads * config.head_dim)}
    lengths |= {"b": (b[0], config.groups * config.state)}
    lengths |= {"c": (c[0], config.groups * config.state)}
    for name, (codes, length) in lengths.items():
        if codes.shape != (length,):
            raise ValueError(f"{name} must have shape ({length},), not {codes.shape}")
    driven = config.drive.drive.expand(drive, drive_exponents).astype(np.float64)
    padding = (0, LANES)
    y = np.pad(skip, padding).astype(np.int32)
    _scan_heads(
        decay.astype(np.float64), np.pad(driven, padding), y,
        config.b.expand(*b).astype(np.float64), c[0].astype(np.int32), c[1].astype(np.int32),
        state.codes, state.exponents,
        config.head_dim, config.heads // config.groups, config.state, *scan_arguments(config),
    )  # fmt: skip
    return y[: skip.size].astype(np.int64)


def scan_arguments(config: ScanConfig) -> tuple[Any, ...]:
    """What `scan_tile` takes last."""
    shift = config.update_shift
    return (
        config.h.group, config.h.bits,
        2.0 ** (config.kept_align - shift), 2.0 ** (config.added_align - shift),
        2.0 ** -(shift + 1) if shift else 0.0, _offset(config),
        config.h.source.min_code, config.h.source.max_code,
        config.total_shift, config.o.min_code, config.o.max_code,
    )  # fmt: skip


@compiled()
def _scan_heads(  # type: ignore[no-untyped-def]
    decay, driven, y, b, c, c_exponents, h, h_exponents, head_dim, per_group, state,
    group, bits, kept_unit, added_unit, tie, offset, h_low, h_high, total_shift, low, high,
):  # fmt: skip
    tiles = -(-head_dim // LANES)
    update = np.empty(group * LANES, np.int32)
    largest = np.abs(driven).max() * np.abs(b).max()
    out = np.empty(tiles * LANES, np.int32)
    for head in range(decay.size):
        first = head // per_group * state
        some = slice(first, first + state)
        grouped = slice(first // group, (first + state) // group)
        for tile in range(tiles):
            at = head * head_dim + tile * LANES
            scan_tile(
                decay[head], driven[at:], y[at:], b[some], largest, c[some], c_exponents[grouped],
                h, h_exponents, head * tiles + tile, update, out[tile * LANES :], h, 0, 0,
                group, bits, kept_unit, added_unit, tie, offset, h_low, h_high,
                total_shift, low, high,
            )  # fmt: skip
        y[head * head_dim : (head + 1) * head_dim] = out[:head_dim]


@compiled()
def scan_tile(  # type: ignore[no-untyped-def]
    decay, driven, skip, b, largest, c, c_exponents, h, h_exponents, tile, update, y,
    ahead, line, lines,
    group, bits, kept_unit, added_unit, tie, offset, h_low, h_high, total_shift, low, high,
):  # fmt: skip
    """Fill `y`, which may be `skip`, for 16 channels of a head, and update their state.

    driven   float64 (16,)     drives, times two to their exponents
    b        float64 (state,)  likewise
    largest  float64           bound on the magnitude of `driven * b`
    update   int32 (group * 16,), what the states of a group become, for use in here
    ahead    int32             `lines` cache lines from `line` will be read next
    """
    groups, zero, one = b.size // group, splat(np.int32(0)), splat(np.int32(1))
    code_bits, code_high = splat(np.int32(bits - 1)), splat(np.int32((1 << bits - 1) - 1))
    kept, drive = splat(decay * kept_unit), load(driven, 0) * splat(added_unit)
    wide = largest * added_unit >= WIDE
    total = splat(np.int64(0))
    for g in range(groups):
        for some in range(line + lines * g // groups, line + lines * (g + 1) // groups):
            prefetch(ahead, some * LANES)
        place = (tile * groups + g) * LANES
        keep = kept * power_of_two(load(h_exponents, place))
        base = splat(tie) - splat(offset) * keep
        smallest, highest = zero, zero
        for s in range(group):
            if offset > 0:
                code = load_offset(h, place * group + s * LANES)
            else:
                code = real(load(h, place * group + s * LANES))
            value = code * keep + base
            value = value + drive * splat(b[g * group + s])
            if wide:
                value = most(value, splat(np.float64(h_low)))
                value = least(value, splat(np.float64(h_high)))
            after = low_words(value + splat(NEAREST))
            smallest, highest = least(smallest, after), most(highest, after)
            store(update, s * LANES, after)
        widest = most(highest, splat(np.int32(-1)) - smallest)
        if any_above(widest, splat(np.int32(h_high))):
            for s in range(group):
                after = most(load(update, s * LANES), splat(np.int32(h_low)))
                store(update, s * LANES, least(after, splat(np.int32(h_high))))
            widest = least(widest, splat(np.int32(h_high)))
        exponent = most(bit_length(widest) - code_bits, zero)
        half = (one << exponent) >> one
        read = zero
        for s in range(group):
            narrow = least((load(update, s * LANES) + half) >> exponent, code_high)
            store(h, place * group + s * LANES, narrow)
            read = read + narrow * splat(c[g * group + s])
        store(h_exponents, place, exponent)
        total = total + (widen(read) << widen(exponent + splat(c_exponents[g])))
    result = rounded(total, total_shift) + widen(load(skip, 0))
    store(y, 0, clamped(result, low, high))
