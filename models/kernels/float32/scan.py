"""The selective scan of Mamba-2 in float32: token by token, and in chunks that run side by side.

    h[t] = exp(delta[t] * A) * h[t-1] + delta[t] * x[t] B[t]^T        y[t] = h[t] C[t] + D * x[t]

Within a chunk the recurrence is matrix products (Dao and Gu, "Transformers are SSMs", 2024,
section 6): what each chunk adds to the state, the state that each one starts from, its outputs.
"""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from models.compiled import compiled
from models.kernels.checks import require_float32
from models.kernels.float32.functions import exp
from models.kernels.float32.tiles import COLUMNS, ROWS, add_product, turn

CHUNK = 64
"""Tokens of a chunk: the work within chunks grows with it, that between them shrinks."""


def scan(
    x: NDArray[np.float32],
    delta: NDArray[np.float32],
    A: NDArray[np.float32],
    B: NDArray[np.float32],
    C: NDArray[np.float32],
    D: NDArray[np.float32],
    h: NDArray[np.float32],
    chunked: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`models.networks.oracle.scan` of one sequence, with the skip.

    x         float32 (tokens, heads, head_dim)
    delta     float32 (tokens, heads)
    A, D      float32 (heads,)
    B, C      float32 (tokens, groups, state)     consecutive heads share a group
    h         float32 (heads, head_dim, state)    before the first token
    chunked   chunks in parallel, or token after token with the heads in parallel
    return    y (tokens, heads, head_dim), h after the last token
    """
    tokens, heads, head_dim = require_float32(x, ("tokens", "heads", "head_dim"), "x").shape
    _, groups, state = require_float32(B, (tokens, "groups", "state"), "B").shape
    if not groups or heads % groups:
        raise ValueError(f"B must have a number of groups that divides {heads} heads, not {groups}")
    require_float32(C, B.shape, "C")
    require_float32(delta, (tokens, heads), "delta")
    require_float32(A, (heads,), "A")
    require_float32(D, (heads,), "D")
    after = require_float32(h, (heads, head_dim, state), "h").copy()
    y = np.empty((tokens, heads * head_dim), np.float32)
    rows, write, read = x.reshape(y.shape), B.reshape(tokens, -1), C.reshape(tokens, -1)
    into = scan_chunked_into if chunked else scan_into
    into(rows, delta, A, write, read, D, after, y)
    return y.reshape(x.shape), after


@compiled(parallel=True)
def scan_into(x, delta, A, B, C, D, h, y):  # type: ignore[no-untyped-def]
    """Token after token; x and y (tokens, heads * head_dim), B and C (tokens, groups * state)."""
    heads, head_dim, state = h.shape
    shared = heads * state // B.shape[1]
    for head in prange(heads):
        group, first = head // shared * state, head * head_dim
        for token in range(len(x)):
            step = delta[token, head]
            write = B[token][group : group + state]
            read = C[token][group : group + state]
            inputs = x[token][first : first + head_dim]
            out = y[token][first : first + head_dim]
            _step(h[head], exp(step * A[head]), step, write, read, D[head], inputs, out)


@compiled(fastmath={"reassoc", "contract", "nsz"})
def _step(h, decay, step, write, read, skip, x, y):  # type: ignore[no-untyped-def]
    """One token of one head."""
    for channel in range(x.size):
        drive, row, total = step * x[channel], h[channel], np.float32(0)
        for n in range(write.size):
            value = decay * row[n] + drive * write[n]
            row[n] = value
            total += value * read[n]
        y[channel] = total + skip * x[channel]


@compiled()
def scan_chunked_into(x, delta, A, B, C, D, h, y):  # type: ignore[no-untyped-def]
    """As `scan_into`, with the chunks side by side."""
    chunks = -(-len(x) // CHUNK)
    heads, head_dim, state = h.shape
    width = -(-head_dim // COLUMNS) * COLUMNS
    totals = _cumulated(delta, A)
    states = np.empty((chunks, heads, state, width), np.float32)
    _added(x, delta, B, totals, states, head_dim)
    _carried(totals, states, h)
    scores = _scores(B, C, B.shape[1] // state)
    _outputs(x, delta, C, D, totals, states, scores, y)


@compiled(parallel=True)
def _cumulated(delta, A):  # type: ignore[no-untyped-def]
    """Logarithms of the decay since the start of a token's chunk, float64 (heads, tokens).

    In double, since their differences are small against them.
    """
    tokens, heads = delta.shape
    totals = np.empty((heads, tokens))
    for head in prange(heads):
        total = 0.0
        for token in range(tokens):
            if token % CHUNK == 0:
                total = 0.0
            total += np.float64(delta[token, head]) * np.float64(A[head])
            totals[head, token] = total
    return totals


@compiled(parallel=True)
def _added(x, delta, B, totals, states, head_dim):  # type: ignore[no-untyped-def]
    """What each chunk adds to the state of a head: states (chunks, heads, state, width)."""
    chunks, heads, state, width = states.shape
    shared = heads * state // B.shape[1]
    for task in prange(chunks * heads):
        chunk, head = task // heads, task % heads
        first, group = chunk * CHUNK, head // shared * state
        last = min(first + CHUNK, len(x))
        drive = _drive(x, delta, head, head_dim, width, first, last)
        for at in range(last - first):
            row = drive[at]
            to_end = exp(np.float32(totals[head, last - 1] - totals[head, first + at]))
            for channel in range(head_dim):
                row[channel] *= to_end
        write = B[first:last, group : group + state].T
        for column in range(0, width, COLUMNS):
            part = slice(column, column + COLUMNS)
            add_product(states[chunk, head][:, part], write, drive[:, part], 0)


@compiled()
def _drive(x, delta, head, head_dim, width, first, last):  # type: ignore[no-untyped-def]
    """`delta * x` of a head in a chunk, (tokens, width), with zeros behind its channels."""
    drive = np.zeros((last - first, width), np.float32)
    for at in range(last - first):
        row, step = drive[at], delta[first + at, head]
        inputs = x[first + at][head * head_dim : (head + 1) * head_dim]
        for channel in range(head_dim):
            row[channel] = step * inputs[channel]
    return drive


@compiled(parallel=True)
def _carried(totals, states, h):  # type: ignore[no-untyped-def]
    """Puts in place of what a chunk adds the state that it starts from; h becomes the last one."""
    chunks, heads, state, _ = states.shape
    head_dim, tokens = h.shape[1], totals.shape[1]
    for head in prange(heads):
        carried = np.zeros(states.shape[2:], np.float32)
        for n in range(state):
            for channel in range(head_dim):
                carried[n, channel] = h[head, channel, n]
        for chunk in range(chunks):
            last = min((chunk + 1) * CHUNK, tokens) - 1
            decay = exp(np.float32(totals[head, last]))
            for n in range(state):
                here, added = carried[n], states[chunk, head, n]
                for channel in range(here.size):
                    before = here[channel]
                    here[channel] = decay * before + added[channel]
                    added[channel] = before
        for n in range(state):
            for channel in range(head_dim):
                h[head, channel, n] = carried[n, channel]


@compiled(parallel=True)
def _scores(B, C, groups):  # type: ignore[no-untyped-def]
    """`C[token] . B[earlier]` within each chunk of a group: (chunks, groups, CHUNK, >= CHUNK)."""
    tokens, state = len(B), B.shape[1] // groups
    chunks = -(-tokens // CHUNK)
    scores = np.empty((chunks, groups, CHUNK, -(-CHUNK // COLUMNS) * COLUMNS), np.float32)
    for task in prange(chunks * groups):
        chunk, group = task // groups, task % groups
        first, part = chunk * CHUNK, slice(group * state, (group + 1) * state)
        last = min(first + CHUNK, tokens)
        for at in range(first, last, COLUMNS):
            write = turn(B[at : min(at + COLUMNS, last), part])
            columns = scores[chunk, group][: last - first, at - first : at - first + COLUMNS]
            add_product(columns, C[first:last, part], write, 0)
    return scores


@compiled(parallel=True)
def _outputs(x, delta, C, D, totals, states, scores, y):  # type: ignore[no-untyped-def]
    """Outputs of every chunk from the state that it starts from and its own inputs."""
    chunks, heads, state, width = states.shape
    shared, head_dim = heads // scores.shape[1], x.shape[1] // heads
    for task in prange(chunks * heads):
        chunk, head = task // heads, task % heads
        group, first = head // shared, chunk * CHUNK
        last = min(first + CHUNK, len(x))
        total = totals[head, first:last]
        kept = _kept(scores[chunk, group], total)
        read = _read(C[first:last], group * state, state, total)
        drive = _drive(x, delta, head, head_dim, width, first, last)
        out = _sums(kept, read, drive, states[chunk, head])
        for at in range(last - first):
            inputs = x[first + at][head * head_dim : (head + 1) * head_dim]
            outputs = y[first + at][head * head_dim : (head + 1) * head_dim]
            sums, skip = out[at], D[head]
            for channel in range(head_dim):
                outputs[channel] = sums[channel] + skip * inputs[channel]


@compiled()
def _sums(kept, read, drive, state):  # type: ignore[no-untyped-def]
    """read times the state, and kept, a lower triangle, times drive: (tokens, width)."""
    tokens, width = drive.shape
    out = np.empty(drive.shape, np.float32)
    for column in range(0, width, COLUMNS):
        part = slice(column, column + COLUMNS)
        add_product(out[:, part], read, state[:, part], 0)
        for at in range(0, tokens, ROWS):
            end = min(at + ROWS, tokens)
            add_product(out[at:end, part], kept[at:end, :end], drive[:end, part], 1)
    return out


@compiled()
def _kept(scores, total):  # type: ignore[no-untyped-def]
    """Scores (token, earlier token) times the decay between them."""
    tokens = total.size
    kept = np.zeros((tokens, tokens), np.float32)
    for token in range(tokens):
        row, given, here = kept[token], scores[token], total[token]
        for earlier in range(token + 1):
            row[earlier] = given[earlier] * exp(np.float32(here - total[earlier]))
    return kept


@compiled()
def _read(C, first, state, total):  # type: ignore[no-untyped-def]
    """C of a group, its columns from `first` on, times the decay since the chunk's start."""
    tokens = total.size
    read = np.empty((tokens, state), np.float32)
    for token in range(tokens):
        row, given = read[token], C[token][first : first + state]
        from_start = exp(np.float32(total[token]))
        for n in range(state):
            row[n] = given[n] * from_start
    return read
