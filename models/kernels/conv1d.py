"""Compiled `models.units.conv1d`: same name, same arguments, same codes."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from models.compiled import compiled
from models.formats import Codes
from models.kernels.checks import require, require_block
from models.units import conv1d as unit
from models.units.conv1d import Conv1dConfig


def conv1d(
    window: ArrayLike,
    window_exponents: ArrayLike,
    taps: ArrayLike,
    tap_exponents: ArrayLike,
    bias: ArrayLike,
    config: Conv1dConfig,
) -> Codes:
    window, window_exponents = require_block(config.x, window, window_exponents, "window")
    taps, tap_exponents = require_block(config.tap, taps, tap_exponents, "taps")
    bias = require(config.o, bias, "bias")
    if window.shape[-2:] != taps.shape or bias.shape != taps.shape[1:]:
        return unit.conv1d(window, window_exponents, taps, tap_exponents, bias, config)
    out = conv1d_codes(
        window.reshape(-1, *taps.shape), window_exponents.reshape(-1, *tap_exponents.shape),
        taps, tap_exponents, bias,
        config.x.group, _shift(config), config.o.min_code, config.o.max_code,
    )  # fmt: skip
    return out.reshape(*window.shape[:-2], window.shape[-1])


@cache
def _shift(config: Conv1dConfig) -> int:
    return config.shift


@compiled()
def conv1d_codes(window, window_exponents, taps, tap_exponents, bias, group, shift, low, high):  # type: ignore[no-untyped-def]
    """Results (tokens, channels) for windows (tokens, taps, channels)."""
    tokens, count, channels = window.shape
    out = np.empty((tokens, channels), np.int64)
    half = (1 << shift) >> 1
    for token in range(tokens):
        for channel in range(channels):
            at = channel // group
            total = half
            for tap in range(count):
                product = window[token, tap, channel] * taps[tap, channel]
                total += product << window_exponents[token, tap, at] + tap_exponents[tap, at]
            out[token, channel] = min(max((total >> shift) + bias[channel], low), high)
    return out
