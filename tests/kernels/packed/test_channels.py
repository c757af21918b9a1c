"""Units that work channel by channel give the codes of the units, past whole vectors too."""

from dataclasses import replace

import numpy as np
import pytest

from models.kernels.discretize import channel_arguments, delta_arguments, step_codes
from models.kernels.packed.blocks import BLOCK
from models.kernels.packed.channels import conv1d_codes, drive_codes, gate_codes
from models.kernels.packed.lanes import LANES
from models.networks.mamba2 import reference_units
from models.precision import Precision
from models.units.conv1d import conv1d
from models.units.discretize import discretize
from models.units.gate import gate
from tests.networks.examples import ODD
from tests.stimulus import blocks, codes

UNITS = reference_units(ODD, Precision())


def padded(array, kind):
    """`array` with what lanes reach past the end, filled with what must not matter."""
    widths = [(0, 0)] * (array.ndim - 1) + [(0, LANES)]
    return np.pad(array, widths, constant_values=1).astype(kind)


@pytest.mark.parametrize("newest", range(4))
def test_conv1d(newest):
    config, first, count = UNITS.conv1d, 24, 40
    shape = (config.taps, config.channels)
    window, taps = blocks(config.x, shape, newest), blocks(config.tap, shape, newest + 10)
    bias = codes(config.o, shape[1:], newest + 20)
    expected = conv1d(*window, *taps, bias, config)
    ring = [np.roll(part, newest + 1, axis=0) for part in window]
    out = np.zeros(count + LANES, np.int32)
    conv1d_codes(
        padded(ring[0], np.int8), padded(ring[1], np.int8), newest,
        padded(taps[0], np.int16), padded(taps[1], np.int8), padded(bias, np.int64), first, count,
        config.shift, config.o.min_code, config.o.max_code, out,
    )  # fmt: skip
    assert out[:count].tolist() == expected[first : first + count].tolist()


@pytest.mark.parametrize("seed", range(6))
def test_gate(seed):
    config, count = UNITS.gate, 24
    y, z = blocks(config.y, (count,), seed), blocks(config.z, (count,), seed + 10)
    out = np.zeros(count + LANES, np.int32)
    halves = (padded(part, np.int8) for part in (*y, *z))
    limits = config.shift, config.o.min_code, config.o.max_code
    gate_codes(*halves, count, *limits, out)
    assert out[:count].tolist() == gate(*y, *z, config).tolist()


@pytest.mark.parametrize("drive_bits", [8, 6])
@pytest.mark.parametrize("seed", range(6))
def test_drives_and_skips(seed, drive_bits):
    """Only drives of fewer bits than x saturate."""
    config = replace(UNITS.discretize, drive_bits=drive_bits)
    count = config.head_dim
    dt, bias = (codes(config.dt, (config.heads,), seed + more) for more in (0, 10))
    rate = codes(config.rate, (config.heads,), seed + 20)
    skip = codes(config.skip, (config.heads,), seed + 30)
    x, exponents = blocks(config.x, (config.heads * count,), seed + 40)
    decay, *drive, skipped = discretize(dt, bias, rate, skip, x, exponents, config)
    values = config.drive.expand(*drive)
    for head in range(config.heads):
        step = step_codes(dt[head] + bias[head], rate[head], *delta_arguments(config))
        assert step[0] == decay[head]
        some = slice(head * count, (head + 1) * count)
        some_groups = slice(head * count // BLOCK, (head + 1) * count // BLOCK)
        driven, got = np.zeros(count + LANES), np.zeros(count + LANES, np.int32)
        largest = drive_codes(
            padded(x[some], np.int8), padded(exponents[some_groups], np.int8),
            step[1], step[2], skip[head], count, *channel_arguments(config), driven, got,
        )  # fmt: skip
        assert driven[:count].tolist() == values[some].tolist()
        assert got[:count].tolist() == skipped[some].tolist()
        assert largest >= abs(values[some]).max()
