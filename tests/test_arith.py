"""Arithmetic: `models.arith` is exact, and `rtl.arith` is the same on wires."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from amaranth import Module, Shape, Signal, Value
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from models import arith
from models.formats import Fixed
from rtl import arith as wires
from tests.stimulus import codes

formats = st.builds(Fixed, st.integers(1, 40), st.just(0), st.booleans())
shapes = pytest.mark.parametrize("fmt", [Fixed(12), Fixed(1), Fixed(9, signed=False)], ids=str)


def evaluate(make, *operands):
    """Results and shape of the value `make(*signals)`; operands are (format, column of codes)."""
    signals = [Signal(wires.shape_of(fmt), name=f"x{at}") for at, (fmt, _) in enumerate(operands)]
    value = Value.cast(make(*signals))
    results = []

    async def testbench(ctx):
        for row in zip(*(column.tolist() for _, column in operands), strict=True):
            for signal, code in zip(signals, row, strict=True):
                ctx.set(signal, code)
            results.append(ctx.get(value))

    sim = Simulator(Module())
    sim.add_testbench(testbench)
    sim.run()
    return results, value.shape()


def fits(results, shape):
    fmt = Fixed(max(1, shape.width), signed=shape.signed)
    return all(fmt.min_code <= result <= fmt.max_code for result in results)


@given(st.integers(-(2**60), 2**60), st.integers(0, 60))
def test_round_shift_is_the_nearest_with_ties_up(code, shift):
    exact = floor(Fraction(code, 2**shift) + Fraction(1, 2))
    assert arith.round_shift(np.array([code]), shift).tolist() == [exact]
    assert arith.round_shift(np.array([code]), np.array([shift])).tolist() == [exact]


@given(st.integers(-(2**62), 2**62 - 1))
def test_bit_length_is_that_of_twos_complement(code):
    assert arith.bit_length(np.array([code])).tolist() == [max(code, ~code).bit_length()]


def test_by_group_keeps_the_order():
    groups = arith.by_group(np.arange(24).reshape(2, 12), 4)
    assert groups.shape == (2, 3, 4)
    assert groups[1, 2].tolist() == [20, 21, 22, 23]


@settings(max_examples=30)
@given(formats, st.integers(0, 20), st.integers(0, 2**32))
def test_round_shift_agrees(fmt, shift, seed):
    x = codes(fmt, 40, seed)
    got, _ = evaluate(lambda value: wires.round_shift(value, shift), (fmt, x))
    assert got == arith.round_shift(x, shift).tolist()


@settings(max_examples=30)
@given(formats, st.integers(1, 4), st.integers(0, 2**32))
def test_round_shift_by_a_value_agrees(fmt, bits, seed):
    x, shift_format = codes(fmt, 40, seed), Fixed(bits, signed=False)
    shifts = np.random.default_rng(seed).integers(0, 2**bits, 40)
    got, _ = evaluate(wires.round_shift, (fmt, x), (shift_format, shifts))
    assert got == arith.round_shift(x, shifts).tolist()


@settings(max_examples=50)
@given(formats, formats, st.integers(0, 2**32))
def test_saturate_agrees(source, target, seed):
    x = codes(source, 40, seed)
    got, shape = evaluate(lambda value: wires.saturate(value, target), (source, x))
    assert got == target.saturate(x).tolist()
    assert shape.width <= target.width
    assert fits(got, shape)


@settings(max_examples=50)
@given(formats, formats, st.integers(0, 2**32))
def test_bounded_keeps_what_the_target_holds(source, target, seed):
    x = codes(source, 60, seed)
    x = x[(x >= target.min_code) & (x <= target.max_code)]
    got, _ = evaluate(lambda value: wires.bounded(value, target), (source, x))
    assert got == x.tolist()


@settings(max_examples=30)
@given(formats, st.integers(0, 2**32))
def test_bit_length_of_a_magnitude_agrees(fmt, seed):
    x = codes(fmt, 40, seed)
    got, _ = evaluate(lambda value: wires.bit_length(wires.magnitude(value)), (fmt, x))
    assert got == arith.bit_length(x).tolist()


@settings(max_examples=20)
@given(st.integers(1, 9), formats, st.integers(0, 2**32))
def test_total_agrees(count, fmt, seed):
    columns = codes(fmt, (count, 20), seed)
    got, shape = evaluate(lambda *terms: wires.total(terms), *((fmt, column) for column in columns))
    assert got == columns.sum(axis=0).tolist()
    assert shape.width <= fmt.width + count


@shapes
def test_the_shape_of_a_format_has_its_range(fmt):
    shape = wires.shape_of(fmt)
    lowest, highest = (-(1 << shape.width - 1) if shape.signed else 0), fmt.max_code
    assert (shape.width, shape.signed, lowest) == (fmt.width, fmt.signed, fmt.min_code)
    assert Shape.cast(range(lowest, highest + 1)) == shape


@settings(max_examples=100)
@given(formats, formats)
def test_lossless_refuses_exactly_what_could_lose(target, source):
    to = Signal(wires.shape_of(target), name="y")
    of = Signal(wires.shape_of(source), name="x")
    holds = target.min_code <= source.min_code and source.max_code <= target.max_code
    if holds:
        wires.lossless(to, of)
    else:
        with pytest.raises(ValueError, match="which cannot hold every value of"):
            wires.lossless(to, of)


def test_lossless_names_both_shapes_and_the_way_out():
    y, x = Signal(Shape(8, signed=True), name="y"), Signal(Shape(8, signed=False), name="x")
    message = (
        r"^\(sig y\) is signed\(8\), which cannot hold every value of unsigned\(8\); "
        r"widen it, or narrow the value with saturate\(\), bounded\(\) or an explicit slice$"
    )
    with pytest.raises(ValueError, match=message):
        wires.lossless(y, x)
