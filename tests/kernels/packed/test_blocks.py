"""Blocks of bytes are those of quantize, whatever the group, the place and the length."""

import numpy as np
import pytest

from models.formats import Block, Fixed
from models.kernels.packed.blocks import BLOCK, quantize_codes
from models.kernels.packed.lanes import LANES
from models.units.quantize import QuantizeConfig, quantize
from tests.stimulus import codes


@pytest.mark.parametrize("group", [8, 16, 64])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("width", [20, 31])
def test_agrees(group, bits, width):
    block, first = Block(bits, group, Fixed(width, 12)), 5
    for seed in range(8):
        count = group * (3 + seed)
        x = codes(block.source, (first + count + LANES,), seed)
        got, exponents = np.zeros(count + LANES, np.int8), np.zeros(count + LANES, np.int8)
        quantize_codes(x.astype(np.int32), first, count, group, bits, got, exponents)
        expected = quantize(x[first : first + count], QuantizeConfig(block))
        assert got[:count].tolist() == expected[0].tolist()
        repeated = np.repeat(expected[1], group // BLOCK)
        assert exponents[: count // BLOCK].tolist() == repeated.tolist()
