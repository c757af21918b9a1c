"""The selective scan of Mamba-1 in float32, in which every channel decays at rates of its own.

    h[t] = exp(delta[t] * A) * h[t-1] + delta[t] * x[t] B[t]^T        y[t] = h[t] C[t] + D * x[t]

Blocks of channels run side by side; chunks of time do too if asked. Chunks need most exponentials
twice, for the state that the next one starts from and for their outputs, and the exponentials are
nearly all the work: they pay only where there are many more threads than blocks of channels.
"""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from models.compiled import compiled
from models.kernels.checks import require_float32
from models.kernels.float32.functions import exp

BLOCK = 128
"""Channels that a thread takes at a time; their state stays in the first-level cache."""
CHUNK = 256
"""Tokens of a chunk: shorter ones serve more threads, longer ones repeat fewer exponentials."""


def scan_channels(
    x: NDArray[np.float32],
    delta: NDArray[np.float32],
    A: NDArray[np.float32],
    B: NDArray[np.float32],
    C: NDArray[np.float32],
    D: NDArray[np.float32],
    h: NDArray[np.float32],
    chunked: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`models.networks.oracle.scan.scan_channels` of one sequence, with the skip.

    x         float32 (tokens, inner)
    delta     float32 (tokens, inner)
    A         float32 (state, inner)
    B, C      float32 (tokens, state)
    D         float32 (inner,)
    h         float32 (state, inner)    before the first token
    chunked   chunks and blocks of channels in parallel, or the blocks alone
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
    into = scan_channels_chunked_into if chunked else scan_channels_into
    into(x, delta, A, B, C, D, after, y)
    return y, after


@compiled(parallel=True)
def scan_channels_into(x, delta, A, B, C, D, h, y):  # type: ignore[no-untyped-def]
    """Token after token."""
    for block in prange(-(-h.shape[1] // BLOCK)):
        _outputs(x, delta, A, B, C, D, h, y, slice(block * BLOCK, (block + 1) * BLOCK))


@compiled()
def scan_channels_chunked_into(x, delta, A, B, C, D, h, y):  # type: ignore[no-untyped-def]
    """As `scan_channels_into`, with the chunks side by side."""
    chunks = max(-(-len(x) // CHUNK), 1)
    states = np.zeros((chunks, *h.shape), np.float32)  # that each chunk starts from
    totals = np.zeros((chunks, h.shape[1]), np.float32)  # of delta, over a chunk
    states[0] = h
    _add_chunks(x, delta, A, B, states, totals)
    _carry(A, totals, states)
    _scan_chunks(x, delta, A, B, C, D, states, y)
    h[:] = states[-1]


@compiled(parallel=True)
def _add_chunks(x, delta, A, B, states, totals):  # type: ignore[no-untyped-def]
    """What each chunk but the last adds to the state, in place of the zeros of the next one."""
    blocks = -(-x.shape[1] // BLOCK)
    for task in prange((len(states) - 1) * blocks):
        chunk, block = task // blocks, task % blocks
        part, tokens = slice(block * BLOCK, (block + 1) * BLOCK), _tokens(chunk)
        _add(x[tokens], delta[tokens], A, B[tokens], states[chunk + 1], totals[chunk][part], part)


@compiled(parallel=True)
def _carry(A, totals, states):  # type: ignore[no-untyped-def]
    """Adds to what each chunk starts from what is left of that of the chunk before."""
    for n in prange(len(A)):
        rates = A[n]
        for chunk in range(1, len(states)):
            total, before, here = totals[chunk - 1], states[chunk - 1, n], states[chunk, n]
            for k in range(rates.size):
                here[k] += exp(total[k] * rates[k]) * before[k]


@compiled(parallel=True)
def _scan_chunks(x, delta, A, B, C, D, states, y):  # type: ignore[no-untyped-def]
    """Outputs of every chunk from its state, which becomes that after the chunk."""
    blocks = -(-x.shape[1] // BLOCK)
    for task in prange(len(states) * blocks):
        chunk, block = task // blocks, task % blocks
        part, t = slice(block * BLOCK, (block + 1) * BLOCK), _tokens(chunk)
        _outputs(x[t], delta[t], A, B[t], C[t], D, states[chunk], y[t], part)


@compiled()
def _tokens(chunk):  # type: ignore[no-untyped-def]
    return slice(chunk * CHUNK, (chunk + 1) * CHUNK)


@compiled(inline="always")  # as a call, it takes 3 % longer
def _outputs(x, delta, A, B, C, D, h, y, part):  # type: ignore[no-untyped-def]
    """The tokens' outputs and the state after them, of the channels in `part`."""
    drive, skip = np.empty(BLOCK, np.float32), D[part]
    for token in range(len(x)):
        step, inputs, out = delta[token][part], x[token][part], y[token][part]
        for k in range(out.size):
            drive[k] = step[k] * inputs[k]
            out[k] = skip[k] * inputs[k]
        for n in range(len(A)):
            _step(A[n][part], h[n][part], step, drive, B[token, n], C[token, n], out)


@compiled()
def _add(x, delta, A, B, h, total, part):  # type: ignore[no-untyped-def]
    """The state after the tokens and the sum of delta over them, of the channels in `part`."""
    drive = np.empty(BLOCK, np.float32)
    for token in range(len(x)):
        step, inputs = delta[token][part], x[token][part]
        for k in range(step.size):
            drive[k] = step[k] * inputs[k]
            total[k] += step[k]
        for n in range(len(A)):
            _keep(A[n][part], h[n][part], step, drive, B[token, n])


@compiled(fastmath={"contract"})
def _step(A, h, step, drive, write, read, out):  # type: ignore[no-untyped-def]
    """One token and one number of the state of each channel."""
    for k in range(out.size):
        value = exp(step[k] * A[k]) * h[k] + drive[k] * write
        h[k] = value
        out[k] += value * read


@compiled(fastmath={"contract"})
def _keep(A, h, step, drive, write):  # type: ignore[no-untyped-def]
    """`_step` without the output."""
    for k in range(h.size):
        h[k] = exp(step[k] * A[k]) * h[k] + drive[k] * write
