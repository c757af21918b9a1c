"""Discretize: its faces agree; a decay is never above the true one, and stays below 1."""

import numpy as np
import pytest

from hwsim.units.discretize import DiscretizeTiming
from models.beats import pack_block
from models.formats import Block, Fixed
from models.kernels import discretize as kernels
from models.kernels.discretize import discretize as discretize_kernel
from models.units.discretize import DiscretizeConfig, decay, discretize, time_step
from rtl.units import discretize as rtl
from tests.faces import Case, faces
from tests.stimulus import blocks, codes

STREAM, ACTIVATED = Fixed(24, 12), Fixed(20, 12)
DELTA, RATE = Fixed(22, 18, signed=False), Fixed(20, 12, signed=False)
DEFAULTS = {
    "dt": STREAM,
    "delta": DELTA,
    "rate": RATE,
    "decay": Fixed(16, 16, signed=False),
    "x": Block(8, 8, ACTIVATED),
    "drive_bits": 8,
    "skip": Fixed(16, 10),
    "o": STREAM,
    "delta_low": 0,
    "delta_high": DELTA.max_code,
    "heads": 3,
    "head_dim": 16,
}
NARROW = {"x": Block(4, 8, ACTIVATED), "drive_bits": 4, "skip": Fixed(16, 7)}
LIMITED = {"delta_low": 1 << 8, "delta_high": 1 << 17}


def config_of(**changed):
    return DiscretizeConfig(**DEFAULTS | changed)


def operands(config, leading=()):
    channels = config.heads * config.head_dim
    return (
        codes(config.dt, (*leading, config.heads), seed=0) >> 6,
        codes(config.dt, (config.heads,), seed=1) >> 6,
        codes(config.rate, (config.heads,), seed=2),
        codes(config.skip, (config.heads,), seed=3),
        *blocks(config.x, (*leading, channels), seed=4),
    )


