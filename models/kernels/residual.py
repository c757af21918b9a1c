"""Compiled `models.units.residual`: same name, same arguments, same codes."""

import numpy as np
from numpy.typing import ArrayLike

from models.compiled import compiled
from models.formats import Codes
from models.kernels.checks import require
from models.units import residual as unit
from models.units.residual import ResidualConfig


def residual(x: ArrayLike, update: ArrayLike, config: ResidualConfig) -> Codes:
    stream = config.stream
    x, update = require(stream, x, "x"), require(stream, update, "update")
    if x.shape != update.shape:
        return unit.residual(x, update, config)
    out = residual_codes(x.reshape(-1), update.reshape(-1), stream.min_code, stream.max_code)
    return out.reshape(x.shape)


@compiled()
def residual_codes(x: Codes, update: Codes, low: int, high: int) -> Codes:
    out = np.empty_like(x)
    for k in range(x.size):
        out[k] = min(max(x[k] + update[k], low), high)
    return out
