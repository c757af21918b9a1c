"""Conv1d: its faces agree over many tokens, and each sum is the nearest code."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth import Module, ResetInserter, Signal
from amaranth.lib import wiring

from hwsim.units.conv1d import Conv1dTiming
from models.beats import pack_block
from models.formats import Block, Fixed
from models.kernels.conv1d import conv1d as conv1d_kernel
from models.precision import Precision
from models.units.conv1d import Conv1dConfig, conv1d, pack_weights
from rtl.units import conv1d as rtl
from tests.faces import Case, faces
from tests.stimulus import blocks, codes
from tests.streams import run_streams

FORMATS = Precision()


def config_of(bits, taps, channels, lanes=1, group=8):
    x, tap = Block(bits, group, FORMATS.stream), Block(bits, group, FORMATS.tap)
    return Conv1dConfig(x, tap, FORMATS.stream, taps, channels, lanes)


def weights(config):
    """Taps, their exponents and biases."""
    taps, exponents = blocks(config.tap, (config.taps, config.channels), seed=1)
    return taps, exponents, codes(config.o, (config.channels,), seed=2) >> 4


def tokens(config, *count, seed=3):
    """Codes and exponents (..., channels); half of the groups are as large as they can be."""
    x, exponents = blocks(config.x, (*count, config.channels), seed)
    large = np.random.default_rng(seed).random(exponents.shape) < 0.5
    return x, np.where(large, config.x.max_exponent, exponents)


def windows(rows, taps):
    """The last `taps` of `rows` (tokens, ...) at each token, zeros before the first."""
    padded = np.concatenate([np.zeros((taps - 1, *rows.shape[1:]), rows.dtype), rows])
    return np.stack([padded[at : at + taps] for at in range(len(rows))])


def sequence(config, count):
    """Words of `count` tokens into the unit and out of it."""
    x, exponents = tokens(config, count)
    y = conv1d(windows(x, config.taps), windows(exponents, config.taps), *weights(config), config)
    inputs = {
        "i": pack_block(config.x, config.lanes, x, exponents),
        "i_weights": pack_weights(*weights(config), config) * count,
    }
    return inputs, {"o": config.o_beat.pack(y=y)}


def case(bits, taps, channels, lanes, count, group=8):
    def make():
        config = config_of(bits, taps, channels, lanes, group)
        inputs, outputs = sequence(config, count)
        cycles = Conv1dTiming(config).cycles(len(inputs["i"]))
        return Case(lambda: rtl.Conv1d(config), inputs, outputs, cycles)

    return make


test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    {
        "1_beat_per_token": case(8, 4, 8, lanes=8, count=24),
        "1_beat_of_two_groups": case(4, 2, 16, lanes=16, count=24),
        "2_beats_per_token": case(8, 4, 16, lanes=8, count=10),
        "3_beats_per_token": case(8, 2, 24, lanes=8, count=8, group=4),
        "1_lane": case(8, 4, 24, lanes=1, count=6),
        "2_lanes": case(4, 3, 16, lanes=2, count=6),
        "1_channel_per_group": case(8, 4, 2, lanes=2, count=12, group=1),
    },
    rtl,
)


class Restarted(wiring.Component):
    """A conv1d that is reset once, when it has handed over `beats` results for as many inputs."""

    def __init__(self, config, beats):
        self.inner, self.beats = rtl.Conv1d(config), beats
        super().__init__(self.inner.signature)

    def elaborate(self, platform):
        m = Module()
        restart, restarted = Signal(), Signal()
        m.submodules.inner = ResetInserter(restart)(self.inner)
        taken, given = Signal(range(self.beats + 1)), Signal(range(self.beats + 1))
        open_ = restarted | (taken != self.beats)
        for ours, theirs in [(self.i, self.inner.i), (self.i_weights, self.inner.i_weights)]:
            m.d.comb += [
                theirs.payload.eq(ours.payload),
                theirs.valid.eq(ours.valid & open_),
                ours.ready.eq(theirs.ready & open_),
            ]
        wiring.connect(m, self.inner.o, wiring.flipped(self.o))
        m.d.comb += restart.eq(~restarted & (given == self.beats))
        with m.If(restart):
            m.d.sync += restarted.eq(1)
        with m.If(self.i.valid & self.i.ready & ~restarted):
            m.d.sync += taken.eq(taken + 1)
        with m.If(self.o.valid & self.o.ready & ~restarted):
            m.d.sync += given.eq(given + 1)
        return m


def test_layers_in_turn_are_one_layer_of_all_their_channels():
    inputs, outputs = sequence(config_of(8, 4, 48, 8), 5)
    layers = replace(config_of(8, 4, 16, 8), layers=3)
    assert run_streams(rtl.Conv1d(layers), inputs, outputs, accept=0.5).outputs == outputs


@pytest.mark.parametrize("lanes", [8, 16])
def test_a_reset_forgets_all_tokens(lanes):
    config = config_of(8, 4, 16, lanes)
    inputs, outputs = sequence(config, 3)
    twice = {port: words * 2 for port, words in inputs.items()}
    run = run_streams(Restarted(config, len(outputs["o"])), twice, {"o": outputs["o"] * 2})
    assert run.outputs["o"] == outputs["o"] * 2


@pytest.mark.parametrize("lanes", [1, 4, 8, 16])
def test_pack_weights_puts_the_channels_of_a_beat_together(lanes):
    config = config_of(8, 4, 32, lanes)
    taps, exponents, bias = weights(config)
    beats = config.weight_beat.unpack(pack_weights(taps, exponents, bias, config))
    for beat in range(32 // lanes):
        first = beat * lanes
        groups = slice(first // 8, (first + lanes - 1) // 8 + 1)
        assert beats["codes"][beat].tolist() == taps[:, first : first + lanes].ravel().tolist()
        assert beats["exponents"][beat].tolist() == exponents[:, groups].ravel().tolist()
        assert beats["bias"][beat].tolist() == bias[first : first + lanes].tolist()


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("leading", [(), (5,), (2, 3), (0,)], ids=str)
def test_kernel_agrees(bits, leading):
    config = config_of(bits, 4, 64)
    window = tokens(config, *leading, 4)
    given = *window, *weights(config), config
    np.testing.assert_array_equal(conv1d_kernel(*given), conv1d(*given), strict=True)


def test_kernel_agrees_on_lists_and_on_views():
    config = config_of(8, 3, 16)
    window = windows(tokens(config, 4)[0], 3), windows(tokens(config, 4)[1], 3)
    given = *window, *weights(config), config
    lists = [array.tolist() for array in given[:-1]]
    views = [np.asfortranarray(array) for array in given[:-1]]
    for same in (lists, views):
        np.testing.assert_array_equal(conv1d_kernel(*same, config), conv1d(*given), strict=True)


def test_stimulus_reaches_the_arithmetic():
    config = config_of(8, 4, 64)
    out = conv1d(*tokens(config, 8, 4), *weights(config), config)
    ends = np.isin(out, [config.o.min_code, config.o.max_code])
    assert 0.002 < ends.mean() < 0.5
    assert (out == 0).mean() < 0.5


@pytest.mark.parametrize("bits", [8, 4])
def test_result_is_the_nearest_code(bits):
    config = config_of(bits, 4, 64)
    x, x_exponents = tokens(config, 8, 4)
    taps, tap_exponents, bias = weights(config)
    products = config.x.values(x, x_exponents) * config.tap.values(taps, tap_exponents)
    exact = products.sum(axis=-2) + config.o.values(bias)
    got = conv1d(x, x_exponents, taps, tap_exponents, bias, config)
    np.testing.assert_array_equal(got, config.o.nearest(exact))


@pytest.mark.parametrize(("tap", "code"), [(-3, -1), (-1, 0), (1, 1), (3, 2)])
def test_ties_round_up(tap, code):
    half = Block(4, 1, Fixed(8, 1))
    config = Conv1dConfig(Block(4, 1, Fixed(8, 0)), half, Fixed(8, 0), taps=2, channels=1)
    assert conv1d([[0], [1]], [[0], [0]], [[0], [tap]], [[0], [0]], [0], config).tolist() == [code]


@pytest.mark.parametrize("function", [conv1d, conv1d_kernel])
@pytest.mark.parametrize(("x", "end"), [(127, "max_code"), (-128, "min_code")])
def test_saturates_at_both_ends(function, x, end):
    config = config_of(8, 2, 8)
    top = np.full((2, 1), config.x.max_exponent), np.full((2, 1), config.tap.max_exponent)
    extreme = getattr(config.o, end)
    got = function(
        np.full((2, 8), x), top[0], np.full((2, 8), 127), top[1], np.full(8, extreme), config
    )
    assert got.tolist() == [extreme] * 8


@pytest.mark.parametrize("function", [conv1d, conv1d_kernel])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": [[0] * 8, [0] * 7 + [128]]}, r"^window\[1, 7\] = 128 does not fit s8f12"),
        ({"tap_exponents": [[13], [0]]}, r"^taps exponents must be at most 12, not 13$"),
        ({"bias": [1 << 23] * 8}, r"^bias\[0\] = 8388608 does not fit s24f12 \(-8388608\.\."),
        ({"bias": [0.5] * 8}, r"^bias must hold integer codes, not float64$"),
    ],
)
def test_refuses_codes_out_of_range(function, change, message):
    given = {
        "window": [[0] * 8] * 2,
        "window_exponents": [[0]] * 2,
        "taps": [[0] * 8] * 2,
        "tap_exponents": [[0]] * 2,
        "bias": [0] * 8,
    } | change
    arrays = {name: np.array(codes) for name, codes in given.items()}
    with pytest.raises((OverflowError, TypeError), match=message):
        function(**arrays, config=config_of(8, 2, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tap": Block(8, 4, Fixed(20, 16))}, r"^conv1d tap group must be that of x = 8, not 4$"),
        ({"channels": 12}, r"^conv1d channels must be whole groups of 8, not 12$"),
        ({"taps": 1}, r"^conv1d taps must be at least 2, not 1$"),
        ({"o": Fixed(40, 29)}, r"^conv1d o must have at most 28 fractional bits, not 29$"),
        (
            {"tap": Block(8, 8, Fixed(38, 16))},
            r"^conv1d sum of 4 products of b8g8 of s24f12 and b8g8 of s38f16 must fit 62 bits, "
            r"not 64; use narrower source formats$",
        ),
        (
            {"lanes": 16},
            r"^conv1d lanes must divide channels = 24, not 16; use 8 or a smaller power of two$",
        ),
    ],
)
def test_refuses_what_cannot_be_built(change, message):
    f = FORMATS
    given = {"x": f.conv_input, "tap": f.conv_tap, "o": f.stream, "taps": 4, "channels": 24}
    with pytest.raises(ValueError, match=message):
        Conv1dConfig(**given | change)
