"""Tiles of matrices in vector registers: products of matrices, and their transposes.

LLVM does not keep an array of sums in registers, so that the innermost loops are written in its
vector types; the arrays are numba's. Nothing is checked.
"""

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from models.compiled import compiled

LANES, ROWS = (16, 12) if binding.get_host_cpu_features().get("avx512f") else (8, 6)
"""Numbers in a vector, and rows of a tile: two vectors a row fill two thirds of the registers."""
COLUMNS = 2 * LANES
"""Columns of a tile."""
VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _tile(rows: int) -> Any:
    """A function `(out, a, b, keep)` that adds a (rows, k) times b (k, COLUMNS) to out.

    out's and b's last axes are contiguous; what out held counts unless `keep` is 0.
    """

    @intrinsic
    def tile(context, out, a, b, keep):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            out, a, b = _arrays(context, builder, signature.args[:3], arguments)
            _accumulate(builder, rows, out, a, b, arguments[3])
            return context.get_dummy_value()

        return types.void(out, a, b, types.intp), generate

    return tile


def _accumulate(builder, rows, out, a, b, keep):  # type: ignore[no-untyped-def]
    """The code of a tile; LLVM makes registers of the variables that hold the sums."""
    size = ir.IntType(64)
    zero = ir.Constant(VECTOR, [0.0] * LANES)
    places = [(row, part) for row in range(rows) for part in range(2)]

    def vectors(array, row):  # type: ignore[no-untyped-def]
        return [_address(builder, array, row, size(part * LANES), VECTOR) for part in range(2)]

    targets = {(row, part): vectors(out, size(row))[part] for row, part in places}
    kept = builder.icmp_signed("!=", keep, size(0))
    sums = {}
    for place in places:
        old = builder.load(targets[place], align=4)
        sums[place] = cgutils.alloca_once_value(builder, builder.select(kept, old, zero))

    with cgutils.for_range(builder, cgutils.unpack_tuple(builder, a.shape, 2)[1]) as loop:
        weights = [builder.load(place, align=4) for place in vectors(b, loop.index)]
        for row in range(rows):
            scalar = builder.load(_address(builder, a, size(row), loop.index, ir.FloatType()))
            factor = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, size(0))
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
            factor = builder.shuffle_vector(factor, factor, everywhere)
            for part in range(2):
                product = builder.fmul(factor, weights[part], flags=("contract",))
                total = builder.fadd(builder.load(sums[row, part]), product, flags=("contract",))
                builder.store(total, sums[row, part])
    for place in places:
        builder.store(builder.load(sums[place]), targets[place], align=4)


_tile_rows = _tile(ROWS)
_tile_third = _tile(ROWS // 3)
_tile_one = _tile(1)


@compiled()
def add_product(out, a, b, keep):  # type: ignore[no-untyped-def]
    """a (n, k) times b (k, COLUMNS) to out (n, COLUMNS), see `_tile`."""
    rows = len(out)
    row, third = 0, ROWS // 3
    while row + ROWS <= rows:
        _tile_rows(out[row : row + ROWS], a[row : row + ROWS], b, keep)
        row += ROWS
    while row + third <= rows:
        _tile_third(out[row : row + third], a[row : row + third], b, keep)
        row += third
    while row < rows:
        _tile_one(out[row : row + 1], a[row : row + 1], b, keep)
        row += 1


@intrinsic
def _turn_square(context, out, weight):  # type: ignore[no-untyped-def]
    """The transpose of the first LANES rows and columns of weight to those of out."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        out, weight = _arrays(context, builder, signature.args, arguments)
        size, half = ir.IntType(64), LANES // 2

        def place(array, row):  # type: ignore[no-untyped-def]
            return _address(builder, array, size(row), size(0), VECTOR)

        rows = [builder.load(place(weight, row), align=4) for row in range(LANES)]
        # Each round turns the bits of (row, column), one number, around by one.
        low, high = (
            ir.Constant(
                ir.VectorType(ir.IntType(32), LANES),
                [first + k // 2 + k % 2 * LANES for k in range(LANES)],
            )
            for first in (0, half)
        )
        for _ in range(half.bit_length()):
            pairs = zip(rows[:half], rows[half:], strict=True)
            rows = [builder.shuffle_vector(a, b, mask) for a, b in pairs for mask in (low, high)]
        for row in range(LANES):
            builder.store(rows[row], place(out, row), align=4)
        return context.get_dummy_value()

    return types.void(out, weight), generate


def _arrays(context, builder, kinds, values):  # type: ignore[no-untyped-def]
    """The parts of numba's arrays: data, shape, strides."""
    return [
        context.make_array(kind)(context, builder, value)
        for kind, value in zip(kinds, values, strict=False)
    ]


def _address(builder, array, row, column, kind):  # type: ignore[no-untyped-def]
    strides = cgutils.unpack_tuple(builder, array.strides, 2)
    offset = builder.add(builder.mul(row, strides[0]), builder.mul(column, strides[1]))
    return cgutils.pointer_add(builder, array.data, offset, kind.as_pointer())


@compiled()
def turn(weight):  # type: ignore[no-untyped-def]
    """The transpose of weight (n, k) for n <= COLUMNS, with zeros up to (k, COLUMNS).

    weight's last axis is contiguous.
    """
    rows, columns = weight.shape
    out = np.empty((columns, COLUMNS), np.float32)
    whole = columns // LANES * LANES if rows == COLUMNS else 0
    for k in range(0, whole, LANES):
        for row in range(0, rows, LANES):
            _turn_square(out[k : k + LANES, row:], weight[row : row + LANES, k:])
    for k in range(whole, columns):
        for row in range(COLUMNS):
            out[k, row] = weight[row, k] if row < rows else np.float32(0)
    return out
