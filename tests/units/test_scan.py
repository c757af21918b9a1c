"""Scan: its faces agree token after token, and no parallelism changes a code."""

import dataclasses
from fractions import Fraction
from itertools import chain
from math import floor

import numpy as np
import pytest
from amaranth import Module, ResetInserter, Signal, Value
from amaranth.sim import Simulator

from hwsim.units.scan import ScanTiming
from models.beats import pack_block
from models.formats import Block, Fixed
from models.kernels import scan as kernels
from models.kernels.scan import scan as scan_kernel
from models.kernels.scan import scan_arguments, scan_codes
from models.units.discretize import DiscretizeConfig
from models.units.scan import ScanConfig, scan
from rtl.units import scan as rtl
from tests.faces import Case, faces
from tests.stimulus import blocks, codes
from tests.streams import run_streams

STREAM, ACTIVATED, STATE = Fixed(24, 12), Fixed(20, 12), Fixed(28, 16)
DELTA = Fixed(22, 18, signed=False)
DRIVE = DiscretizeConfig(
    dt=STREAM,
    delta=DELTA,
    rate=Fixed(20, 12, signed=False),
    decay=Fixed(16, 16, signed=False),
    x=Block(8, 8, ACTIVATED),
    drive_bits=8,
    skip=Fixed(16, 10),
    o=STREAM,
    delta_low=0,
    delta_high=DELTA.max_code,
    heads=2,
    head_dim=8,
)


def config_of(
    bits=8, h_group=8, h_bits=None, state=8, groups=1, channels=1, states=1, spilled=False, **drive
):
    x, h = Block(bits, 8, ACTIVATED), Block(h_bits or bits, h_group, STATE)
    discretize = dataclasses.replace(DRIVE, x=x, drive_bits=bits, **drive)
    return ScanConfig(discretize, x, x, h, STREAM, groups, state, channels, states, spilled=spilled)


def operands(config, leading, levels=None):
    """Operands of `scan` but the state.

    Given `levels`, exponents for each token's drives, decays are nearly 1.
    """
    channels = (*leading, config.heads * config.head_dim)
    vector = (*leading, config.groups * config.state)
    drive, exponents = blocks(config.drive.drive, channels, seed=1)
    decay = codes(config.drive.decay, (*leading, config.heads), seed=0)
    if levels is not None:
        exponents = np.broadcast_to(np.array(levels)[:, None], exponents.shape)
        decay = config.drive.decay.max_code - (decay >> 4)
    return (
        decay,
        drive,
        exponents,
        codes(config.o, channels, seed=2),
        blocks(config.b, vector, seed=3),
        blocks(config.c, vector, seed=4),
    )


