"""Between contiguous arrays and vectors of 16 lanes; nothing checks that an array reaches."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from models.kernels.packed.lanes import F64, I32, I64, LANES, llvm, shuffled

OFFSET = 4096.0 + 128
"""What `load_offset` adds."""


def _elements(context: Any, builder: Any, signature: Any, args: Any, count: int) -> tuple[Any, Any]:
    """Address and LLVM type of `count` elements of the array `args[0]` from `args[1]`."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    elements = ir.VectorType(context.get_data_type(signature.args[0].dtype), count)
    return builder.bitcast(builder.gep(array.data, [args[1]]), elements.as_pointer()), elements


def _bytes(array: types.Array) -> int:
    """The alignment of an array's elements."""
    return array.dtype.bitwidth // 8


@intrinsic
def load(typing_context, array, at):  # type: ignore[no-untyped-def]
    """Elements `at .. at + 15`: int64 and float64 as they are, shorter integers as i32."""
    lanes = {types.int64: I64, types.float64: F64}.get(array.dtype, I32)

    def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer, elements = _elements(context, builder, signature, args, LANES)
        values = builder.load(pointer, align=_bytes(array))
        if elements == llvm(lanes):
            return values
        extend = builder.sext if array.dtype.signed else builder.zext
        return extend(values, llvm(lanes))

    return lanes(array, types.intp), build


@intrinsic
def store(typing_context, array, at, values):  # type: ignore[no-untyped-def]
    """Put lanes into elements `at .. at + 15`, without the high bits for which they are short."""

    def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer, elements = _elements(context, builder, signature, args, LANES)
        stored = args[2] if elements == llvm(values) else builder.trunc(args[2], elements)
        builder.store(stored, pointer, align=_bytes(array))
        return context.get_dummy_value()

    return types.void(array, types.intp, values), build


@intrinsic
def load_pair(typing_context, array, at):  # type: ignore[no-untyped-def]
    """Elements `at` and `at + 1` of signed integers of at most 32 bits, in 8 lanes each: i32."""

    def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer, _ = _elements(context, builder, signature, args, 2)
        pair = builder.load(pointer, align=_bytes(array))
        spread = shuffled(builder, pair, [lane // 8 for lane in range(LANES)])
        return builder.sext(spread, llvm(I32))

    return I32(array, types.intp), build


@intrinsic
def store_pair(typing_context, array, at, values):  # type: ignore[no-untyped-def]
    """Put lanes 0 and 8 of i32 lanes into elements `at` and `at + 1`, shorter integers."""

    def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer, pair = _elements(context, builder, signature, args, 2)
        both = builder.trunc(shuffled(builder, args[2], [0, 8]), pair)
        builder.store(both, pointer, align=_bytes(array))
        return context.get_dummy_value()

    return types.void(array, types.intp, I32), build


@intrinsic
def load_offset(typing_context, array, at):  # type: ignore[no-untyped-def]
    """Elements `at .. at + 15` of int8, plus OFFSET, as f64.

    Each byte, plus 128, is put into the representation of 4096 where it counts ones: cheaper than
    a conversion.
    """

    def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer, elements = _elements(context, builder, signature, args, LANES)
        codes = builder.xor(builder.load(pointer, align=1), ir.Constant(elements, [-128] * LANES))
        rest = ir.Constant(elements, [0, 0xB0 - 256, 0x40] + [0] * (LANES - 3))
        zero, *top = range(LANES, LANES + 3)
        order = [byte for lane in range(LANES) for byte in (*[zero] * 5, lane, *top)]
        places = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
        return builder.bitcast(builder.shuffle_vector(codes, rest, places), llvm(F64))

    return F64(array, types.intp), build


@intrinsic
def prefetch(typing_context, array, at):  # type: ignore[no-untyped-def]
    """Ask for the cache line of element `at`, which will be read soon; it need not exist."""

    def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer, _ = _elements(context, builder, signature, args, 1)
        pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, flag, flag, flag])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, second_level, data = (ir.Constant(flag, value) for value in (0, 2, 1))
        builder.call(ask, [pointer, read, second_level, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), build
