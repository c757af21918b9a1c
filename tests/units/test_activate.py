"""Activate: its faces agree for every kind of table; the tables have their own tests."""

import numpy as np
import pytest

from hwsim.units.activate import ActivateTiming
from models import tables
from models.formats import Fixed
from models.kernels.activate import activate as activate_kernel
from models.precision import Precision
from models.units.activate import ActivateConfig, activate
from models.units.norm import ROOTS
from rtl import tables as rtl_tables
from rtl.units import activate as rtl_unit
from tests.faces import Case, faces, floored, wrapped
from tests.stimulus import codes
from tests.streams import run_streams

FORMATS = Precision()
TABLES = {
    "silu": tables.silu(FORMATS.stream, FORMATS.activated),
    "silu_saturating": tables.silu(Fixed(24, 12), Fixed(16, 12)),
    "silu_coarser": tables.silu(Fixed(20, 12), Fixed(16, 8)),
    "softplus": tables.softplus(FORMATS.stream, FORMATS.delta),
    "exp2": tables.exp2_negative(Fixed(16, 16, signed=False), Fixed(17, 16, signed=False)),
    "rsqrt": ROOTS,
}


def operands(table, count, seed=0):
    """Log-uniform codes, codes of the range, and those at its ends and at ends of segments."""
    rng = np.random.default_rng(seed)
    joints = table.low + (np.arange(0, table.segments + 1, 37) << table.segment_bits)
    edges = np.concatenate([joints - 1, joints, joints + 1])
    return np.concatenate(
        [
            codes(table.i, (count,), seed),
            rng.integers(table.low, table.high, count),
            edges[(edges >= table.i.min_code) & (edges <= table.i.max_code)],
        ]
    )


def case(name, lanes):
    def make():
        config = ActivateConfig(TABLES[name], lanes)
        x = operands(config.table, 64)
        x = x[: len(x) // lanes * lanes]
        i, o = config.i_beat.pack(x=x), config.o_beat.pack(y=activate(x, config))
        cycles = ActivateTiming(config).cycles(len(i))
        return Case(lambda: rtl_unit.Activate(config), {"i": i}, {"o": o}, cycles)

    return make


CASES = {
    f"{name}x{lanes}": case(name, lanes)
    for name, lanes in [
        ("silu", 8),
        ("silu_saturating", 1),
        ("silu_coarser", 2),
        ("softplus", 4),
        ("exp2", 2),
        ("rsqrt", 1),
    ]
}
test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    CASES, rtl_unit, rounds=False, saturates=False
)


@pytest.mark.parametrize("fault", [floored, wrapped])
def test_fault_in_the_table_is_caught(fault, monkeypatch):
    case = CASES["silu_saturatingx1"]()
    run = run_streams(fault(monkeypatch, rtl_tables, case.component), case.inputs, case.outputs)
    assert run.outputs != case.outputs


@pytest.mark.parametrize("shape", [(320,), (4, 80), (2, 2, 8), (0, 8)], ids=str)
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_kernel_agrees(table, shape):
    config = ActivateConfig(table)
    x = np.resize(operands(table, 120), shape)
    np.testing.assert_array_equal(activate_kernel(x, config), activate(x, config), strict=True)


def test_kernel_agrees_on_every_code_of_the_range_and_on_lists():
    for table in TABLES.values():
        config = ActivateConfig(table)
        x = np.arange(table.low, table.high)
        np.testing.assert_array_equal(activate_kernel(x, config), activate(x, config))
        assert activate_kernel(x[:3].tolist(), config).tolist() == activate(x[:3], config).tolist()


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_stimulus_reaches_the_arithmetic(table):
    y = activate(operands(table, 64), ActivateConfig(table))
    assert ((y == table.o.min_code) | (y == table.o.max_code))[y != 0].mean() < 0.3
    assert (y == 0).mean() < 0.5


@pytest.mark.parametrize("function", [activate, activate_kernel])
def test_refuses_codes_out_of_range(function):
    config = ActivateConfig(TABLES["silu"])
    with pytest.raises(OverflowError, match=r"^x\[1\] = 8388608 does not fit s24f12 \(-8388608"):
        function(np.array([0, 1 << 23]), config)
    with pytest.raises(TypeError, match=r"^x must hold integer codes, not float64$"):
        function(np.array([0.5]), config)


def test_refuses_lanes_that_are_no_power_of_two():
    with pytest.raises(ValueError, match=r"^activate lanes must be a power of two, not 6$"):
        ActivateConfig(TABLES["silu"], lanes=6)
