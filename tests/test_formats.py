"""Formats: codes stay in range or are refused by name, and derived widths are the narrowest."""

from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.formats import WIDEST, Block, Fixed, Interval
from models.units.quantize import QuantizeConfig, quantize
from tests.stimulus import blocks, codes

fixeds = st.builds(Fixed, st.integers(1, WIDEST), st.integers(-8, 70), st.booleans())
small_intervals = st.builds(
    lambda ends, frac: Interval(min(ends), max(ends), frac),
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    st.integers(0, 3),
)


@given(fixeds)
def test_a_format_is_what_it_writes(fmt):
    assert Fixed.parse(str(fmt)) == fmt


@given(fixeds)
def test_range_has_every_code_of_the_width(fmt):
    assert fmt.max_code - fmt.min_code == 2**fmt.width - 1
    assert fmt.min_code == (-(2 ** (fmt.width - 1)) if fmt.signed else 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fixed.parse("s8"), r"^format must look like 's8f4' or 'u16f15', not 's8'$"),
        (lambda: Fixed.parse(8), r"^format must look like 's8f4' or 'u16f15', not 8$"),
        (lambda: Fixed(63), r"^format width must be an integer in 1\.\.62, not 63$"),
        (lambda: Fixed(0), r"^format width must be an integer in 1\.\.62, not 0$"),
        (lambda: Fixed(8.0), r"^format width must be an integer in 1\.\.62, not 8\.0$"),
        (lambda: Fixed(8, 0.5), r"^format fractional bits must be an integer, not 0\.5$"),
    ],
)
def test_refuses_what_is_no_format(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_a_format_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Fixed(8).width = 9


@given(fixeds, st.integers(0, 2**32))
def test_require_passes_every_code_of_the_format(fmt, seed):
    drawn = codes(fmt, (3, 5), seed)
    passed = fmt.require(drawn.tolist(), "x")
    assert passed.dtype == np.int64
    np.testing.assert_array_equal(passed, drawn)


@pytest.mark.parametrize(
    ("given_codes", "message"),
    [
        ([0, 256], r"^x\[1\] = 256 does not fit s9f2 \(-256\.\.255\)$"),
        ([[0, 0], [-257, 0]], r"^x\[1, 0\] = -257 does not fit s9f2 \(-256\.\.255\)$"),
        (np.uint64(2**63), r"^x\[\] = 9223372036854775808 does not fit s9f2 \(-256\.\.255\)$"),
        ([0.0], r"^x must hold integer codes, not float64$"),
        ([True], r"^x must hold integer codes, not bool$"),
    ],
)
def test_require_names_what_does_not_fit(given_codes, message):
    with pytest.raises((OverflowError, TypeError), match=message):
        Fixed(9, 2).require(given_codes, "x")


@given(fixeds, st.lists(st.integers(-(2**62), 2**62), min_size=1))
def test_saturate_is_the_nearest_code_in_range(fmt, wide):
    expected = [min(max(code, fmt.min_code), fmt.max_code) for code in wide]
    assert fmt.saturate(np.array(wide)).tolist() == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [(0.5, 1), (-0.5, 0), (1.5, 2), (-1.5, -1), (0.49, 0), (127.6, 127), (-1e9, -128)],
)
def test_nearest_rounds_ties_up_and_saturates(value, code):
    assert Fixed(8).nearest(value) == code


@given(fixeds.filter(lambda fmt: fmt.width <= 53), st.integers(0, 2**32))
def test_nearest_undoes_values(fmt, seed):
    drawn = codes(fmt, 20, seed)
    np.testing.assert_array_equal(fmt.nearest(fmt.values(drawn)), drawn)


@given(fixeds, st.integers(0, 2**32))
def test_bits_are_twos_complement(fmt, seed):
    drawn = codes(fmt, 20, seed)
    assert fmt.bits(drawn).tolist() == [code % 2**fmt.width for code in drawn.tolist()]


def members(interval):
    return [Fraction(code, 2**interval.frac) for code in range(interval.low, interval.high + 1)]


def ends(interval):
    return Fraction(interval.low, 2**interval.frac), Fraction(interval.high, 2**interval.frac)


def extremes(values):
    return min(values), max(values)


