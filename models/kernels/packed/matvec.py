"""Matrix-vector products at the speed of memory: `models.units.matvec`, with equal codes.

    packed = pack(matrix.weights, matrix.scales, matrix.bias, config)
    y = matvec(codes, exponents, packed, config)

Weights are stored with an offset, as unsigned bytes or nibbles. A tile has 16 rows side by side in
the lanes, so that the exponent of 8 columns is one shift for all of them. Sums of a weight group
are 32 bits long when the vector shows that they fit, otherwise 64.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import ArrayLike, NDArray

from models.compiled import compiled
from models.errors import InputError
from models.formats import Codes
from models.kernels.checks import require, require_block
from models.kernels.matvec import KINDS, stored
from models.kernels.packed.blocks import BLOCK
from models.kernels.packed.dot import dot
from models.kernels.packed.lanes import LANES, splat, widen
from models.kernels.packed.memory import load, store
from models.kernels.packed.rounding import clamped, rounded
from models.units.matvec import MatvecConfig, require_matrix

HALF = 4
"""Columns that one word of a row holds as bytes."""

POT, POT2 = KINDS["pot"], KINDS["pot2"]
NIBBLES = np.int32(0x0F0F0F0F)


@dataclass(frozen=True, eq=False)
class Packed:
    """A matrix in tiles, its last rows filled up.

    words   int32, a vector  for each tile and 8 columns, 16 words of bytes of the first 4 columns
                             and 16 of the others; or 16 with these as low and those as high nibbles
    scales  uint8, a vector  for each tile and weight group, 16 encoded scales
    bias    int64 (tiles * 16,)
    """

    words: NDArray[np.int32]
    scales: NDArray[np.uint8]
    bias: Codes
    rows: int
    columns: int


def require_packable(config: MatvecConfig) -> None:
    """Refuse formats for which there are no packed products, by InputError."""
    if config.x.bits > 8 or config.weight.width > 8:
        rule = f"must have at most 8 bits, not {config.x.bits} and {config.weight.width}"
        raise InputError("packed matvec codes and weights", rule, "use fewer bits")
    for name, group in (("x.group", config.x.group), ("group", config.group)):
        if group % BLOCK:
            rule = f"must be a multiple of {BLOCK}, not {group}"
            raise InputError(f"packed matvec {name}", rule, f"choose a multiple of {BLOCK}")


def pack(
    weights: ArrayLike, scales: ArrayLike, bias: ArrayLike | None, config: MatvecConfig
) -> Packed:
    """A matrix as `matvec` takes it; arguments as of `models.units.matvec.matvec`.

    Raises ValueError for formats and shapes that do not fit, OverflowError for codes beyond them.
    """
    require_packable(config)
    weights = stored(config.weight, weights, "weights")
    scales = stored(config.scale.code, scales, "scales")
    columns = weights.shape[-1]
    require_matrix(weights, scales, bias, columns, config)
    rows = len(weights)
    offsets = np.zeros(rows, np.int64) if bias is None else require(config.o, bias, "bias")
    raised = weights.astype(np.uint8) + np.uint8(1 << config.weight.width - 1)
    halves = _filled(raised).reshape(-1, LANES, columns // BLOCK, 2, HALF)
    if config.weight.width <= HALF:
        halves = halves[..., :1, :] | halves[..., 1:, :] << 4
    by_group = _filled(scales.astype(np.uint8)).reshape(-1, LANES, scales.shape[1])
    return Packed(
        words=np.ascontiguousarray(halves.transpose(0, 2, 3, 1, 4)).reshape(-1).view(np.int32),
        scales=np.ascontiguousarray(by_group.swapaxes(1, 2)).reshape(-1),
        bias=_filled(offsets),
        rows=rows,
        columns=columns,
    )


def _filled(rows: np.ndarray) -> np.ndarray:
    """`rows` (rows, ...) with zeros up to whole tiles."""
    missing = -len(rows) % LANES
    return np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])


def matvec(codes: ArrayLike, exponents: ArrayLike, packed: Packed, config: MatvecConfig) -> Codes:
    """`models.units.matvec.matvec` of one vector; `config` must be that of `packed`.

    codes      int (columns,)            codes of `config.x`
    exponents  int (columns / x.group,)  their exponents
    return     int (rows,)               codes of `config.o`
    """
    codes, exponents = require_block(config.x, codes, exponents, "codes")
    if codes.shape != (packed.columns,):
        raise ValueError(f"codes must have shape ({packed.columns},), not {codes.shape}")
    out = np.empty(len(packed.bias), np.int64)
    matvec_codes(
        codes.astype(np.int8), np.repeat(exponents, config.x.group // BLOCK).astype(np.int8),
        packed.words, packed.scales, packed.bias, out, *matvec_arguments(config),
    )  # fmt: skip
    return out[: packed.rows]


def matvec_arguments(config: MatvecConfig) -> tuple[Any, ...]:
    """What `matvec_codes` takes after the arrays."""
    return (
        config.group // BLOCK, config.weight.width, KINDS[config.scale.kind],
        config.shift, config.o.min_code, config.o.max_code,
    )  # fmt: skip


@compiled(parallel=True)
def matvec_codes(  # type: ignore[no-untyped-def]
    codes, exponents, words, scales, bias, out, group, bits, kind, shift, low, high
):  # fmt: skip
    """Fill `out`, of any integers that hold its codes, for whole tiles."""
    groups = -(-exponents.size // group)
    offsets, wide = np.empty(groups, np.int64), np.empty(groups, np.bool_)
    for at in range(groups):
        offsets[at], wide[at] = _offset(codes, exponents, at, group, bits)
    x = codes.view(np.int32)
    for tile in prange(out.size // LANES):
        total = _row_sums(x, exponents, offsets, wide, words, scales, tile, group, bits, kind)
        total = rounded(total, shift) + load(bias, tile * LANES)
        store(out, tile * LANES, clamped(total, low, high))


@compiled()
def _offset(codes, exponents, at, group, bits):  # type: ignore[no-untyped-def]
    """What the weights' offset adds to the sum over weight group `at`, and whether that sum, with
    any weights, may need more than 32 bits."""
    total, magnitude = 0, 0
    for block in range(at * group, min((at + 1) * group, exponents.size)):
        some, magnitudes = 0, 0
        for k in range(block * BLOCK, (block + 1) * BLOCK):
            some += codes[k]
            magnitudes += abs(np.int64(codes[k]))
        total += some << exponents[block]
        magnitude += magnitudes << exponents[block]
    return total << bits - 1, magnitude << bits - 1 >= 1 << 31


@compiled()
def _row_sums(x, exponents, offsets, wide, words, scales, tile, group, bits, kind):  # type: ignore[no-untyped-def]
    """Sums of a tile's rows, i64 lanes."""
    total = splat(np.int64(0))
    for at in range(offsets.size):
        blocks = range(at * group, min((at + 1) * group, exponents.size))
        if wide[at]:
            partial = splat(-offsets[at])
            for block in blocks:
                some = _block_sums(x, words, tile * exponents.size + block, block, bits)
                partial = partial + (widen(some) << splat(np.int64(exponents[block])))
        else:
            short = splat(np.int32(-offsets[at]))
            for block in blocks:
                some = _block_sums(x, words, tile * exponents.size + block, block, bits)
                short = short + (some << splat(np.int32(exponents[block])))
            partial = widen(short)
        scale = _decoded(load(scales, (tile * offsets.size + at) * LANES), kind)
        total = total + partial * widen(scale)
    return total


@compiled()
def _block_sums(x, words, place, block, bits):  # type: ignore[no-untyped-def]
    """Sums over 8 columns of weights with their offset, which are in `words` at `place`."""
    zero = splat(np.int32(0))
    if bits > HALF:
        some = dot(zero, load(words, place * 2 * LANES), x[2 * block])
        return dot(some, load(words, (place * 2 + 1) * LANES), x[2 * block + 1])
    both, low_nibbles = load(words, place * LANES), splat(NIBBLES)
    some = dot(zero, both & low_nibbles, x[2 * block])
    return dot(some, both >> splat(np.int32(4)) & low_nibbles, x[2 * block + 1])


@compiled()
def _decoded(codes, kind):  # type: ignore[no-untyped-def]
    """`models.scales.Scale.decode` in lanes."""
    one, field = splat(np.int32(1)), splat(np.int32(15))
    shift, other = codes & field, codes >> splat(np.int32(4))
    if kind == POT:
        return one << shift
    if kind == POT2:
        return (one << shift) + (one << other)
    return (field + one + other) << shift
