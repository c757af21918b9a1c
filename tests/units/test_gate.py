"""Gate: its faces agree, and each product is the nearest code."""

import numpy as np
import pytest

from hwsim.units.gate import GateTiming
from models.beats import pack_block
from models.formats import Block, Fixed
from models.kernels.gate import gate as gate_kernel
from models.units.gate import GateConfig, gate
from rtl.units import gate as rtl
from tests.faces import Case, faces
from tests.stimulus import blocks

STREAM, ACTIVATED = Fixed(24, 12), Fixed(20, 12)
CHANNELS = 320


def config_of(bits, lanes=1, z_group=8):
    return GateConfig(Block(bits, 8, STREAM), Block(bits, z_group, ACTIVATED), STREAM, lanes)


def operands(config, shape=(CHANNELS,)):
    return *blocks(config.y, shape, seed=0), *blocks(config.z, shape, seed=1)


def case(bits, lanes, z_group=8):
    def make():
        config = config_of(bits, lanes, z_group)
        y, y_exponents, z, z_exponents = operands(config)
        i = pack_block(config.y, lanes, y, y_exponents)
        i_gate = pack_block(config.z, lanes, z, z_exponents)
        o = config.o_beat.pack(y=gate(y, y_exponents, z, z_exponents, config))
        cycles = GateTiming(config).cycles(len(i))
        return Case(lambda: rtl.Gate(config), {"i": i, "i_gate": i_gate}, {"o": o}, cycles)

    return make


test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    {
        "b8x16": case(8, 16),
        "b4x8": case(4, 8),
        "b4x2": case(4, 2),
        "b8x1": case(8, 1),
        "b8x8_groups_8_and_4": case(8, 8, z_group=4),
    },
    rtl,
)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("shape", [(CHANNELS,), (5, 64), (2, 3, 16), (0, 8)], ids=str)
def test_kernel_agrees(bits, shape):
    config = config_of(bits)
    given = operands(config, shape)
    np.testing.assert_array_equal(gate_kernel(*given, config), gate(*given, config), strict=True)


def test_kernel_agrees_on_lists_and_on_one_gate_for_many():
    config = config_of(8)
    y, y_exponents = blocks(config.y, (3, 16), seed=0)
    z, z_exponents = blocks(config.z, (16,), seed=1)
    given = y.tolist(), y_exponents.tolist(), z, z_exponents
    np.testing.assert_array_equal(gate_kernel(*given, config), gate(*given, config), strict=True)


def test_stimulus_reaches_the_arithmetic():
    out = gate(*operands(config_of(8)), config_of(8))
    ends = np.isin(out, [STREAM.min_code, STREAM.max_code])
    assert 0.01 < ends.mean() < 0.5
    assert (out == 0).mean() < 0.5


@pytest.mark.parametrize("bits", [8, 4])
def test_result_is_the_nearest_code(bits):
    config = config_of(bits)
    y, y_exponents, z, z_exponents = operands(config)
    exact = config.y.values(y, y_exponents) * config.z.values(z, z_exponents)
    nearest = config.o.nearest(exact)
    np.testing.assert_array_equal(gate(y, y_exponents, z, z_exponents, config), nearest)


@pytest.mark.parametrize(("z", "code"), [(-3, -1), (-1, 0), (1, 1), (3, 2)])
def test_ties_round_up(z, code):
    config = GateConfig(Block(4, 1, Fixed(8, 0)), Block(4, 1, Fixed(8, 1)), Fixed(8, 0))
    assert gate([1], [0], [z], [0], config).tolist() == [code]


@pytest.mark.parametrize(
    ("y", "z", "code"),
    [(127, 127, STREAM.max_code), (-128, -128, STREAM.max_code), (-128, 127, STREAM.min_code)],
)
def test_saturates_at_both_ends(y, z, code):
    config = config_of(8)
    got = gate([y] * 8, [config.y.max_exponent], [z] * 8, [config.z.max_exponent], config)
    assert got.tolist() == [code] * 8


@pytest.mark.parametrize("function", [gate, gate_kernel])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [0] * 7 + [128]}, r"^y\[7\] = 128 does not fit s8f12 \(-128\.\.127\)$"),
        ({"z_exponents": [16]}, r"^z exponents\[0\] = 16 does not fit u4f0 \(0\.\.15\)$"),
        ({"z_exponents": [13]}, r"^z exponents must be at most 12, not 13$"),
        (
            {"z": [0] * 16},
            r"^z must have 8 codes for each exponent, not shapes \(16,\) and \(1,\)$",
        ),
        ({"y": [0.5] * 8}, r"^y must hold integer codes, not float64$"),
    ],
)
def test_refuses_codes_that_are_no_block(function, change, message):
    given = {"y": [0] * 8, "y_exponents": [0], "z": [0] * 8, "z_exponents": [0]} | change
    with pytest.raises((OverflowError, ValueError, TypeError), match=message):
        function(**{name: np.array(codes) for name, codes in given.items()}, config=config_of(8))


def test_refuses_more_fraction_than_the_product_has():
    with pytest.raises(ValueError, match=r"^gate o must have at most 24 fractional bits, not 25$"):
        GateConfig(Block(8, 8, STREAM), Block(8, 8, ACTIVATED), Fixed(40, 25))


def test_refuses_a_product_that_could_overflow():
    wide = Block(8, 8, Fixed(40, 12))
    with pytest.raises(
        ValueError, match=r"^gate y \* z must fit 62 bits, not 80; use narrower sources$"
    ):
        GateConfig(wide, wide, STREAM)


def test_refuses_lanes_that_are_no_power_of_two():
    with pytest.raises(ValueError, match=r"^gate lanes must be a power of two, not 3$"):
        config_of(8, lanes=3)
