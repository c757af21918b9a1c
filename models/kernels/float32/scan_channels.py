"""The selective scan of Mamba-1 in float32, in which every channel decays at rates of its own.

    h[t] = exp(delta[t] * A) * h[t-1] + delta[t] * x[t] B[t]^T        y[t] = h[t] C[t] + D * x[t]

Blocks of channels run side by side. Chunks of time beside each other would each need their
exponentials twice, for the state that they start from and for their outputs, and the exponentials
are nearly all the work; there are more channels than threads without them.
"""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from models.kernels.checks import require_float32
from models.kernels.float32.functions import exp

BLOCK = 128
"""Channels that a thread takes at a time; their state stays in the first-level cache."""


def scan_channels(
    x: NDArray[np.float32],
    delta: NDArray[np.float32],
    A: NDArray[np.float32],
    B: NDArray[np.float32],
    C: NDArray[np.float32],
    D: NDArray[np.float32],
    h: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`models.networks.oracle.scan.scan_channels` of one sequence, with the skip.

    x         float32 (tokens, inner)
    delta     float32 (tokens, inner)
    A         float32 (state, inner)
    B, C      float32 (tokens, state)
    D         float32 (inner,)
    h         float32 (state, inner)    before the first token
    return    y (tokens, inner), h after the last token

    The state's numbers come first in A and h, so that vectors run along the channels.
    """
    tokens, inner = require_float32(x, ("tokens", "inner"), "x").shape
    state, _ = require_float32(A, ("state", inner), "A").shape
    require_float32(delta, (tokens, inner), "delta")
    require_float32(B, (tokens, state), "B")
    require_float32(C, (tokens, state), "C")
    require_float32(D, (inner,), "D")
    after = require_float32(h, (state, inner), "h").copy()
    y = np.empty_like(x)
    scan_channels_into(x, delta, A, B, C, D, after, y)
    return y, after


@njit(cache=True, parallel=True)
def scan_channels_into(x, delta, A, B, C, D, h, y):  # type: ignore[no-untyped-def]
    tokens, inner = x.shape
    for block in prange(-(-inner // BLOCK)):
        part = slice(block * BLOCK, min((block + 1) * BLOCK, inner))
        drive = np.empty(BLOCK, np.float32)
        for token in range(tokens):
            step, inputs, out = delta[token][part], x[token][part], y[token][part]
            for k in range(out.size):
                drive[k] = step[k] * inputs[k]
                out[k] = D[part][k] * inputs[k]
            for n in range(len(A)):
                _step(A[n][part], h[n][part], step, drive, B[token, n], C[token, n], out)


@njit(cache=True, fastmath={"contract"})
def _step(A, h, step, drive, write, read, out):  # type: ignore[no-untyped-def]
    """One token and one number of the state of each channel."""
    for k in range(out.size):
        value = exp(step[k] * A[k]) * h[k] + drive[k] * write
        h[k] = value
        out[k] += value * read
