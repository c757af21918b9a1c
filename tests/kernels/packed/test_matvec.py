"""Packed products are those of the unit, for every kind of scale and any shape of matrix."""

import re
from dataclasses import replace

import numpy as np
import pytest

from models.formats import Block, Fixed
from models.kernels.packed.matvec import matvec, pack
from models.scales import Scale
from models.units import matvec as unit
from models.units.matvec import MatvecConfig
from tests.stimulus import blocks, codes

W8A8 = MatvecConfig(
    x=Block(8, 8, Fixed(20, 12)),
    weight=Fixed(8),
    group=32,
    scale=Scale("pot2", 20),
    o=Fixed(24, 12),
    max_rows=64,
    max_columns=512,
)
W4A8 = replace(W8A8, weight=Fixed(4), scale=Scale("mantissa", 16), bias=True)
W4A4 = replace(W4A8, x=Block(4, 8, Fixed(20, 12)), scale=Scale("pot", 16))
LONG = replace(W8A8, x=Block(8, 16, Fixed(20, 12)), group=128, scale=Scale("mantissa", 20))
W3A6 = replace(W4A4, x=Block(6, 8, Fixed(20, 12)), weight=Fixed(3), group=40)

each_config = pytest.mark.parametrize(
    "config", [W8A8, W4A8, W4A4, LONG, W3A6], ids=["w8a8", "w4a8", "w4a4", "long", "w3a6"]
)


def matrix(rows, columns, config, seed=0):
    groups = -(-columns // config.group)
    scales = codes(config.scale.code, (rows, groups), seed)
    bias = codes(config.o, (rows,), seed + 1) if config.bias else None
    return codes(config.weight, (rows, columns), seed + 2), scales, bias


@each_config
@pytest.mark.parametrize(("rows", "columns"), [(1, 16), (16, 48), (17, 144), (33, 512)])
def test_agrees(config, rows, columns):
    weights, scales, bias = matrix(rows, columns, config)
    packed = pack(weights.astype(np.int8), scales.astype(np.int16), bias, config)
    for seed in range(6):
        x = blocks(config.x, (columns,), seed)
        x = x[0], x[1] // (1 + seed % 3)  # without saturation too
        expected = unit.matvec(*x, weights, scales, bias, config)
        assert matvec(*x, packed, config).tolist() == expected.tolist()
        assert expected.any()


@each_config
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_beyond_32_bits(config, sign):
    columns = 3 * 128
    weights = np.full((5, columns), config.weight.min_code)
    scales = np.zeros((5, -(-columns // config.group)), np.int64)
    worst = config.x.code.min_code if sign < 0 else config.x.code.max_code
    x = np.full(columns, worst), np.full(columns // config.x.group, config.x.max_exponent)
    wide = replace(config, o=Fixed(50, 12), bias=False)
    expected = unit.matvec(*x, weights, scales, None, wide)
    assert matvec(*x, pack(weights, scales, None, wide), wide).tolist() == expected.tolist()
    if config.weight.width == 8:
        assert abs(expected[0]) << wide.shift >= 3 * 128 * 127 * 2**19


def test_bytes_of_weights():
    weights, scales, _ = matrix(32, 256, W8A8)
    assert pack(weights, scales, None, W8A8).words.nbytes == weights.size
    weights, scales, bias = matrix(32, 256, W4A4)
    assert pack(weights, scales, bias, W4A4).words.nbytes == weights.size // 2


def test_refuses_vectors_and_matrices_that_do_not_fit():
    weights, scales, _ = matrix(4, 64, W8A8)
    packed = pack(weights, scales, None, W8A8)
    x, exponents = blocks(W8A8.x, (48,), 0)
    with pytest.raises(ValueError, match=r"^codes must have shape \(64,\), not \(48,\)$"):
        matvec(x, exponents, packed, W8A8)
    with pytest.raises(OverflowError, match=r"^weights\[0, 0\] = 200 does not fit s8f0"):
        pack(np.full((4, 64), 200), scales, None, W8A8)
    message = "matvec scales must have shape (4, 2), not (4, 1)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        pack(weights, scales[:, :1], None, W8A8)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            replace(W8A8, group=36),
            "packed matvec group must be a multiple of 8, not 36; choose a multiple of 8",
        ),
        (
            replace(W8A8, x=Block(8, 4, Fixed(20, 12))),
            "packed matvec x.group must be a multiple of 8, not 4; choose a multiple of 8",
        ),
        (
            replace(W8A8, weight=Fixed(9)),
            "packed matvec codes and weights must have at most 8 bits, not 8 and 9; use fewer bits",
        ),
    ],
)
def test_refuses_formats_that_it_cannot_pack(config, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pack(*matrix(4, 64, config), config)
