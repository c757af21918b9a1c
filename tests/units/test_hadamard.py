"""Hadamard: its faces agree at any width, it multiplies by a Hadamard matrix, and rounds once."""

import re

import numpy as np
import pytest
from amaranth.lib.memory import Memory

from hwsim.units.hadamard import HadamardTiming
from hwsim.units.matvec import MatvecTiming
from models.formats import Block, Fixed
from models.kernels.hadamard import hadamard as hadamard_kernel
from models.precision import Precision
from models.scales import Scale
from models.units.hadamard import BASES, HadamardConfig, base_matrix, factors, hadamard, transform
from models.units.matvec import MatvecConfig
from rtl.units import hadamard as rtl
from tests.faces import Case, faces
from tests.stimulus import codes
from tests.streams import run_streams

STREAM, NORMED = Precision().stream, Precision().normed
WIDTHS = [1, 2, 8, 12, 20, 24, 28, 36, 40, 48, 56, 128, 160, 240, 5120]


def config_of(width, lanes=1, i=STREAM, o=NORMED):
    return HadamardConfig(i, o, width, lanes)


def row_of(width, at):
    """A row of H: +-1 in its block, 0 elsewhere."""
    return transform(np.eye(width, dtype=int)[at], transposed=True)


def vector(config, seed):
    """Codes of one vector; among every six are all of the lowest, all of the highest code, and the
    signs of a row of H with the largest codes, which give the largest sum.
    """
    i, width = config.i, config.width
    match seed % 6:
        case 1:
            return np.full(width, i.max_code)
        case 3:
            return np.full(width, i.min_code)
        case 4:
            row = row_of(width, seed * 7 % width)
            return np.where(row > 0, i.max_code, i.min_code)
        case _:
            # Sums of the unshifted codes saturate nearly all; those of the last ones round.
            return codes(i, (width,), seed) >> [6, 0, 10, 0, 0, 14][seed % 6]


def case(width, lanes, vectors, start=0, i=STREAM, o=NORMED):
    """Vectors one after another, without a pause between them."""

    def make():
        config = config_of(width, lanes, i, o)
        x = np.stack([vector(config, start + at) for at in range(vectors)])
        inputs = {"i": config.i_beat.pack(x=x)}
        outputs = {"o": config.o_beat.pack(y=hadamard(x, config))}
        cycles = HadamardTiming(config).cycles(vectors)
        return Case(lambda: rtl.Hadamard(config), inputs, outputs, cycles)

    return make


CASES = {
    "8x1": case(8, 1, vectors=6),
    "8x2": case(8, 2, vectors=6),
    "8x8": case(8, 8, vectors=6),
    "1x1": case(1, 1, vectors=6),
    "12x1": case(12, 1, vectors=6),
    "24x2": case(24, 2, vectors=4),
    "6x2_of_3_blocks": case(6, 2, vectors=6),
    "32x2_alone": case(32, 2, vectors=1),
}
LARGER = {
    "48x4": case(48, 4, vectors=3, start=4),
    "96x2": case(96, 2, vectors=2, start=2),
    "40x2": case(40, 2, vectors=2, start=4),
    "160x8": case(160, 8, vectors=2, start=2),
    "56x2_narrow": case(56, 2, vectors=2, start=4, i=Fixed(10, 4), o=Fixed(8, 3)),
    "240x4_of_3_blocks": case(240, 4, vectors=1),
}
LARGEST = {f"{width}x8": case(width, 8, vectors=3, start=2) for width in (128, 160, 256, 320, 5120)}

test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(CASES, rtl)
test_larger_rtl_agrees, test_larger_timing_agrees, test_larger_verilog_agrees, _ = faces(
    LARGER, rtl
)
_, _, test_largest_verilog_agrees, _ = faces(LARGEST, rtl)


def wrong_sign_in_a_row(patch):
    matrix = base_matrix(12).copy()
    matrix[3, 5] *= -1
    patch.setattr(rtl, "base_matrix", lambda base: matrix)


def short_delay_line(patch):
    def memory(shape, depth, init):
        return Memory(shape=shape, depth=depth - (depth == 4), init=init)

    patch.setattr(rtl, "Memory", memory)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (wrong_sign_in_a_row, "12x1"),
        (wrong_sign_in_a_row, "24x2"),
        (short_delay_line, "8x1"),
    ],
)
def test_fault_in_the_transform_is_caught(fault, name, monkeypatch):
    fault(monkeypatch)
    each = CASES[name]()
    run = run_streams(each.component(), each.inputs, each.outputs)
    assert run.outputs != each.outputs


