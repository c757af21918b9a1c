"""The scan on bytes is that of the unit, token after token: y and state."""

import re

import numpy as np
import pytest

from models.formats import Fixed
from models.kernels.packed.scan import require_exact, scan, start, unpacked
from models.networks.mamba2 import reference_units
from models.precision import Precision
from models.units import scan as unit
from tests.networks.examples import GROUPED, ODD, PLAIN
from tests.stimulus import blocks, codes


def operands(config, seed, calm):
    """One token; `calm` bits fewer in the drive, without which most updates saturate."""
    inner, vectors = config.heads * config.head_dim, config.groups * config.state
    drive, exponents = blocks(config.drive.drive, (inner,), seed)
    return (
        codes(config.drive.decay, (config.heads,), seed + 1),
        drive,
        np.maximum(exponents - calm, 0),
        codes(config.o, (inner,), seed + 2) >> calm // 2,
        blocks(config.b, (vectors,), seed + 3),
        blocks(config.c, (vectors,), seed + 4),
    )


def zeros(config):
    shape = (config.heads, config.head_dim, config.state)
    groups = (*shape[:-1], config.state // config.h.group)
    return np.zeros(shape, np.int64), np.zeros(groups, np.int64)


@pytest.mark.parametrize(
    ("shape", "precision"),
    [
        (PLAIN, Precision()),
        (GROUPED, Precision()),
        (ODD, Precision()),
        (PLAIN, Precision(group=16)),
        (PLAIN, Precision(scan_bits=5)),
        (ODD, Precision(state=Fixed(20, 10))),
        (GROUPED, Precision(state=Fixed(30, 12))),
    ],
    ids=["plain", "groups", "odd", "long", "5 bits", "short", "wide"],
)
@pytest.mark.parametrize("calm", [0, 10, 18])
def test_agrees(shape, precision, calm):
    config = reference_units(shape, precision).scan
    state, h = start(config), zeros(config)
    for token in range(12):
        token = operands(config, 10 * token, calm)
        expected, h = unit.scan(*token, h, config)
        assert scan(*token, state, config).tolist() == expected.tolist()
        for got, part in zip(unpacked(state, config), h, strict=True):
            np.testing.assert_array_equal(got, part)
    assert h[0].any() or calm > 10


@pytest.mark.parametrize("sign", [1, -1])
def test_extremes(sign):
    """The largest sums with every drive, with small ones that leave updates within 32 bits."""
    config = reference_units(PLAIN, Precision()).scan
    inner, drive = config.heads * config.head_dim, config.drive.drive
    worst = [np.full(config.state, -128), np.full(config.state // 8, config.b.max_exponent)]
    decay, skip = np.full(config.heads, config.drive.decay.max_code), np.zeros(inner, np.int64)
    for exponent in range(drive.max_exponent + 1):
        state, h = start(config), zeros(config)
        token = (
            decay, np.full(inner, 127 * sign), np.full(inner // 8, exponent), skip, worst, worst,
        )  # fmt: skip
        for _ in range(3):
            expected, h = unit.scan(*token, h, config)
            assert scan(*token, state, config).tolist() == expected.tolist()
            np.testing.assert_array_equal(unpacked(state, config)[0], h[0])


def test_refuses_arrays_that_do_not_fit():
    config = reference_units(PLAIN, Precision()).scan
    token = list(operands(config, 0, 0))
    token[0] = token[0][:-1]
    with pytest.raises(ValueError, match=r"^decay must have shape \(4,\), not \(3,\)$"):
        scan(*token, start(config), config)


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        (
            Precision(scan_bits=9),
            "packed scan codes of h, drive, b and c must have at most 8 bits, not 9; "
            "use fewer bits",
        ),
        (
            Precision(state=Fixed(32, 20)),
            "packed scan state must have at most 31 bits, not 32; use a narrower format",
        ),
        (
            Precision(state=Fixed(31, 10)),
            "packed scan updates must fit 53 bits, not 56; narrow the state, the decay, delta or B",
        ),
    ],
)
def test_refuses_formats_that_are_not_exact(precision, message):
    config = reference_units(PLAIN, precision).scan
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        require_exact(config)
