"""Matvec: its faces agree at any parallelism, and its sums are those of the exact numbers."""

import re
from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from hwsim.units.matvec import MatvecTiming
from models.beats import pack_block
from models.formats import Block, Fixed
from models.images import matrix_pass, pack_matrix
from models.kernels.matvec import matvec as matvec_kernel
from models.scales import Scale
from models.units.matvec import MatvecConfig, matvec
from rtl.units import matvec as rtl
from tests.faces import Case, faces
from tests.stimulus import blocks, codes

SMALL = MatvecConfig(
    x=Block(8, 8, Fixed(20, 12)),
    weight=Fixed(8),
    group=32,
    scale=Scale("pot2", 22),
    o=Fixed(24, 12),
    max_rows=24,
    max_columns=64,
)
"""Rows of 48 columns end in a short weight group."""

W4A4 = replace(SMALL, x=Block(4, 8, Fixed(20, 12)), weight=Fixed(4), scale=Scale("pot", 15))


def operands(rows, columns, config, seed=0):
    x = blocks(config.x, (columns,), seed)
    weights = codes(config.weight, (rows, columns), seed + 1)
    groups = -(-columns // config.group)
    scales = np.random.default_rng(seed).integers(
        0, config.scale.code.max_code, (rows, groups), endpoint=True
    )
    bias = codes(config.o, (rows,), seed + 2) if config.bias else None
    return *x, weights, scales, bias


def case(config, *matrices, **parallel):
    """Passes over `matrices` of (rows, columns)."""

    def make():
        parallel_config = replace(config, **parallel)
        words = {"i_pass": [], "i": []}
        outputs, passes = [], []
        for seed, (rows, columns) in enumerate(matrices):
            *x, weights, scales, bias = operands(rows, columns, config, seed)
            beats, tiles = matrix_pass(rows, columns, parallel_config)
            passes.append((beats, tiles))
            image = pack_matrix(weights, scales, bias, parallel_config)
            image["i"] = pack_block(config.x, parallel_config.lanes, *x)
            image["i_pass"] = parallel_config.pass_beat.pack(beats=beats, tiles=tiles)
            for port, more in image.items():
                words[port] = words.get(port, []) + more
            expected = matvec(*x, weights, scales, bias, config)
            filled = np.zeros(tiles * parallel_config.rows, np.int64)
            filled[:rows] = expected
            outputs += parallel_config.o_beat.pack(y=filled)
        cycles = MatvecTiming(parallel_config).cycles(passes)
        return Case(lambda: rtl.Matvec(parallel_config), words, {"o": outputs}, cycles)

    return make


TWO = (24, 48), (10, 32)
BIASED = replace(SMALL, bias=True)
MANTISSA = replace(SMALL, scale=Scale("mantissa", 23), bias=True)

test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    {
        "2x2x1": case(W4A4, (8, 48), (3, 16), rows=2, columns=2, lanes=1),
        "4x4x4": case(BIASED, *TWO, rows=4, columns=4, lanes=4),
        "8x8x8": case(MANTISSA, *TWO, rows=8, columns=8, lanes=8),
        "4x16x4": case(BIASED, *TWO, *TWO, rows=4, columns=16, lanes=4),
        "16x2x2": case(replace(MANTISSA, group=16), *TWO, rows=16, columns=2, lanes=2),
        "scale_on_every_edge": case(replace(W4A4, group=8), *TWO, rows=4, columns=8, lanes=4),
        "output_bound": case(W4A4, (24, 16), (5, 8), (12, 16), (12, 8), rows=6, columns=4, lanes=1),
        "one_word": case(
            replace(BIASED, max_columns=8), (5, 8), (3, 8), rows=2, columns=8, lanes=2
        ),
    },
    rtl,
)


each_config = pytest.mark.parametrize(
    "config", [SMALL, W4A4, BIASED, MANTISSA], ids=["pot2", "pot", "biased", "mantissa"]
)


