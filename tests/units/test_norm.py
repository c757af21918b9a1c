"""Norm: its faces agree, and the direction of a vector survives any length."""

import numpy as np
import pytest

from hwsim.units.norm import NormTiming
from models.formats import Fixed
from models.kernels.norm import norm as norm_kernel
from models.precision import Precision
from models.units.norm import ROOT, NormConfig, norm, reciprocal_root
from rtl.units import norm as rtl
from tests.faces import Case, faces
from tests.stimulus import codes

FORMATS = Precision()


def config_of(channels, lanes=1):
    f = FORMATS
    return NormConfig(f.stream, f.norm_weight, f.normed, channels, f.direction, lanes)


def vector(channels, seed):
    """Codes of one vector with epsilon; its length varies with `seed` over the whole range.

    Among every six are one of zeros only, one with a single element, and one of extremes.
    """
    i = FORMATS.stream
    epsilon = [1, 3, 1, 40_000, 1, i.max_code * 2 + 1][seed % 6]
    match seed % 6:
        case 3:
            return np.zeros(channels, int), epsilon
        case 4:
            return np.append(i.min_code, np.zeros(channels - 1, int)), epsilon
        case 5:
            return np.resize([i.min_code, i.max_code], channels), epsilon
        case _:
            return codes(i, (channels,), seed) >> seed * 5 % i.width, epsilon


def weights(channels, seed):
    """Codes, every other one large: small ones alone would round nearly every result to 0."""
    weight = FORMATS.norm_weight
    large = np.random.default_rng(seed).integers(weight.max_code // 2, weight.max_code, channels)
    return np.where(np.arange(channels) % 2, large, codes(weight, (channels,), seed + 100))


def case(lanes, lengths, start=0):
    """One vector after another through a unit as long as the longest of them."""

    def make():
        config = config_of(max(lengths), lanes)
        seeds = range(start, start + len(lengths))
        vectors = [vector(length, seed) for length, seed in zip(lengths, seeds, strict=True)]
        weight = [weights(length, seed) for length, seed in zip(lengths, seeds, strict=True)]
        y = [norm(x, w, epsilon, config) for (x, epsilon), w in zip(vectors, weight, strict=True)]
        beats = [length // lanes for length in lengths]
        inputs = {
            "i_pass": config.pass_beat.pack(beats=beats, epsilon=[e for _, e in vectors]),
            "i": config.i_beat.pack(x=np.concatenate([x for x, _ in vectors])),
            "i_weights": config.weight_beat.pack(weight=np.concatenate(weight)),
        }
        outputs = {"o": config.o_beat.pack(y=np.concatenate(y))}
        return Case(lambda: rtl.Norm(config), inputs, outputs, NormTiming(config).cycles(beats))

    return make


test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    {
        "1_lane": case(1, [8, 24, 8, 8, 8, 8]),
        "2_lanes": case(2, [24, 8, 8, 2], start=1),
        "8_lanes": case(8, [8, 24, 128, 8, 24, 24, 128]),
        "4_lanes_of_one_beat": case(4, [4, 4, 4, 4]),
        "16_lanes_of_up_to_two_beats": case(16, [32, 16, 32], start=3),
    },
    rtl,
)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(128,), (3, 24), (2, 3, 8), (0, 8), (8, 0)], ids=str)
def test_kernel_agrees(shape, seed):
    config = config_of(128)
    x, epsilon = vector(int(np.prod(shape)) or 1, seed)
    given = np.resize(x, shape), weights(shape[-1], seed), epsilon
    np.testing.assert_array_equal(norm_kernel(*given, config), norm(*given, config), strict=True)


def test_kernel_agrees_on_lists_and_on_vectors_longer_than_the_hardware_takes():
    config = config_of(8)
    x, epsilon = vector(24, 0)
    given = x.tolist(), weights(24, 0), np.int64(epsilon)
    np.testing.assert_array_equal(norm_kernel(*given, config), norm(*given, config), strict=True)


def test_stimulus_reaches_the_arithmetic():
    lengths, seeds = [8, 24, 128, 8, 24, 24, 128], range(7)
    config = config_of(128)
    y = np.concatenate(
        [
            norm(vector(length, seed)[0], weights(length, seed), 1, config)
            for length, seed in zip(lengths, seeds, strict=True)
        ]
    )
    ends = np.isin(y, [config.o.min_code, config.o.max_code])
    assert 0.001 < ends.mean() < 0.3
    assert (y == 0).mean() < 0.5