def case(tokens=3, **changed):
    def make():
        config = config_of(**changed)
        given = operands(config, (tokens,))
        dt, bias, rate, skip, x, exponents = given
        decay_, drive, raised, skipped = discretize(*given, config)
        inputs = {
            "i_heads": [word for token in dt for word in config.head_beat.pack(dt=token)],
            "i_weights": config.weight_beat.pack(bias=bias, rate=rate, skip=skip) * tokens,
            "i": pack_block(config.x, config.lanes, x, exponents),
        }
        o = config.o_beat.pack(
            decay=np.repeat(decay_, config.head_dim // config.lanes),
            drive=drive,
            exponents=np.repeat(raised, max(1, config.x.group // config.lanes)),
            skip=skipped,
        )
        cycles = DiscretizeTiming(config).cycles(tokens)
        return Case(lambda: rtl.Discretize(config), inputs, {"o": o}, cycles)

    return make


CASES = {
    "h1d8x1_one_token": case(heads=1, head_dim=8, lanes=1, tokens=1),
    "h3d8x2_b4": case(heads=3, head_dim=8, lanes=2, **NARROW),
    "h5d24x8_limited": case(heads=5, head_dim=24, lanes=8, **LIMITED),
    "h3d16x16": case(heads=3, head_dim=16, lanes=16, decay=Fixed(12, 12, signed=False)),
}
test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(CASES, rtl)


@pytest.mark.parametrize("changed", [{}, LIMITED, NARROW], ids=["open", "limited", "narrow"])
@pytest.mark.parametrize("leading", [(), (5,), (2, 3), (0,)], ids=str)
def test_kernel_agrees(changed, leading, monkeypatch):
    config = config_of(heads=16, head_dim=24, **changed)
    given = operands(config, leading)
    expected = discretize(*given, config)
    monkeypatch.setattr(kernels.unit, "discretize", None)  # compiled, not handed on
    for got, wanted in zip(discretize_kernel(*given, config), expected, strict=True):
        np.testing.assert_array_equal(got, wanted, strict=True)


def test_kernel_agrees_on_lists():
    given = [array.tolist() for array in operands(config_of())]
    for got, wanted in zip(
        discretize_kernel(*given, config_of()), discretize(*given, config_of()), strict=True
    ):
        np.testing.assert_array_equal(got, wanted, strict=True)


def test_stimulus_reaches_the_arithmetic():
    config = config_of(heads=64, skip=Fixed(16, 7))
    decay_, drive, _, skipped = discretize(*operands(config, (8,)), config)
    assert 0.1 < np.isin(decay_, [0, config.decay.max_code]).mean() < 0.8
    assert (drive == 0).mean() < 0.5
    assert 0.001 < np.isin(skipped, [STREAM.min_code, STREAM.max_code]).mean() < 0.2
    assert (skipped == 0).mean() < 0.5


def decays(config, seed=0):
    """Decays, and what they would be without rounding, of many steps and rates."""
    delta = np.concatenate([codes(config.delta, 50_000, seed), np.arange(50_000)])
    rate = codes(config.rate, delta.shape, seed + 1)
    exact = np.exp2(-config.delta.values(delta) * config.rate.values(rate))
    return decay(delta, rate, config), exact


@pytest.mark.parametrize("bits", [16, 12, 8])
def test_decay_is_rounded_down_and_below_one(bits):
    config = config_of(decay=Fixed(bits, bits, signed=False))
    got, exact = decays(config)
    assert (config.decay.values(got) <= exact).all()
    assert (config.decay.values(got) < 1).all()
    assert (config.decay.values(got) > exact - 2 / 2**bits).all()
    assert np.unique(got).size > 2 ** (bits - 2)


def test_decay_of_every_fraction_is_rounded_down():
    config = config_of(rate=Fixed(20, 18, signed=False))
    delta = np.arange(1 << 18)
    exact = np.exp2(-config.delta.values(delta))
    got = config.decay.values(decay(delta, np.int64(1 << 18), config))
    assert (got <= exact).all()
    assert (got[1:] <= got[:-1]).all()


@pytest.mark.parametrize(("delta", "rate"), [(0, RATE.max_code), (DELTA.max_code, 0), (0, 0)])
def test_no_decay_is_just_below_one(delta, rate):
    config = config_of()
    got = decay(np.int64(delta), np.int64(rate), config)
    assert config.decay.max_code - 1 <= got <= config.decay.max_code


def test_steep_decay_is_zero():
    config = config_of()
    for power in (17, 31, 32, 100):
        assert decay(np.int64(1 << 18), np.int64(power << 12), config) == 0
    assert decay(np.int64(DELTA.max_code), np.int64(RATE.max_code), config) == 0


def test_time_step_limit_clamps_at_both_ends():
    config = config_of(**LIMITED)
    biased = np.arange(-(1 << 18), 1 << 18, 7)
    got, free = time_step(biased, config), time_step(biased, config_of())
    np.testing.assert_array_equal(got, np.clip(free, 1 << 8, 1 << 17))
    assert {1 << 8, 1 << 17} < set(got.tolist())


def test_a_head_far_below_takes_no_step():
    config = config_of(heads=1, head_dim=8)
    x, exponents = [127] * 8, [12]
    got = discretize([STREAM.min_code], [0], [RATE.max_code], [0], x, exponents, config)
    assert got[0] >= config.decay.max_code - 1
    assert got[1].tolist() == [0] * 8
    assert got[2].tolist() == [12]


def test_drive_is_delta_times_x_within_its_mantissa():
    config = config_of(heads=64)
    dt, bias, rate, skip, x, exponents = operands(config, (8,))
    _, drive, raised, _ = discretize(dt, bias, rate, skip, x, exponents, config)
    delta = np.repeat(time_step(dt + bias, config), config.head_dim, axis=-1)
    exact = config.x.values(x, exponents) * config.delta.values(delta)
    got = config.drive.values(drive, raised)
    step = config.drive.values(np.ones_like(drive), raised)
    # Half a code for rounding the product, and half a mantissa of 128 or more for delta.
    assert (np.abs(got - exact) <= 0.5 * step + np.abs(exact) / 256).all()


def test_skip_is_the_nearest_code():
    config = config_of(heads=64, skip=Fixed(16, 7))
    dt, bias, rate, skip, x, exponents = operands(config, (8,))
    exact = config.x.values(x, exponents) * config.skip.values(np.repeat(skip, config.head_dim))
    _, _, _, skipped = discretize(dt, bias, rate, skip, x, exponents, config)
    np.testing.assert_array_equal(skipped, config.o.nearest(exact))


@pytest.mark.parametrize("function", [discretize, discretize_kernel])
@pytest.mark.parametrize(
    ("at", "wrong", "message"),
    [
        (0, [1 << 23, 0, 0], r"^dt\[0\] = 8388608 does not fit s24f12 \(-8388608\.\.8388607\)$"),
        (2, [0, -1, 0], r"^rate\[1\] = -1 does not fit u20f12 \(0\.\.1048575\)$"),
        (3, [0.5, 0, 0], r"^skip must hold integer codes, not float64$"),
        (5, [13] * 6, r"^codes exponents must be at most 12, not 13$"),
        (1, [0, 0], r"^operands could not be broadcast together"),
    ],
)
def test_refuses_codes_out_of_range(function, at, wrong, message):
    given = list(operands(config_of()))
    given[at] = np.array(wrong)
    with pytest.raises((OverflowError, TypeError, ValueError), match=message):
        function(*given, config_of())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"head_dim": 12}, r"discretize head_dim must be whole groups of 8, not 12"),
        (
            {"head_dim": 24, "lanes": 16},
            r"discretize lanes must divide head_dim = 24, not 16; use 8 or a smaller power of two",
        ),
        (
            {"delta_low": 9, "delta_high": 8},
            r"discretize time step limit must lie in 0\.\.4194303 in codes of u22f18, not 9\.\.8",
        ),
        (
            {"delta": Fixed(22, 18)},
            r"discretize delta must be unsigned and have at least 8 bits, not s22f18",
        ),
        (
            {"delta": Fixed(7, 7, signed=False), "delta_high": 127},
            r"discretize delta must be unsigned and have at least 8 bits, not u7f7",
        ),
        ({"rate": Fixed(20, 12)}, r"discretize rate must be unsigned, not s20f12"),
        (
            {"rate": Fixed(8, -4, signed=False)},
            r"discretize delta and rate must have at least 16 fractional bits together, not 14",
        ),
        (
            {"decay": Fixed(16, 15, signed=False)},
            r"discretize decay must be below 1, such as u16f16, not u16f15",
        ),
        (
            {"decay": Fixed(18, 18, signed=False)},
            r"discretize decay must have at most 16 bits, not u18f18",
        ),
        ({"drive_bits": 17}, r"discretize drive_bits must be in 2\.\.16, not 17"),
        ({"o": Fixed(40, 23)}, r"discretize o must have at most 22 fractional bits, not 23"),
    ],
)
def test_refuses_a_configuration_that_does_not_add_up(changed, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        config_of(**changed)