@each_config
def test_kernel_agrees(config):
    *x, weights, scales, bias = operands(24, 48, config)
    expected = matvec(*x, weights, scales, bias, config)
    assert matvec_kernel(*x, weights, scales, bias, config).tolist() == expected.tolist()
    stored = weights.astype(np.int8), scales.astype(np.int16)
    assert matvec_kernel(*x, *stored, bias, config).tolist() == expected.tolist()
    batch = [np.stack([part, part[::-1]]).reshape(2, 1, -1) for part in x]
    expected = matvec(*batch, weights, scales, bias, config)
    assert matvec_kernel(*batch, *stored, bias, config).tolist() == expected.tolist()


@each_config
def test_result_is_the_nearest_code(config):
    codes_, exponents, weights, scales, _ = operands(24, 48, config)
    decoded = config.scale.decode(scales).repeat(config.group, axis=1)[:, :48]
    x = config.x.expand(codes_, exponents)
    exact = (weights * decoded.astype(object) * x).sum(axis=1)  # Python's integers
    result = matvec(codes_, exponents, weights, scales, None, config).astype(object)
    inside = (result > config.o.min_code) & (result < config.o.max_code)
    assert inside.sum() > 20
    assert (abs(result) > 1).sum() > 20
    error = (exact - (result << config.shift))[inside]
    half = 1 << config.shift - 1
    assert error.min() >= -half
    assert error.max() < half


def test_ties_round_up():
    config = replace(SMALL, scale=Scale("pot", 22))
    half = [64, 0, 0, 0, 0, 0, 0, 0]  # times x = 2**6 and the scale 2**9: half of 2**22
    three = [64, 64, 64, 0, 0, 0, 0, 0]
    weights = [half, np.negative(half), three, np.negative(three)]
    assert matvec([64] * 8, [0], weights, [[9]] * 4, None, config).tolist() == [1, 0, 2, -1]


@pytest.mark.parametrize("kernel", [matvec, matvec_kernel])
def test_saturates_after_the_bias(kernel):
    weights, scales = [[127] * 16, [-128] * 16, [0] * 16], [[255]] * 3
    x = np.full(16, 127), np.full(2, SMALL.x.max_exponent)
    assert kernel(*x, weights, scales, None, SMALL).tolist() == [2**23 - 1, -(2**23), 0]
    bias = [-(2**23), -1, 5]
    reached = matvec(*x, weights, scales, bias, replace(SMALL, o=Fixed(40, 12)))
    expected = np.clip(reached, -(2**23), 2**23 - 1)
    assert kernel(*x, weights, scales, bias, BIASED).tolist() == expected.tolist()


def test_weights_wait_for_the_vector():
    config = replace(SMALL, rows=4, columns=8, lanes=4)
    dut = rtl.Matvec(config)
    ready = []

    async def testbench(ctx):
        ctx.set(dut.i_pass.payload, {"beats": [4], "tiles": [1]})
        ctx.set(dut.i_pass.valid, 1)
        ctx.set(dut.i_weights.valid, 1)
        ctx.set(dut.i.valid, 1)
        for _ in range(7):
            *_, accepted = await ctx.tick().sample(dut.i_weights.ready)
            ready.append(accepted)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert ready == [0, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("group", [8, 16])
def test_a_weight_beat_on_every_edge(group):
    timing = MatvecTiming(replace(SMALL, group=group, rows=8, columns=8, lanes=4))
    vector, weights = 16, 100 * 8
    assert timing.cycles([(16, 100)]) == vector + weights + timing.latency + timing.output


def test_matrix_is_packed_in_the_order_of_its_beats():
    config = replace(SMALL, group=2, bias=True, rows=2, columns=2, x=Block(8, 4, Fixed(20, 12)))
    weights, scales = np.arange(12).reshape(3, 4), [[1, 2], [3, 4], [5, 6]]
    image = pack_matrix(weights, scales, [7, 8, 9], config)
    beats = {
        "i_weights": (
            config.weight_beat,
            [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 0, 0], [10, 11, 0, 0]],
        ),
        "i_scales": (config.scale_beat, [[1, 3], [2, 4], [5, 0], [6, 0]]),
        "i_bias": (config.bias_beat, [[7, 8], [9, 0]]),
    }
    for port, (beat, expected) in beats.items():
        (taken,) = beat.unpack(image[port]).values()
        assert taken.tolist() == expected
    assert pack_matrix(weights, scales, None, config)["i_bias"] == [0, 0]
    assert matrix_pass(3, 4, config) == (4, 2)


