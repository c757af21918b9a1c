"""Residual: its faces agree, and each sum is exact until it saturates."""

import numpy as np
import pytest

from hwsim.units.residual import ResidualTiming
from models.formats import Fixed
from models.kernels.residual import residual as residual_kernel
from models.units.residual import ResidualConfig, residual
from rtl.units import residual as rtl
from tests.faces import Case, faces
from tests.stimulus import codes

STREAM = Fixed(24, 12)


def operands(fmt, shape=(320,)):
    return codes(fmt, shape, seed=0), codes(fmt, shape, seed=1)


def case(fmt, lanes):
    def make():
        config = ResidualConfig(fmt, lanes)
        x, update = operands(fmt)
        i, i_update = config.i_beat.pack(x=x), config.update_beat.pack(y=update)
        o = config.o_beat.pack(x=residual(x, update, config))
        cycles = ResidualTiming(config).cycles(len(i))
        return Case(lambda: rtl.Residual(config), {"i": i, "i_update": i_update}, {"o": o}, cycles)

    return make


test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    {
        "s24x16": case(STREAM, 16),
        "s24x2": case(STREAM, 2),
        "s24x1": case(STREAM, 1),
        "u5x4": case(Fixed(5, 2, signed=False), 4),
    },
    rtl,
    rounds=False,
)


@pytest.mark.parametrize("shape", [(320,), (5, 64), (2, 3, 16), (0, 8)], ids=str)
def test_kernel_agrees(shape):
    config = ResidualConfig(STREAM)
    given = operands(STREAM, shape)
    np.testing.assert_array_equal(
        residual_kernel(*given, config), residual(*given, config), strict=True
    )


def test_kernel_agrees_on_lists_and_on_one_update_for_many():
    config = ResidualConfig(STREAM)
    given = codes(STREAM, (3, 16), seed=0), codes(STREAM, (16,), seed=1).tolist()
    np.testing.assert_array_equal(
        residual_kernel(*given, config), residual(*given, config), strict=True
    )


def test_the_order_does_not_matter():
    x, update = operands(STREAM)
    config = ResidualConfig(STREAM)
    np.testing.assert_array_equal(residual(x, update, config), residual(update, x, config))


def test_sums_are_exact_inside_the_range():
    x, update = operands(STREAM)
    out, exact = residual(x, update, ResidualConfig(STREAM)), x + update
    inside = (exact >= STREAM.min_code) & (exact <= STREAM.max_code)
    np.testing.assert_array_equal(out[inside], exact[inside])
    assert 0.8 < inside.mean() < 1
    assert (out == 0).mean() < 0.1


@pytest.mark.parametrize("end", [STREAM.min_code, STREAM.max_code])
def test_saturates_at_both_ends(end):
    one = 1 if end > 0 else -1
    updates = [end, one, 0, -one]
    got = residual([end] * 4, updates, ResidualConfig(STREAM))
    assert got.tolist() == [end, end, end, end - one]


@pytest.mark.parametrize("function", [residual, residual_kernel])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [0, 8]}, r"^x\[1\] = 8 does not fit s4f0 \(-8\.\.7\)$"),
        ({"update": [-9, 0]}, r"^update\[0\] = -9 does not fit s4f0 \(-8\.\.7\)$"),
        ({"x": [0.5, 0]}, r"^x must hold integer codes, not float64$"),
    ],
)
def test_refuses_codes_of_another_format(function, change, message):
    given = {"x": [0, 0], "update": [0, 0]} | change
    with pytest.raises((OverflowError, TypeError), match=message):
        function(
            **{name: np.array(value) for name, value in given.items()},
            config=ResidualConfig(Fixed(4)),
        )


def test_refuses_lanes_that_are_no_power_of_two():
    with pytest.raises(ValueError, match=r"^residual lanes must be a power of two, not 0$"):
        ResidualConfig(STREAM, lanes=0)