@pytest.mark.parametrize("seed", range(6))
def test_result_is_near_the_real_one(seed):
    config = config_of(128)
    (x, epsilon), weight = vector(128, seed), weights(128, seed)
    length = np.sqrt(config.i.values(x) @ config.i.values(x) + config.epsilon.values(epsilon))
    exact = config.i.values(x) / length * config.weight.values(weight)
    inside = np.abs(exact) < config.o.values(config.o.max_code)
    error = np.abs(config.o.values(norm(x, weight, epsilon, config)) - exact)
    # Half a code of o; half a code of the direction; the root's error.
    allowed = (
        2.0**-config.o.frac / 2
        + np.abs(config.weight.values(weight)) * 2.0**-config.direction.frac / 2
        + np.abs(exact) * 2.0**-14
    )
    assert (error <= allowed)[inside].all()


def test_reciprocal_root_is_near_the_real_one():
    totals = np.unique(codes(Fixed(60, 0, signed=False), (20_000,), seed=0))[1:]
    totals = np.concatenate([totals, 1 << np.arange(61), (1 << np.arange(1, 61)) - 1])
    root, half_bits = reciprocal_root(totals)
    got = np.ldexp(root.astype(float), -ROOT.frac - half_bits)
    assert np.abs(got * np.sqrt(totals) - 1).max() < 2.0**-14


@pytest.mark.parametrize("shift", [1, 5, 10])
def test_a_power_of_two_in_the_input_changes_nothing(shift):
    config = config_of(128)
    x, weight = codes(Fixed(10, 0), (128,), seed=0), weights(128, 0)
    once = norm(x, weight, 7, config)
    np.testing.assert_array_equal(norm(x << shift, weight, 7 << 2 * shift, config), once)


@pytest.mark.parametrize("function", [norm, norm_kernel])
def test_zeros_give_zeros_and_the_ends_saturate(function):
    config = config_of(8)
    top = np.full(8, config.weight.max_code)
    assert function(np.zeros(8, int), top, 1, config).tolist() == [0] * 8
    assert function([5] + [0] * 7, top, 1, config)[0] == config.o.max_code
    assert function([-5] + [0] * 7, top, 1, config)[0] == config.o.min_code


@pytest.mark.parametrize("function", [norm, norm_kernel])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [1 << 23] + [0] * 7}, r"^x\[0\] = 8388608 does not fit s24f12 \(-8388608\.\."),
        ({"weight": [0] * 7 + [1 << 19]}, r"^weight\[7\] = 524288 does not fit s20f9 \(-524288\."),
        ({"epsilon": 1 << 24}, r"^epsilon\[\] = 16777216 does not fit u24f24 \(0\.\.16777215\)$"),
        ({"epsilon": 0}, r"^norm epsilon must be at least 1, not 0, when a vector is all zeros$"),
        ({"x": [0.5] * 8}, r"^x must hold integer codes, not float64$"),
    ],
)
def test_refuses_codes_out_of_range(function, change, message):
    given = {"x": [0] * 8, "weight": [0] * 8, "epsilon": 1} | change
    arrays = {name: np.array(given[name]) for name in ("x", "weight")}
    with pytest.raises((OverflowError, ValueError, TypeError), match=message):
        function(**arrays, epsilon=given["epsilon"], config=config_of(8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"direction": Fixed(16, 14)},
            r"^norm direction must have at least 16 fractional bits, not 14; use s18f16 or more$",
        ),
        (
            {"o": Fixed(40, 30)},
            r"^norm o must have at most 29 fractional bits, not 30; "
            r"add fractional bits to weight or direction$",
        ),
        (
            {"i": Fixed(29, 12), "channels": 128},
            r"^norm sum of 128 squares of s29f12 must fit 62 bits, not 65; "
            r"use a narrower input format$",
        ),
        (
            {"direction": Fixed(42, 40)},
            r"^norm x \* root must fit 62 bits, not 65; use a narrower input format$",
        ),
        (
            {"weight": Fixed(42, 9)},
            r"^norm direction \* weight must fit 62 bits, not 64; use a narrower weight format$",
        ),
        (
            {"lanes": 16},
            r"^norm lanes must divide channels = 24, not 16; use 8 or a smaller power of two$",
        ),
        ({"lanes": 3}, r"^norm lanes must be a power of two, not 3$"),
    ],
)
def test_refuses_what_cannot_be_built(change, message):
    f = FORMATS
    given = {"i": f.stream, "weight": f.norm_weight, "o": f.normed, "channels": 24}
    with pytest.raises(ValueError, match=message):
        NormConfig(**given | {"direction": f.direction} | change)