def test_a_large_matrix_is_packed_as_a_small_one(monkeypatch):
    config = replace(SMALL, rows=8, columns=16, lanes=4)
    *_, weights, scales, bias = operands(24, 48, config)
    whole = pack_matrix(weights, scales, bias, config)
    monkeypatch.setattr("models.images.CHUNK", 1)
    assert pack_matrix(weights, scales, bias, config) == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"group": 8, "columns": 16},
            "matvec columns must divide the weight group = 8, not 16; "
            "use fewer columns or longer weight groups",
        ),
        (
            {"columns": 4, "max_columns": 12},
            "matvec max_columns must be whole groups of 8, not 12; pad the vector",
        ),
        (
            {"o": Fixed(40, 36)},
            "matvec o must have at most 34 fractional bits, not 36; "
            "use fewer, or more in the scale",
        ),
        (
            {"x": Block(8, 8, Fixed(50, 12))},
            "matvec sum of 32 products of s8f0 and b8g8 of s50f12 must fit 62 bits, not 63; "
            "use shorter weight groups or a narrower source format",
        ),
        (
            {"x": Block(8, 8, Fixed(40, 12))},
            "matvec sum of 64 products of s8f0, b8g8 of s40f12 and a pot2 scale must fit 62 bits, "
            "not 70; use a narrower source format or fewer columns",
        ),
        (
            {"rows": 6, "lanes": 4, "columns": 4},
            "matvec lanes must divide rows = 6, not 4; use 2 or a smaller power of two",
        ),
    ],
)
def test_refuses_a_configuration(change, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(SMALL, **change)


SHAPES = {
    "weights": (
        {"weights": np.zeros((4, 40), int)},
        "matvec weights must have shape (4, 48), not (4, 40); "
        "the vector has 48 columns in weight groups of 32",
    ),
    "scales": (
        {"scales": np.zeros((4, 1), int)},
        "matvec scales must have shape (4, 2), not (4, 1); "
        "the vector has 48 columns in weight groups of 32",
    ),
    "bias": (
        {"bias": np.zeros(3, int)},
        "matvec bias must have shape (4,), not (3,); "
        "the vector has 48 columns in weight groups of 32",
    ),
    "columns": (
        {"codes": np.zeros(72, int), "exponents": np.zeros(9, int)},
        "matvec codes must have at most max_columns = 64 columns, not 72; make max_columns larger",
    ),
}


@pytest.mark.parametrize("kernel", [matvec, matvec_kernel])
@pytest.mark.parametrize(("change", "message"), SHAPES.values(), ids=SHAPES)
def test_refuses_arrays_that_disagree(kernel, change, message):
    names = ("codes", "exponents", "weights", "scales", "bias")
    arrays = dict(zip(names, operands(4, 48, SMALL), strict=True)) | change
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        kernel(**arrays, config=SMALL)


@pytest.mark.parametrize("kernel", [matvec, matvec_kernel])
def test_refuses_weights_out_of_range(kernel):
    *x, weights, scales, bias = operands(4, 48, W4A4)
    weights = weights.astype(np.int8)
    weights[2, 5] = 8
    with pytest.raises(OverflowError, match=r"^weights\[2, 5\] = 8 does not fit s4f0 \(-8..7\)$"):
        kernel(*x, weights, scales, bias, W4A4)


def test_packing_refuses_what_the_unit_cannot_take():
    config = replace(SMALL, rows=4, columns=16, lanes=4)
    weights, scales = np.zeros((4, 40), int), np.zeros((4, 2), int)
    message = (
        "matvec matrix must have a multiple of columns = 16 columns, not 40; "
        "use fewer columns in parallel"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pack_matrix(weights, scales, None, config)
    message = "matvec bias must be None for a unit without biases; configure it with bias=True"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pack_matrix(weights[:, :32], scales[:, :1], np.zeros(4, int), config)
