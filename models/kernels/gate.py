"""Compiled `models.units.gate`: same name, same arguments, same codes."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from models.compiled import compiled
from models.formats import Codes
from models.kernels.checks import require_block
from models.units import gate as unit
from models.units.gate import GateConfig


def gate(
    y: ArrayLike, y_exponents: ArrayLike, z: ArrayLike, z_exponents: ArrayLike, config: GateConfig
) -> Codes:
    y, y_exponents = require_block(config.y, y, y_exponents, "y")
    z, z_exponents = require_block(config.z, z, z_exponents, "z")
    if y.shape != z.shape:
        return unit.gate(y, y_exponents, z, z_exponents, config)
    out = gate_codes(
        y.reshape(-1), y_exponents.reshape(-1), z.reshape(-1), z_exponents.reshape(-1),
        config.y.group, config.z.group, _shift(config), config.o.min_code, config.o.max_code,
    )  # fmt: skip
    return out.reshape(y.shape)


@cache
def _shift(config: GateConfig) -> int:
    return config.shift


@compiled()
def gate_codes(
    y: Codes,
    y_exponents: Codes,
    z: Codes,
    z_exponents: Codes,
    y_group: int,
    z_group: int,
    shift: int,
    low: int,
    high: int,
) -> Codes:
    out = np.empty_like(y)
    half = (1 << shift) >> 1
    for k in range(y.size):
        product = y[k] * z[k] << y_exponents[k // y_group] + z_exponents[k // z_group]
        out[k] = min(max((product + half) >> shift, low), high)
    return out