@given(small_intervals, small_intervals)
def test_interval_of_products_and_sums_is_exact(left, right):
    pairs = [(a, b) for a in members(left) for b in members(right)]
    assert ends(left.times(right)) == extremes([a * b for a, b in pairs])
    assert ends(left.plus(right)) == extremes([a + b for a, b in pairs])
    assert left.times(right).frac == left.frac + right.frac
    assert left.plus(right).frac == max(left.frac, right.frac)


@given(small_intervals, st.integers(1, 5))
def test_interval_of_a_total_holds_every_partial_sum(interval, count):
    low, high = ends(interval)
    sums = [end * terms for end in (low, high) for terms in range(count + 1)]
    assert ends(interval.total(count)) == extremes(sums)


@given(fixeds.filter(lambda fmt: fmt.signed))
def test_interval_of_a_format_needs_that_format(fmt):
    assert Interval.of(fmt).format("x", "narrow it") == fmt


@given(st.integers(-(2**61), 2**61 - 1), st.integers(-(2**61), 2**61 - 1))
def test_interval_format_is_the_narrowest(a, b):
    interval = Interval(min(a, b), max(a, b), 3)
    fmt = interval.format("x", "narrow it")
    assert fmt.min_code <= interval.low <= interval.high <= fmt.max_code
    if fmt.width > 1:
        below = Fixed(fmt.width - 1)
        assert interval.low < below.min_code or interval.high > below.max_code


def test_interval_refuses_what_passes_the_widest_format():
    with pytest.raises(ValueError, match=r"^sum of x must fit 62 bits, not 63; narrow x$"):
        Interval(0, 2**61, 0).format("sum of x", "narrow x")


def test_interval_of_a_block_reaches_its_expanded_codes():
    block = Block(4, 8, Fixed(24, 12))
    assert Interval.of(block) == Interval(-8 << 20, 7 << 20, 12)


@given(st.integers(2, 8), st.integers(8, 24), st.integers(0, 2**32))
def test_block_stands_for_its_source_within_half_a_step(bits, width, seed):
    block = Block(bits, 4, Fixed(width, 7))
    x = codes(block.source, (5, 8), seed)
    narrowed, exponents = quantize(x, QuantizeConfig(block))
    error = np.abs(block.expand(*block.require(narrowed, exponents, "x")) - x)
    step = 1 << np.repeat(exponents, block.group, axis=-1)
    # The top code is the one that rounding may not pass: there the error reaches a whole step.
    at_top = narrowed == block.code.max_code
    assert (2 * error <= step * (1 + at_top)).all()


@given(st.integers(2, 8), st.integers(8, 24), st.integers(0, 2**32))
def test_block_expands_into_its_source(bits, width, seed):
    block = Block(bits, 4, Fixed(width, 7))
    drawn = blocks(block, (3, 8), seed)
    expanded = block.source.require(block.expand(*drawn), "expanded")
    np.testing.assert_array_equal(block.values(*drawn), expanded / 2**7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Block(9, 8, Fixed(8, 4)),
            r"^block bits must be in 2\.\.8 to narrow s8f4, not 9$",
        ),
        (
            lambda: Block(1, 8, Fixed(8, 4)),
            r"^block bits must be in 2\.\.8 to narrow s8f4, not 1$",
        ),
        (lambda: Block(4, 6, Fixed(8)), r"^block group must be a power of two, not 6$"),
        (lambda: Block(4, 0, Fixed(8)), r"^block group must be a power of two, not 0$"),
    ],
)
def test_refuses_what_is_no_block(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("given_codes", "exponents", "message"),
    [
        ([0, 8], [0], r"^x\[1\] = 8 does not fit s4f2 \(-8\.\.7\)$"),
        ([0, 0], [-1], r"^x exponents\[0\] = -1 does not fit u3f0 \(0\.\.7\)$"),
        ([0, 0], [7], r"^x exponents must be at most 6, not 7$"),
        (
            [0, 0, 0],
            [0],
            r"^x must have 2 codes for each exponent, not shapes \(3,\) and \(1,\)$",
        ),
    ],
)
def test_block_names_what_does_not_fit(given_codes, exponents, message):
    with pytest.raises((OverflowError, ValueError), match=message):
        Block(4, 2, Fixed(10, 2)).require(given_codes, exponents, "x")


def test_block_is_written_with_its_source():
    assert str(Block(8, 32, Fixed(24, 12))) == "b8g32 of s24f12"