@pytest.mark.parametrize(("width", "lanes"), [(32, 2), (24, 2), (40, 1)])
def test_first_result_comes_as_predicted(width, lanes):
    each = case(width, lanes, vectors=1)()
    first = {"o": each.outputs["o"][:1]}
    run = run_streams(each.component(), each.inputs, first)
    assert (run.outputs, run.cycles) == (first, HadamardTiming(config_of(width, lanes)).latency)


@pytest.mark.parametrize("name", ["8x2", "24x2"])
def test_vectors_with_pauses_between_them(name):
    each = CASES[name]()
    run = run_streams(each.component(), each.inputs, each.outputs, offer=0.1)
    assert run.outputs == each.outputs


def test_the_pipeline_of_a_wide_network():
    timing = HadamardTiming(config_of(5120, lanes=8))
    assert timing.beats == 640
    assert timing.latency == 657  # 18 edges after the last of the codes that each result needs
    assert timing.block_interval == 1218
    assert timing.cycles(1) == 657 + 639
    assert HadamardTiming(config_of(1024, lanes=8)).block_interval == 128


def test_interval_is_hidden_behind_out_proj():
    out_proj = MatvecConfig(
        Block(4, 8, NORMED), Fixed(4), 128, Scale("pot", 16), STREAM, max_rows=2560,
        max_columns=5120, rows=32, columns=32, lanes=8,
    )  # fmt: skip
    weights = MatvecTiming(out_proj).cycles([(640, 2560 // 32)])
    assert 10 * HadamardTiming(config_of(5120, lanes=8)).block_interval < weights


@pytest.mark.parametrize("width", WIDTHS)
def test_factors_are_the_largest_that_divide(width):
    sizes = {base << k: (base, 1 << k) for base in BASES for k in range(14)}
    largest = max(n for n in sizes if width % n == 0)
    assert factors(width) == (width // largest, *sizes[largest])


@pytest.mark.parametrize("base", BASES)
def test_base_is_a_hadamard_matrix(base):
    matrix = base_matrix(base)
    assert set(matrix.ravel().tolist()) <= {1, -1}
    np.testing.assert_array_equal(matrix @ matrix.T, base * np.eye(base, dtype=int))
    assert (matrix[0] == 1).all()
    assert (matrix[:, 0] == 1).all()


@pytest.mark.parametrize("width", WIDTHS)
def test_transform_is_the_product_with_the_matrix(width):
    blocks, base, points = factors(width)
    b = np.arange(points)
    sylvester = 1 - 2 * (np.bitwise_count(b[:, None] & b) & 1).astype(int)
    x = codes(STREAM, (2, width), seed=width)
    y = x.reshape(2, blocks, base, points) @ sylvester
    expected = np.einsum("ij,ntjb->ntib", base_matrix(base), y).reshape(2, width)
    np.testing.assert_array_equal(transform(x), expected)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("first", [False, True])
def test_transposed_transform_undoes_it(width, first):
    blocks, *_ = factors(width)
    x = codes(STREAM, (3, width), seed=0)
    back = transform(transform(x, transposed=first), transposed=not first)
    np.testing.assert_array_equal(back, width // blocks * x)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint64, bool])
def test_integers_of_any_type_are_transformed_exactly(dtype):
    x = np.full(
        160, 1 if dtype is bool else np.iinfo(dtype).max >> np.iinfo(dtype).bits // 3, dtype
    )
    y = transform(x)
    assert y.dtype == np.int64
    assert y.tolist() == [160 * int(x[0])] + [0] * 159


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type(dtype):
    x = np.random.default_rng(0).normal(size=(4, 2, 240)).astype(dtype)
    y = transform(x)
    assert y.dtype == dtype
    error = np.abs(transform(y, transposed=True) / 80 - x).max()
    assert error < 20 * np.finfo(dtype).eps


def test_transform_refuses_integers_whose_sums_could_overflow():
    assert transform(np.full(8, (2**63 - 1) // 8)).tolist() == [2**63 - 8] + [0] * 7
    message = (
        "hadamard sums of 8 integers must fit 64 bits, but one is 1152921504606846976 in magnitude"
    )
    with pytest.raises(OverflowError, match=f"^{re.escape(message)}$"):
        transform(np.full(8, -(2**60)))


@pytest.mark.parametrize("width", [w for w in WIDTHS if w < 1000])
def test_total_is_as_wide_as_the_largest_sum(width):
    config = config_of(width)
    x = np.stack([vector(config, 1), vector(config, 3), row_of(width, width - 1)])
    x[2] = np.where(x[2] > 0, config.i.max_code, config.i.min_code)
    sums = config.total.require(transform(x), "sums")
    narrower = Fixed(config.total.width - 1)
    assert sums.max() > narrower.max_code or sums.min() < narrower.min_code


@pytest.mark.parametrize("width", WIDTHS)
def test_gain_is_what_remains_of_a_rotation(width):
    config = config_of(width, o=Fixed(40, 12))
    x = codes(STREAM, (width,), seed=1)
    length = np.linalg.norm(config.o.values(hadamard(x, config)))
    assert length == pytest.approx(config.gain * np.linalg.norm(config.i.values(x)), rel=1e-3)
    assert 2**-0.5 <= config.gain < 2**0.5


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(160,), (3, 240), (2, 2, 24), (0, 8), (5120,)], ids=str)
def test_kernel_agrees(shape, seed):
    config = config_of(shape[-1])
    x = np.resize(vector(config, seed), shape)
    np.testing.assert_array_equal(hadamard_kernel(x, config), hadamard(x, config), strict=True)
    x = x[..., ::-1]
    np.testing.assert_array_equal(hadamard_kernel(x, config), hadamard(x, config), strict=True)


def test_kernel_agrees_on_lists():
    config = config_of(24)
    x = vector(config, 0)
    np.testing.assert_array_equal(hadamard_kernel(x.tolist(), config), hadamard(x, config))


@pytest.mark.parametrize(("width", "seed"), [(8, 0), (24, 0), (160, 0), (240, 0), (5120, 0)])
def test_stimulus_reaches_the_arithmetic(width, seed):
    config = config_of(width)
    y = hadamard(vector(config, seed), config)
    ends = np.isin(y, [config.o.min_code, config.o.max_code])
    assert ends.mean() < 0.9
    assert (y == 0).mean() < 0.5


@pytest.mark.parametrize("seed", [0, 2, 5])
@pytest.mark.parametrize("width", WIDTHS)
def test_result_is_the_nearest_code(width, seed):
    config = config_of(width)
    x = vector(config, seed)
    exact = transform(config.i.values(x)) / 2.0**config.halvings
    np.testing.assert_array_equal(hadamard(x, config), config.o.nearest(exact))


@pytest.mark.parametrize("function", [hadamard, hadamard_kernel])
def test_ties_round_up(function):
    config = config_of(4, i=Fixed(8, 0), o=Fixed(8, 0))
    assert config.shift == 1
    assert function([3, 0, 0, 0], config).tolist() == [2, 2, 2, 2]
    assert function([-3, 0, 0, 0], config).tolist() == [-1, -1, -1, -1]


@pytest.mark.parametrize("function", [hadamard, hadamard_kernel])
@pytest.mark.parametrize("width", WIDTHS[2:])
def test_saturates_at_both_ends(function, width):
    config = config_of(width)
    at = width - 1
    row = row_of(width, at)
    x = np.where(row > 0, config.i.max_code, config.i.min_code)
    assert function(x, config)[at] == config.o.max_code
    assert function(~x, config)[at] == config.o.min_code


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "hadamard width must be at least 1, not 0"),
        ({"lanes": 3}, "hadamard lanes must be a power of two, not 3"),
        (
            {"lanes": 16},
            "hadamard lanes must divide points = 8, not 16; use 8 or a smaller power of two",
        ),
        (
            {"o": Fixed(24, 17)},
            "hadamard o must have at most 16 fractional bits, not 17; add fractional bits to i",
        ),
        (
            {"i": Fixed(55, 12)},
            "hadamard sum of 160 codes of s55f12 must fit 62 bits, not 63; "
            "use a narrower input format",
        ),
        (
            {"i": Fixed(24, 12, signed=False)},
            "hadamard i must be signed, not u24f12; use s25f12",
        ),
    ],
)
def test_refuses_what_cannot_be_built(change, message):
    given = {"i": STREAM, "o": NORMED, "width": 160, "lanes": 8} | change
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        HadamardConfig(**given)


@pytest.mark.parametrize("function", [hadamard, hadamard_kernel])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([0, 1 << 23], "x[1] = 8388608 does not fit s24f12 (-8388608..8388607)"),
        ([0.5, 0.5], "x must hold integer codes, not float64"),
        (
            [0] * 4,
            "hadamard x must have 2 channels, not shape (4,); configure the unit for that width",
        ),
    ],
)
def test_refuses_vectors(function, x, message):
    error = (ValueError, OverflowError, TypeError)
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        function(np.array(x), config_of(2))