def zeros(config, leading=()):
    shape = (*leading, config.heads, config.head_dim, config.state)
    groups = (*shape[:-1], config.state // config.h.group)
    return np.zeros(shape, np.int64), np.zeros(groups, np.int64)


def states(config, leading):
    shape = (*leading, config.heads, config.head_dim, config.state)
    return blocks(config.h, shape, seed=5)


def run(function, given, config):
    """y (tokens, channels) and the last state, token after token from a state of zeros."""
    h, y = zeros(config), []
    for decay, drive, exponents, skip, *bc in zip(*flat(given), strict=True):
        one, h = function(decay, drive, exponents, skip, bc[:2], bc[2:], h, config)
        y.append(one)
    return np.array(y), h


def states_after(given, config):
    """The state after each of the tokens."""
    h, after = zeros(config), []
    for decay, drive, exponents, skip, *bc in zip(*flat(given), strict=True):
        _, h = scan(decay, drive, exponents, skip, bc[:2], bc[2:], h, config)
        after.append(h)
    return after


def flat(given):
    *vectors, b, c = given
    return *vectors, *b, *c


def words(config, given):
    """Words for the input ports, of operands (tokens, ...)."""
    decay, drive, exponents, skip, b, c = given
    i = config.i_beat.pack(
        decay=np.repeat(decay, config.head_dim // config.lanes),
        drive=drive,
        exponents=np.repeat(exponents, max(1, config.drive.x.group // config.lanes)),
        skip=skip,
    )
    i_b, i_c = pack_block(config.b, config.states, *b), pack_block(config.c, config.states, *c)
    return {"i_b": i_b, "i_c": i_c, "i": i}


def case(tokens=3, levels=None, **shape):
    def make():
        config = config_of(**shape)
        given = operands(config, (tokens,), levels)
        y, _ = run(scan, given, config)
        outputs, inputs = {"o": config.o_beat.pack(y=y)}, words(config, given)
        if config.spilled:
            after = [state_words(config, h) for h in states_after(given, config)]
            inputs["i_state"] = [0x5A] * config.state_words + list(chain(*after[:-1]))
            outputs["o_state"] = list(chain(*after))
        cycles = ScanTiming(config).cycles(tokens)
        return Case(lambda: rtl.Scan(config), inputs, outputs, cycles)

    return make


FADING, RISING = (24, 12, 0), (0, 12, 24)
CASES = {
    "d8s8_one_by_one": case(),
    "d8s16x8_two_groups": case(heads=4, lanes=8, state=16, groups=2, channels=2, states=4),
    "h1d24s8x2_fading": case(levels=FADING, heads=1, head_dim=24, lanes=2, channels=2, states=8),
    "h3d16s16x2_rising": case(
        levels=RISING, bits=4, heads=3, head_dim=16, lanes=2, state=16, states=16
    ),
    "d8s16x4_gathered": case(lanes=4, state=16, groups=2, channels=4, states=1, h_group=16),
    "d8s16x8_spilled": case(
        heads=4, lanes=8, state=16, groups=2, channels=2, states=4, spilled=True
    ),
    "h3d16s16x2_spilled": case(
        levels=RISING, bits=4, heads=3, head_dim=16, lanes=2, state=16, states=16, spilled=True
    ),
}
test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(CASES, rtl)


def test_parallelism_changes_no_code():
    given, expected = None, None
    for lanes, channels, states_ in [(1, 1, 1), (2, 1, 4), (4, 4, 2), (8, 2, 8)]:
        config = config_of(state=8, lanes=lanes, channels=channels, states=states_)
        given = given or operands(config, (2,))
        count = config.heads * config.head_dim * 2 // lanes
        got = run_streams(rtl.Scan(config), words(config, given), {"o": [0] * count})
        y = config.o_beat.unpack(got.outputs["o"])["y"].ravel().tolist()
        expected = expected or y
        assert y == expected


@pytest.mark.parametrize("accept", [1.0, 0.5])
def test_layers_in_turn_keep_their_states_apart(accept):
    config = dataclasses.replace(config_of(), layers=2)
    given = operands(config, (6,))
    y = np.empty((6, config.heads * config.head_dim), np.int64)
    for layer in range(2):
        its = [part[layer::2] for part in flat(given)]
        y[layer::2], _ = run(scan, (*its[:4], its[4:6], its[6:]), config)
    outputs = {"o": config.o_beat.pack(y=y)}
    got = run_streams(rtl.Scan(config), words(config, given), outputs, accept=accept)
    assert got.outputs == outputs
    assert got.cycles == ScanTiming(config).cycles(6) or accept < 1


def test_state_is_readable_and_zero_after_reset():
    config = config_of(state=16, lanes=4, channels=2, states=4, groups=2)
    given = operands(config, (1,))
    y, h = run(scan, given, config)
    m, reset, dut = Module(), Signal(), rtl.Scan(config)
    m.submodules.dut = ResetInserter(reset)(dut)
    inputs, received = words(config, given), []

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        for _ in range(2):
            for name, beats in inputs.items():
                await put(ctx, getattr(dut, name), beats)
            await ctx.tick().repeat(30)
            state = [ctx.get(Value.cast(dut.state[at])) for at in range(config.state_words)]
            assert state == state_words(config, h)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)

    async def drain(ctx):
        async for _, _, valid, word in ctx.tick().sample(dut.o.valid, Value.cast(dut.o.payload)):
            received.extend([word] * valid)

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.add_testbench(drain, background=True)
    sim.run()
    assert received == config.o_beat.pack(y=y) * 2


async def put(ctx, port, beats):
    for word in beats:
        ctx.set(Value.cast(port.payload), word)
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)


def state_words(config, h):
    """Words of the state memory: channel tile after channel tile, each by state tile."""
    repeats = max(1, config.h.group // config.states)
    tiles = [
        part.reshape(-1, config.channels, config.state_tiles, part.shape[-1] // config.state_tiles)
        for part in (h[0], np.repeat(h[1], repeats, axis=-1))
    ]
    codes_, exponents = (np.moveaxis(part, 2, 1) for part in tiles)
    return config.state_beat.pack(codes=codes_, exponents=exponents)


@pytest.mark.parametrize("shape", [{}, {"bits": 4, "heads": 3, "groups": 3}, {"h_group": 16}])
@pytest.mark.parametrize("leading", [(), (5,), (2, 3), (0,)], ids=str)
def test_kernel_agrees(shape, leading, monkeypatch):
    config = config_of(state=32, **shape)
    given = *operands(config, leading), states(config, leading), config
    expected = np.concatenate(everything(scan(*given)))
    monkeypatch.setattr(kernels.unit, "scan", None)  # compiled, not handed on
    np.testing.assert_array_equal(np.concatenate(everything(scan_kernel(*given))), expected)


def everything(result):
    y, (codes_, exponents) = result
    return y.ravel(), codes_.ravel(), exponents.ravel()


def test_kernel_agrees_token_after_token_and_on_lists():
    config = config_of(state=32, groups=2)
    given = operands(config, (6,), levels=(24, 18, 12, 0, 18, 24))
    expected = np.concatenate(everything(run(scan, given, config)))
    np.testing.assert_array_equal(
        np.concatenate(everything(run(scan_kernel, given, config))), expected
    )
    *vectors, b, c = operands(config, ())
    h = states(config, ())
    lists = [each.tolist() for each in (*vectors, *b, *c, *h)]
    got = scan_kernel(*lists[:4], lists[4:6], lists[6:8], lists[8:], config)
    for one, other in zip(
        everything(got), everything(scan(*vectors, b, c, h, config)), strict=True
    ):
        np.testing.assert_array_equal(one, other, strict=True)


def test_kernel_may_update_the_state_in_place():
    config = config_of(state=32)
    given, h = operands(config, ()), states(config, ())
    y, after = scan(*given, h, config)
    read, kept = np.empty_like(y), [part.ravel() for part in h]
    scan_codes(*flat(given), *kept, read, *kept, *scan_arguments(config))
    for got, expected in zip((read, *kept), everything((y, after)), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_stimulus_reaches_the_arithmetic():
    config = config_of(heads=8, head_dim=32, state=64)
    given = operands(config, (4,))
    y, (h, exponents) = run(scan, given, config)
    values = config.h.expand(h, exponents)
    assert 0.01 < np.isin(y, [STREAM.min_code, STREAM.max_code]).mean() < 0.3
    assert (y == given[3]).mean() < 0.3
    assert (h == 0).mean() < 0.5
    assert len(np.unique(exponents)) > 15
    assert (values >= 127 << config.h.max_exponent).any()
    assert (values <= -127 << config.h.max_exponent).any()


def exact_update(config, given, h):
    """The state (heads, head_dim, state) before it is narrowed, in units of its last place."""
    decay, drive, exponents, _, b, _ = given
    shape = (config.heads, config.head_dim, 1)
    kept = config.h.expand(*h).astype(object) * decay[:, None, None]
    driven = config.drive.drive.expand(drive, exponents).astype(object).reshape(shape)
    added = driven * by_head(config, config.b.expand(*b)).astype(object)
    fracs = config.h.frac + config.drive.decay.frac, config.drive.drive.frac + config.b.frac
    return scaled(kept, config.h.frac - fracs[0]) + scaled(added, config.h.frac - fracs[1])


def by_head(config, vector):
    """B or C (groups * state,) as (heads, 1, state)."""
    parts = vector.reshape(config.groups, 1, config.state)
    return parts[np.arange(config.heads) // (config.heads // config.groups)]


def scaled(codes_, bits):
    """`codes_ * 2**bits` as exact fractions."""
    return codes_ * Fraction(2) ** bits


def nearest(fractions, fmt):
    floors = np.vectorize(lambda each: floor(each + Fraction(1, 2)), otypes=[object])(fractions)
    return np.clip(floors, fmt.min_code, fmt.max_code).astype(np.int64)


@pytest.mark.parametrize("groups", [1, 2])
def test_update_and_output_are_the_nearest_codes(groups):
    config = config_of(h_bits=STATE.width, state=16, groups=groups)
    given, h = operands(config, ()), states(config, ())
    y, (codes_, exponents) = scan(*given, h, config)
    np.testing.assert_array_equal(codes_, nearest(exact_update(config, given, h), STATE))
    assert not exponents.any()
    *_, skip, _, c = given
    read = codes_.astype(object) * by_head(config, config.c.expand(*c)).astype(object)
    exact = scaled(read.sum(axis=-1).ravel(), config.o.frac - config.h.frac - config.c.frac)
    np.testing.assert_array_equal(y, nearest(exact + skip, config.o))


def test_state_never_grows_without_a_drive():
    config = config_of(heads=8, state=32)
    decay, drive, exponents, skip, b, c = operands(config, ())
    h = states(config, ())
    before = np.abs(config.h.expand(*h))
    for _ in range(3):
        _, h = scan(decay, drive * 0, exponents, skip, b, c, h, config)
        after = np.abs(config.h.expand(*h))
        assert (after <= before).all()
        before = after


def test_no_decay_code_forgets_the_past():
    config = config_of(state=32)
    decay, *rest = operands(config, ())
    one = scan(decay * 0, *rest, states(config, ()), config)
    other = scan(decay * 0, *rest, zeros(config), config)
    np.testing.assert_array_equal(
        np.concatenate(everything(one)), np.concatenate(everything(other))
    )


def test_a_head_reads_b_and_c_of_its_group():
    config = config_of(heads=4, groups=2)
    decay, drive, exponents, skip, b, c = operands(config, ())
    h = states(config, ())
    y, after = scan(decay, drive, exponents, skip, b, c, h, config)
    changed = (np.append(b[0][:8], b[0][8:] ^ 1), b[1]), (np.append(c[0][:8], c[0][8:] ^ 1), c[1])
    y_changed, after_changed = scan(decay, drive, exponents, skip, *changed, h, config)
    half = config.heads // 2
    np.testing.assert_array_equal(y[: half * 8], y_changed[: half * 8])
    np.testing.assert_array_equal(after[0][:half], after_changed[0][:half])
    assert (y[half * 8 :] != y_changed[half * 8 :]).any()


@pytest.mark.parametrize("function", [scan, scan_kernel])
@pytest.mark.parametrize(
    ("at", "wrong", "message"),
    [
        (0, [1 << 16, 0], r"^decay\[0\] = 65536 does not fit u16f16 \(0\.\.65535\)$"),
        (2, [27, 0], r"^drive exponents must be at most 26, not 27$"),
        (3, [0.5] * 16, r"^skip must hold integer codes, not float64$"),
        (4, ([0] * 8, [13]), r"^b exponents must be at most 12, not 13$"),
        (
            5,
            ([0] * 16, [0]),
            r"^c must have 8 codes for each exponent, not shapes \(16,\) and \(1,\)$",
        ),
        (
            6,
            ([[[128] * 8] * 8] * 2, [[[0]] * 8] * 2),
            r"^h\[0, 0, 0\] = 128 does not fit s8f16 \(-128\.\.127\)$",
        ),
        (0, [0, 0, 0], r"^operands could not be broadcast together"),
    ],
)
def test_refuses_codes_out_of_range(function, at, wrong, message):
    config = config_of()
    given = [*operands(config, ()), zeros(config)]
    given[at] = tuple(map(np.array, wrong)) if at > 3 else np.array(wrong)
    with pytest.raises((OverflowError, TypeError, ValueError), match=message):
        function(*given, config)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"heads": 3, "groups": 2}, r"scan groups must divide heads = 3, not 2"),
        (
            {"lanes": 4, "channels": 8},
            r"scan channels must divide lanes = 4, not 8; use 4 or a smaller power of two",
        ),
        (
            {"state": 24, "states": 16},
            r"scan states must divide state = 24, not 16; use 8 or a smaller power of two",
        ),
        (
            {"state": 12, "h_group": 4},
            r"scan b group must divide the state = 12, not 8; use 4 or a smaller power of two",
        ),
        (
            {"h_group": 16},
            r"scan h group must divide the state = 8, not 16; use 8 or a smaller power of two",
        ),
    ],
)
def test_refuses_a_shape_that_does_not_divide(changed, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        config_of(**changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"o": Fixed(20, 12)}, r"scan o must be that of the skip = s24f12, not s20f12"),
        (
            {"c": Block(8, 8, Fixed(20, -5))},
            r"scan o must have at most 11 fractional bits, not 12",
        ),
        (
            {"b": Block(8, 8, Fixed(30, 12))},
            r"scan decay \* h \+ drive \* B of b8g8 of s28f16, b8g8 of s34f22 and b8g8 of s30f12 "
            r"must fit 62 bits, not 64; use narrower source formats",
        ),
        (
            {"c": Block(8, 8, Fixed(40, 12))},
            r"scan sum of 8 products of b8g8 of s40f12 and b8g8 of s28f16 must fit 62 bits, "
            r"not 71; use narrower source formats",
        ),
    ],
)
def test_refuses_formats_that_do_not_add_up(changed, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        dataclasses.replace(config_of(), **changed)
