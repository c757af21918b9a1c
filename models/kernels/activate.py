"""Compiled `models.units.activate`: same name, same arguments, same codes."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from models.compiled import compiled
from models.formats import Codes
from models.kernels.checks import require
from models.tables import Table
from models.units.activate import ActivateConfig


def activate(x: ArrayLike, config: ActivateConfig) -> Codes:
    x = require(config.table.i, x, "x")
    return activate_codes(x.reshape(-1), *table_arguments(config.table)).reshape(x.shape)


@cache
def table_arguments(table: Table) -> tuple[Codes, Codes, int, int, int, bool, int, int, int]:
    """What `table_code` takes after its first argument."""
    return (
        table.bases, table.slopes, table.low, table.segment_bits, table.slope_frac,
        table.above == "input", table.o.frac - table.i.frac, table.o.min_code, table.o.max_code,
    )  # fmt: skip


@compiled()
def activate_codes(x, bases, slopes, low, segment_bits, slope_frac, passes, more, least, most):  # type: ignore[no-untyped-def]
    out = np.empty_like(x)
    for k in range(x.size):
        out[k] = table_code(
            x[k], bases, slopes, low, segment_bits, slope_frac, passes, more, least, most
        )
    return out


@compiled()
def table_code(code, bases, slopes, low, segment_bits, slope_frac, passes, more, least, most):  # type: ignore[no-untyped-def]
    """`Table.lookup` of one code; inputs above the range pass when `passes`."""
    offset = code - low
    segment = offset >> segment_bits
    if offset < 0:
        result = 0
    elif passes and segment >= bases.size:
        result = code << more if more >= 0 else (code + (1 << -more - 1)) >> -more
    else:
        rise = slopes[segment] * (offset & (1 << segment_bits) - 1)
        result = bases[segment] + ((rise + ((1 << slope_frac) >> 1)) >> slope_frac)
    return min(max(result, least), most)
