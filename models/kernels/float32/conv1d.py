"""Depthwise causal convolution in float32 with the SiLU that follows it, of one token or many."""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from models.compiled import compiled
from models.kernels.checks import require_float32
from models.kernels.float32.functions import silu
from models.kernels.float32.matvec import NO_BIAS


def conv1d(
    x: NDArray[np.float32],
    history: NDArray[np.float32],
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """SiLU of the convolution of `x`, and the history after it.

    x         float32 (tokens, channels)
    history   float32 (taps - 1, channels)  the inputs before x, oldest first
    weight    float32 (taps, channels)      last tap meets the newest input
    bias      float32 (channels,) or None
    return    float32 (tokens, channels), float32 (taps - 1, channels)
    """
    _, channels = require_float32(x, ("tokens", "channels"), "x").shape
    taps, _ = require_float32(weight, ("taps", channels), "weight").shape
    after = require_float32(history, (taps - 1, channels), "history").copy()
    bias = NO_BIAS if bias is None else require_float32(bias, (channels,), "bias")
    out = np.empty_like(x)
    conv1d_into(x, 0, 0, after, weight, bias, out)
    remember(x, 0, after)
    return out, after


@compiled()
def conv1d_into(x, first, channel, history, weight, bias, out):  # type: ignore[no-untyped-def]
    """As many channels as out has, from `channel` on.

    Channels of x (tokens, ...) start at column `first`.
    """
    if len(x) == 1:
        _row(x, first, channel, 0, history, weight, bias, out[0])
    else:
        _rows(x, first, channel, history, weight, bias, out)


@compiled(parallel=True)
def _rows(x, first, channel, history, weight, bias, out):  # type: ignore[no-untyped-def]
    for token in prange(len(x)):
        _row(x, first, channel, token, history, weight, bias, out[token])


@compiled(fastmath={"contract"})
def _row(x, first, channel, token, history, weight, bias, out):  # type: ignore[no-untyped-def]
    taps = len(weight)
    for k in range(out.size):
        out[k] = bias[channel + k] if bias.size else np.float32(0)
    for tap in range(taps):
        at = token - (taps - 1) + tap
        row = x[at][first + channel :] if at >= 0 else history[taps - 1 + at][channel:]
        factors = weight[tap][channel:]
        for k in range(out.size):
            out[k] += factors[k] * row[k]
    for k in range(out.size):
        out[k] = silu(out[k])


@compiled()
def remember(x, first, history):  # type: ignore[no-untyped-def]
    """Moves the last inputs of x into the history."""
    kept, channels = history.shape
    for at in range(kept):
        token = len(x) - kept + at
        if token >= 0:
            history[at] = x[token][first : first + channels]
        else:
            history[at] = history[at + len(x)]
