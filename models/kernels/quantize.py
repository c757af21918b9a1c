"""Compiled `models.units.quantize`: same name, same arguments, same codes."""

import numpy as np
from numpy.typing import ArrayLike

from models.compiled import compiled
from models.formats import Codes
from models.kernels.checks import require
from models.units import quantize as unit
from models.units.quantize import QuantizeConfig


def quantize(x: ArrayLike, config: QuantizeConfig) -> tuple[Codes, Codes]:
    block = config.block
    x = require(block.source, x, "x")
    if x.shape[-1] % block.group:
        return unit.quantize(x, config)
    codes, exponents = quantize_codes(x.reshape(-1), block.group, block.bits)
    return codes.reshape(x.shape), exponents.reshape(*x.shape[:-1], x.shape[-1] // block.group)


@compiled()
def quantize_codes(x, group, bits):  # type: ignore[no-untyped-def]
    codes, exponents = np.empty_like(x), np.empty(x.size // group, np.int64)
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    for at in range(exponents.size):
        widest = 0
        for k in range(at * group, (at + 1) * group):
            widest |= x[k] ^ (x[k] >> 63)
        exponent = 0
        while widest >> exponent > high:
            exponent += 1
        half = (1 << exponent) >> 1
        for k in range(at * group, (at + 1) * group):
            codes[k] = min(max((x[k] + half) >> exponent, low), high)
        exponents[at] = exponent
    return codes, exponents
