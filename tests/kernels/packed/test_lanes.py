"""Lanes compute, sixteen at a time, what numpy computes."""

import numpy as np
import pytest
from numba import njit

from models.kernels.packed.dot import dot, portable_dot
from models.kernels.packed.lanes import (
    LANES,
    any_above,
    bit_length,
    least,
    low_words,
    most,
    power_of_two,
    real,
    splat,
    swap_1,
    swap_2,
    swap_4,
    swap_8,
    widen,
)
from models.kernels.packed.memory import OFFSET, load, load_offset, load_pair, store, store_pair

EXTREMES = np.array([-(2**31), 2**31 - 1, -1, 0, 1, -128, 127, 2**16])


def words(seed, kind=np.int32):
    """Sixteen integers of all magnitudes."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(-(2**31), 2**31, LANES) >> rng.integers(0, 32, LANES)
    drawn[:8] = rng.permutation(EXTREMES)
    return drawn.astype(kind)


@njit
def arithmetic(a, b, outs):
    x, y, shift = load(a, 0), load(b, 0), splat(np.int32(5))
    store(outs[0], 0, x + y)
    store(outs[1], 0, x - y)
    store(outs[2], 0, x * y)
    store(outs[3], 0, x & y)
    store(outs[4], 0, x | y)
    store(outs[5], 0, x ^ y)
    store(outs[6], 0, x << shift)
    store(outs[7], 0, x >> shift)
    store(outs[8], 0, least(x, y))
    store(outs[9], 0, most(x, y))


def test_integers():
    a, b = words(1), words(2)
    outs = np.zeros((10, LANES), np.int32)
    arithmetic(a, b, outs)
    expected = [a + b, a - b, a * b, a & b, a | b, a ^ b, a << 5, a >> 5]
    expected += [np.minimum(a, b), np.maximum(a, b)]
    assert outs.tolist() == np.array(expected).tolist()


@njit
def conversions(a, codes, wide, floats, shorts):
    x = load(a, 0)
    store(wide[0], 0, widen(x) * widen(x))
    store(wide[1], 0, load(wide[0], 0) >> splat(np.int64(3)))
    store(floats[0], 0, real(x) * splat(0.5) - splat(0.25))
    store(floats[1], 0, power_of_two(load(codes, 0)))
    store(floats[2], 0, load_offset(codes, 0))
    store(shorts[0], 0, low_words(real(load(codes, 0)) + splat(1.5 * 2.0**52)))
    store(shorts[1], 0, bit_length(x & splat(np.int32(0x7FFFFFFF))))


def test_conversions():
    a, codes = words(3), np.arange(-128, 128, 17).astype(np.int8)
    wide, floats = np.zeros((2, LANES), np.int64), np.zeros((3, LANES))
    shorts = np.zeros((2, LANES), np.int32)
    conversions(a, codes, wide, floats, shorts)
    squares = a.astype(np.int64) ** 2
    assert wide.tolist() == [squares.tolist(), (squares >> 3).tolist()]
    assert floats.tolist() == [
        (a * 0.5 - 0.25).tolist(),
        (2.0**codes).tolist(),
        (codes + OFFSET).tolist(),
    ]
    lengths = [int(word & 0x7FFFFFFF).bit_length() for word in a]
    assert shorts.tolist() == [codes.tolist(), lengths]


@njit
def moved(a, outs, pairs):
    x = load(a, 0)
    store(outs[0], 0, swap_1(x))
    store(outs[1], 0, swap_2(x))
    store(outs[2], 0, swap_4(x))
    store(outs[3], 0, swap_8(x))
    store(outs[4], 0, load_pair(a, 3))
    store_pair(pairs, 1, x)
    return any_above(x, splat(np.int32(2**31 - 2))), any_above(x, splat(np.int32(2**31 - 1)))


def test_moves():
    a, outs, pairs = words(4), np.zeros((5, LANES), np.int32), np.zeros(4, np.int8)
    assert moved(a, outs, pairs) == (True, False)
    lanes = np.arange(LANES)
    swaps = [a[lanes ^ distance].tolist() for distance in (1, 2, 4, 8)]
    assert outs.tolist() == [*swaps, [a[3]] * 8 + [a[4]] * 8]
    assert pairs.tolist() == [0, *a[[0, 8]].astype(np.int8), 0]


@njit
def dots(total, weights, x, outs):
    start, some = load(total, 0), load(weights, 0)
    store(outs[0], 0, dot(start, some, x))
    store(outs[1], 0, portable_dot(start, some, x))


@pytest.mark.parametrize("seed", range(8))
def test_dot_and_its_portable_form(seed):
    rng = np.random.default_rng(seed)
    weights = rng.choice([0, 1, 127, 128, 255, *rng.integers(0, 256, 5)], (LANES, 4))
    x = rng.choice([-128, -1, 0, 127, *rng.integers(-128, 128, 4)], 4)
    total, outs = words(seed) >> 4, np.zeros((2, LANES), np.int32)
    packed = weights.astype(np.uint8).view(np.int32).reshape(-1)
    dots(total, packed, x.astype(np.int8).view(np.int32)[0], outs)
    expected = total + weights @ x
    assert outs.tolist() == [expected.tolist()] * 2
