"""Quantize: its faces agree, and each group gets the smallest exponent that holds it."""

import numpy as np
import pytest

from hwsim.units.quantize import QuantizeTiming
from models.beats import pack_block
from models.formats import Block, Fixed
from models.kernels.quantize import quantize as quantize_kernel
from models.units.quantize import QuantizeConfig, quantize
from rtl.units import quantize as rtl
from tests.faces import Case, faces
from tests.stimulus import codes

WIDE = Fixed(24, 12)


def case(bits, lanes):
    def make():
        config = QuantizeConfig(Block(bits, 8, WIDE), lanes)
        # A shift of its own for each group: all exponents occur, not only the large ones.
        shifts = np.repeat(np.arange(40) % 24, 8)
        x = np.concatenate([codes(WIDE, 320, seed=0) >> shifts, [WIDE.min_code] * 8, [-8, 7] * 4])
        narrowed = quantize(x, config)
        i, o = config.i_beat.pack(x=x), pack_block(config.block, lanes, *narrowed)
        cycles = QuantizeTiming(config).cycles(len(i))
        return Case(lambda: rtl.Quantize(config), {"i": i}, {"o": o}, cycles)

    return make


test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    {f"b{bits}x{lanes}": case(bits, lanes) for bits, lanes in [(4, 16), (8, 8), (4, 2), (8, 1)]},
    rtl,
)


@pytest.mark.parametrize(
    ("widest", "exponent"), [(0, 0), (7, 0), (-8, 0), (8, 1), (-9, 1), (15, 1), (16, 2)]
)
def test_exponent_is_the_smallest_that_fits(widest, exponent):
    codes_, exponents = quantize([widest] + [0] * 7, QuantizeConfig(Block(4, 8, WIDE)))
    assert exponents.tolist() == [exponent]
    assert abs((codes_[0] << exponent) - widest) <= (1 << exponent) // 2


def test_ties_round_up_and_the_top_saturates():
    got, exponents = quantize([15, -15, 13, -13, 3, -3, 1, -1], QuantizeConfig(Block(4, 8, WIDE)))
    assert exponents.tolist() == [1]
    assert got.tolist() == [7, -7, 7, -6, 2, -1, 1, 0]


@pytest.mark.parametrize("bits", [2, 4, 8, 24])
@pytest.mark.parametrize("group", [1, 8])
@pytest.mark.parametrize("shape", [(320,), (5, 64), (2, 3, 8), (0, 8)], ids=str)
def test_kernel_agrees(bits, group, shape):
    config = QuantizeConfig(Block(bits, group, WIDE))
    x = codes(WIDE, shape, seed=0)
    for given in (x, np.asfortranarray(x), x.tolist() if x.size else x):
        for got, expected in zip(quantize_kernel(given, config), quantize(x, config), strict=True):
            np.testing.assert_array_equal(got, expected, strict=True)


@pytest.mark.parametrize("function", [quantize, quantize_kernel])
def test_refuses_codes_out_of_range(function):
    config = QuantizeConfig(Block(4, 8, WIDE))
    with pytest.raises(OverflowError, match=r"^x\[7\] = 8388608 does not fit s24f12 \(-8388608"):
        function(np.array([0] * 7 + [1 << 23]), config)
    with pytest.raises(TypeError, match=r"^x must hold integer codes, not float64$"):
        function(np.zeros(8), config)


@pytest.mark.parametrize("function", [quantize, quantize_kernel])
def test_refuses_part_of_a_group(function):
    with pytest.raises(
        ValueError, match=r"^quantize x must have whole groups of 8 channels, not 9"
    ):
        function(np.zeros(9, int), QuantizeConfig(Block(4, 8, WIDE)))
