"""Vectors of 16 lanes inside compiled functions: generic LLVM vectors, for every processor.

    value = widen(load(codes, at)) * splat(scale) + other

The operators `+ - * & | ^ << >>` work lane by lane on two vectors of one type, i32, i64 or f64.
Integers wrap, `>>` keeps the sign; a shift must be less than the bits of a lane.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 16


class Lanes(types.Type):
    """Numba's type of a vector of `LANES` numbers of the type `element`."""

    def __init__(self, element: types.Number) -> None:
        self.element = element
        super().__init__(name=f"Lanes({element})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        super().__init__(dmm, fe_type, llvm(fe_type))


I32, I64, F64 = Lanes(types.int32), Lanes(types.int64), Lanes(types.float64)


def llvm(lanes: Lanes) -> ir.VectorType:
    """LLVM's type of `lanes`."""
    element = {I32: ir.IntType(32), I64: ir.IntType(64), F64: ir.DoubleType()}[lanes]
    return ir.VectorType(element, LANES)


def shuffled(builder: Any, values: Any, order: Sequence[int]) -> Any:
    """A vector with the elements of `values` at the places in `order`."""
    places = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), list(order))
    return builder.shuffle_vector(values, ir.Constant(values.type, ir.Undefined), places)


@intrinsic
def splat(typing_context, value):  # type: ignore[no-untyped-def]
    """The same number, int32, int64 or float64, in every lane."""
    lanes = Lanes(value)

    def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
        none = ir.Constant(llvm(lanes), ir.Undefined)
        first = builder.insert_element(none, args[0], ir.Constant(ir.IntType(32), 0))
        return shuffled(builder, first, [0] * LANES)

    return lanes(value), build


def _constant(lanes: Lanes, value: int) -> ir.Constant:
    return ir.Constant(llvm(lanes), [value] * LANES)


def _unary(source: Lanes, target: Lanes, emit: Callable[[Any, Any], Any]) -> Any:
    """An intrinsic from one vector to another."""

    @intrinsic
    def operation(typing_context, values):  # type: ignore[no-untyped-def]
        def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return emit(builder, args[0])

        return (target(source), build) if values == source else None

    return operation


def _bit_length(builder: Any, values: Any) -> Any:
    kind = ir.FunctionType(llvm(I32), [llvm(I32), ir.IntType(1)])
    count = cgutils.get_or_insert_function(builder.module, kind, f"llvm.ctlz.v{LANES}i32")
    zeros = builder.call(count, [values, ir.Constant(ir.IntType(1), 0)])
    return builder.sub(_constant(I32, 32), zeros)


def _power_of_two(builder: Any, exponents: Any) -> Any:
    biased = builder.add(exponents, _constant(I32, 1023))
    bits = builder.shl(builder.zext(biased, llvm(I64)), _constant(I64, 52))
    return builder.bitcast(bits, llvm(F64))


def _low_words(builder: Any, values: Any) -> Any:
    words = builder.bitcast(values, ir.VectorType(ir.IntType(32), 2 * LANES))
    return shuffled(builder, words, range(0, 2 * LANES, 2))


def _swapped(distance: int) -> Any:
    order = [lane ^ distance for lane in range(LANES)]
    return _unary(I32, I32, lambda builder, values: shuffled(builder, values, order))


widen = _unary(I32, I64, lambda builder, values: builder.sext(values, llvm(I64)))
real = _unary(I32, F64, lambda builder, values: builder.sitofp(values, llvm(F64)))
bit_length = _unary(I32, I32, _bit_length)
"""Bits of numbers that are not negative."""
power_of_two = _unary(I32, F64, _power_of_two)
"""`2**e` for exponents in -1022..1023."""
low_words = _unary(F64, I32, _low_words)
"""The low 32 bits of each number's representation."""
swap_1, swap_2, swap_4, swap_8 = (_swapped(distance) for distance in (1, 2, 4, 8))
"""Neighbours at that distance: lane `k` becomes that of lane `k ^ distance`."""


def _binary(emit: Callable[[Any, Lanes, Any, Any], Any]) -> Any:
    """An intrinsic of two vectors of one type."""

    @intrinsic
    def operation(typing_context, a, b):  # type: ignore[no-untyped-def]
        def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return emit(builder, a, *args)

        return (a(a, b), build) if isinstance(a, Lanes) and a == b else None

    return operation


def _extreme(sign: str) -> Any:
    def emit(builder: Any, lanes: Lanes, a: Any, b: Any) -> Any:
        compare = builder.fcmp_ordered if lanes == F64 else builder.icmp_signed
        return builder.select(compare(sign, a, b), a, b)

    return _binary(emit)


least, most = _extreme("<"), _extreme(">")
"""The smaller, and the larger, of two numbers."""


@intrinsic
def any_above(typing_context, a, b):  # type: ignore[no-untyped-def]
    """Whether a lane of `a` is above that of `b`, both i32."""

    def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
        above = builder.bitcast(builder.icmp_signed(">", *args), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", above, ir.Constant(above.type, 0))

    return types.boolean(I32, I32), build


def _overload(symbol: Callable[..., Any], integer: str, floating: str = "") -> None:
    def emit(builder: Any, lanes: Lanes, a: Any, b: Any) -> Any:
        if lanes == F64:  # contract: a product and its sum may be rounded once
            return getattr(builder, floating)(a, b, flags=("contract",))
        return getattr(builder, integer)(a, b)

    operation = _binary(emit)

    @overload(symbol)
    def _(a, b):  # type: ignore[no-untyped-def]
        if isinstance(a, Lanes) and a == b:
            return lambda a, b: operation(a, b)
        return None


_overload(operator.add, "add", "fadd")
_overload(operator.sub, "sub", "fsub")
_overload(operator.mul, "mul", "fmul")
_overload(operator.and_, "and_")
_overload(operator.or_, "or_")
_overload(operator.xor, "xor")
_overload(operator.lshift, "shl")
_overload(operator.rshift, "ashr")
