"""Tables: how far from the function each one is, measured over every input code of its range."""

import re

import numpy as np
import pytest

from models import tables
from models.formats import Fixed
from models.precision import Precision
from models.tables import Table
from models.units.discretize import EXP2 as DECAY
from models.units.discretize import FRACTION
from models.units.norm import MANTISSA, ROOT, ROOTS

FORMATS = Precision()
SILU = tables.silu(FORMATS.stream, FORMATS.activated)
SOFTPLUS = tables.softplus(FORMATS.stream, FORMATS.delta)
EXP2 = tables.exp2_negative(FRACTION, DECAY)
TABLES = {"silu": SILU, "softplus": SOFTPLUS, "exp2_negative": EXP2, "rsqrt": ROOTS}

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def exact(table, codes):
    """The function in codes of the output, not rounded, saturated as the table is."""
    values = tables.FUNCTIONS[table.function](table.i.values(codes))
    return np.clip(values * 2.0**table.o.frac, table.o.min_code, table.o.max_code)


def all_codes(table):
    return np.arange(table.low, table.high)


# Softplus bends most at 0: a line over 1/8 is off by (1/8)**2 / 4 / 16, 64 codes of u22f18.
@pytest.mark.parametrize(
    ("name", "bound"),
    [("silu", 2.71), ("softplus", 64.38), ("exp2_negative", 2.77), ("rsqrt", 1.51)],
)
def test_largest_error_over_every_code(name, bound):
    table = TABLES[name]
    error = np.abs(table.lookup(all_codes(table)) - exact(table, all_codes(table))).max()
    print(f"{name}: {table.i} to {table.o}, {table.segments} segments, {error:.4f} ulp")
    assert bound - 0.01 < error <= bound
    assert table.max_error_ulp == error


def test_exp2_is_never_above_the_function_on_all_65536_codes():
    codes = np.arange(FRACTION.max_code + 1)
    assert codes.size == 65536
    np.testing.assert_array_equal(codes, all_codes(EXP2))
    assert (EXP2.lookup(codes) <= exact(EXP2, codes)).all()


def test_exp2_of_nothing_stays_below_1():
    assert EXP2.lookup(np.array([0]))[0] < 1 << DECAY.frac


def test_exp2_falls_everywhere():
    assert np.diff(EXP2.lookup(all_codes(EXP2))).max() <= 0


@pytest.mark.parametrize(
    ("name", "direction", "start"),
    [("silu", 1, -1.25), ("silu", -1, -16), ("softplus", 1, -16), ("rsqrt", -1, 1)],
)
def test_wrong_steps_are_of_one_code_and_only_between_segments(name, direction, start):
    """Each segment follows the function; where two lines meet, rounding may cost one code."""
    table = TABLES[name]
    codes = all_codes(table)
    # SiLU falls before its minimum at -1.278 and rises after it; that segment is left out.
    end = -1.375 if (name, direction) == ("silu", -1) else np.inf
    values = table.i.values(codes)
    steps = direction * np.diff(table.lookup(codes[(values >= start) & (values < end)]))
    wrong = np.flatnonzero(steps < 0)
    assert steps.min() >= -1
    assert ((wrong + 1) % (1 << table.segment_bits) == 0).all()


@each_table
def test_no_segment_is_better_served_by_another_base(table):
    """The bases are the best integers: one more or one less never lowers the largest error."""
    codes = all_codes(table).reshape(table.segments, -1)
    error = table.lookup(codes) - np.array(exact(table, codes))
    inside = (table.lookup(codes) != 0).all(axis=1) & (table.lookup(codes) != table.o.max_code).all(
        axis=1
    )
    worst = np.abs(error[inside]).max(axis=1)
    if table.rounding == "down":
        assert error[inside].max() <= 0
        assert (error[inside].max(axis=1) > -1).all()
    else:
        for change in (-1, 1):
            assert (np.abs(error[inside] + change).max(axis=1) >= worst - 1e-9).all()


@pytest.mark.parametrize("table", [SILU, SOFTPLUS], ids=["silu", "softplus"])
def test_outside_of_the_range(table):
    i = table.i
    below = np.array([i.min_code, table.low - 1])
    above = np.array([table.high, table.high + 1, i.max_code])
    assert table.lookup(below).tolist() == [0, 0]
    np.testing.assert_array_equal(table.lookup(above), table.o.saturate(table.passed(above)))


def test_inputs_above_the_range_round_to_a_coarser_output_and_saturate():
    table = tables.silu(Fixed(24, 12), Fixed(16, 8))
    above = np.array([(16 << 12) + 7, (16 << 12) + 8, table.i.max_code])
    assert table.lookup(above).tolist() == [16 << 8, (16 << 8) + 1, table.o.max_code]


@pytest.mark.parametrize("table", [SILU, SOFTPLUS], ids=["silu", "softplus"])
def test_the_ends_of_the_range_meet_what_is_outside(table):
    ends = table.lookup(np.array([table.low, table.high - 1, table.high]))
    step = 1 << max(0, table.o.frac - table.i.frac)
    assert ends[0] <= 1
    assert abs(ends[2] - ends[1]) <= step + 1


def test_a_root_below_the_range_is_zero():
    assert ROOTS.lookup(np.array([0, ROOTS.low - 1])).tolist() == [0, 0]
    assert ROOTS.high - 1 == MANTISSA.max_code
    assert ROOTS.lookup(all_codes(ROOTS)).max() <= 1 << ROOT.frac


@each_table
def test_stored_formats_hold_every_entry_and_line(table):
    table.base.require(table.bases, "bases")
    table.slope.require(table.slopes, "slopes")
    steps = np.array([0, (1 << table.segment_bits) - 1])
    rise = table.slopes[:, None] * steps + ((1 << table.slope_frac) >> 1) >> table.slope_frac
    table.line.require(table.bases[:, None] + rise, "line")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"function": "tanh"},
            "table function must be one of silu, softplus, exp2_negative, rsqrt, not 'tanh'",
        ),
        (
            {"low": -16 << 12, "i": Fixed(16, 12)},
            "table silu range -65536..65535 must lie in s16f12 (-32768..32767); "
            "widen the input or shorten the range",
        ),
        (
            {"above": "refused"},
            "table silu range -65536..65535 must reach the end of s24f12 (8388607); "
            "narrow the input or lengthen the range",
        ),
    ],
)
def test_refuses_what_cannot_be_built(change, message):
    given = {"function": "silu", "i": Fixed(24, 12), "o": Fixed(20, 12), "low": -16 << 12}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Table(**given | {"segment_bits": 9, "segments": 256, "above": "input"} | change)
