"""Kernels by themselves at a network's shapes: the scan, and each kernel against plain numpy."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.kernels.float32.conv1d import conv1d
from models.kernels.float32.hadamard import hadamard
from models.kernels.float32.matmul import matmul
from models.kernels.float32.matvec import matvec
from models.kernels.float32.norm import gated_rms_norm, rms_norm
from models.kernels.float32.scan import scan
from models.kernels.float32.scan_channels import scan_channels
from models.networks.oracle import functions as plain
from models.networks.oracle import scan as plain_scan
from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape
from reports.subjects import Subject

SECONDS = 0.05
"""Of a measurement, at least."""
COLD_BYTES = 128 * 2**20
"""Of matrices that are multiplied in turns: more than any cache."""
Call = Callable[[], object]


def scans(shape: Shape, tokens: int, threads: int) -> dict[tuple[str, str], Subject]:
    """Tokens/s of a layer's selective scan over `tokens`, by software and how it is done.

    `C-like loop` is the recurrence as one would write it in C, on one thread.
    """
    arguments = _scan_arguments(shape, tokens)
    ours: Callable[..., object] = scan
    loop: Callable[..., object] = _loop_heads
    if isinstance(shape, Mamba1Shape):
        ours, loop = scan_channels, _loop_channels
    calls: dict[tuple[str, str], Call] = {
        ("puffadder", "chunks"): partial(ours, *arguments, chunked=True),
        ("puffadder", "scan"): partial(ours, *arguments, chunked=False),
        ("C-like loop", "scan"): partial(loop, *arguments),
    }
    return {name: _times(call, tokens, threads) for name, call in calls.items()}


def against_numpy(shape: Shape, tokens: int, threads: int) -> dict[str, tuple[Subject, Subject]]:
    """Each kernel at the network's shapes and plain numpy for it, calls/s, by the kernel's name.

    One token as in decode, and `tokens` as in prefill; products by numpy are those of its BLAS.
    """
    found: dict[str, tuple[Call, Call]] = {}
    rng = np.random.default_rng(0)

    def normal(*dims: int) -> NDArray[np.float32]:
        return rng.standard_normal(dims, np.float32)

    rows = 2 * shape.inner if isinstance(shape, Mamba1Shape) else shape.in_proj_rows
    in_proj, weight, wide = normal(rows, shape.d_model), normal(shape.d_model), normal(shape.inner)
    head, one, eps = normal(shape.vocab, shape.d_model), normal(shape.d_model), shape.norm_eps
    # As in decode, where every layer has its own: together, they are in no cache.
    layers = [in_proj.copy() for _ in range(1 + COLD_BYTES // in_proj.nbytes)]
    found["matvec in_proj"] = (
        lambda: [matvec(each, one) for each in layers],
        lambda: [each @ one for each in layers],
    )
    found["matvec head"] = lambda: matvec(head, one), lambda: head @ one
    channels = shape.inner if isinstance(shape, Mamba1Shape) else shape.conv_channels
    taps, line = normal(shape.conv, channels), normal(1, shape.inner)
    found["hadamard"] = lambda: hadamard(line), lambda: plain.turned(line)
    for count in (1, tokens):
        x, y = normal(count, shape.d_model), normal(count, shape.inner)
        inputs, past = normal(count, channels), normal(shape.conv - 1, channels)
        found |= _at(count, x, y, inputs, past, taps, weight, wide, eps, shape)
        found[f"scan, {count}"] = _scan_pair(shape, count)
    many = normal(tokens, shape.d_model)
    found[f"matmul in_proj, {tokens}"] = lambda: matmul(many, in_proj), lambda: many @ in_proj.T
    return {
        name: (_times(ours, 1, threads), _times(numpys, 1, threads))
        for name, (ours, numpys) in found.items()
    }


def _at(
    count: int, x: Any, y: Any, inputs: Any, past: Any, taps: Any, weight: Any, wide: Any,
    eps: float, shape: Shape,
) -> dict[str, tuple[Call, Call]]:  # fmt: skip
    """Norms and convolution of `count` tokens."""

    def convolved() -> object:
        window = np.concatenate([past, inputs])
        total = sum(window[tap : tap + count] * taps[tap] for tap in range(len(taps)))
        return plain.silu(np.asarray(total))

    found: dict[str, tuple[Call, Call]] = {
        f"norm, {count}": (lambda: rms_norm(x, weight, eps),
                           lambda: plain.rms_norm(x, weight, eps)),
        f"conv1d, {count}": (lambda: conv1d(inputs, past, taps), convolved),
    }  # fmt: skip
    if isinstance(shape, Mamba2Shape):
        groups = shape.groups
        found[f"gated norm, {count}"] = (
            lambda: gated_rms_norm(y, y, wide, eps, groups),
            lambda: plain.gated_rms_norm(y, y, wide, eps, groups),
        )
    return found


def _scan_pair(shape: Shape, tokens: int) -> tuple[Call, Call]:
    arguments = _scan_arguments(shape, tokens)
    x, delta, A, B, C, _, h = arguments
    if isinstance(shape, Mamba1Shape):
        turned = np.ascontiguousarray(A.T), np.ascontiguousarray(h.T)
        return (
            lambda: scan_channels(*arguments),
            lambda: plain_scan.scan_channels(x, delta, turned[0], B, C, turned[1]),
        )
    if tokens == 1:
        x, delta, B, C = x[0], delta[0], B[0], C[0]
        one_token: Callable[..., object] = partial(scan, chunked=False)
        return lambda: one_token(*arguments), lambda: plain_scan.scan_step(x, delta, A, B, C, h)
    return lambda: scan(*arguments), lambda: plain_scan.scan_chunked(x, delta, A, B, C, h)


def _scan_arguments(shape: Shape, tokens: int) -> Any:
    """x, delta, A, B, C, D and h as the kernels take them."""
    rng = np.random.default_rng(0)

    def normal(*dims: int) -> NDArray[np.float32]:
        return rng.standard_normal(dims, np.float32)

    def decays(*dims: int) -> NDArray[np.float32]:
        return -rng.uniform(1, 16, dims).astype(np.float32)

    def steps(*dims: int) -> NDArray[np.float32]:
        return rng.uniform(0.001, 0.1, dims).astype(np.float32)

    if isinstance(shape, Mamba1Shape):
        inner, state = shape.inner, shape.state
        return (
            normal(tokens, inner), steps(tokens, inner), decays(state, inner),
            normal(tokens, state), normal(tokens, state), normal(inner), normal(state, inner),
        )  # fmt: skip
    heads, groups, state = shape.heads, shape.groups, shape.state
    return (
        normal(tokens, heads, shape.head_dim), steps(tokens, heads), decays(heads),
        normal(tokens, groups, state), normal(tokens, groups, state), normal(heads),
        normal(heads, shape.head_dim, state),
    )  # fmt: skip


def _times(call: Call, work: int, threads: int) -> Subject:
    """`work` for each call, by the time that calls take."""

    def measure() -> float:
        numba.set_num_threads(threads)
        start, count = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < SECONDS or not count:
            call()
            count += 1
        return work * count / spent

    return measure


@compiled()
def _loop_heads(x, delta, A, B, C, D, h):  # type: ignore[no-untyped-def]
    """Mamba-2's recurrence, token after token, all in float32."""
    tokens, heads, head_dim = x.shape
    shared, h, y = heads // B.shape[1], h.copy(), np.empty_like(x)
    for token in range(tokens):
        for head in range(heads):
            step, group = delta[token, head], head // shared
            decay = np.exp(step * A[head])
            for channel in range(head_dim):
                value = x[token, head, channel]
                total = D[head] * value
                for at in range(B.shape[2]):
                    kept = decay * h[head, channel, at] + step * value * B[token, group, at]
                    h[head, channel, at] = kept
                    total += kept * C[token, group, at]
                y[token, head, channel] = total
    return y, h


@compiled()
def _loop_channels(x, delta, A, B, C, D, h):  # type: ignore[no-untyped-def]
    """Mamba-1's recurrence, token after token, all in float32."""
    tokens, inner = x.shape
    h, y = h.copy(), np.empty_like(x)
    for token in range(tokens):
        for channel in range(inner):
            step, value = delta[token, channel], x[token, channel]
            total = D[channel] * value
            for at in range(len(A)):
                decay = np.exp(step * A[at, channel])
                kept = decay * h[at, channel] + step * value * B[token, at]
                h[at, channel] = kept
                total += kept * C[token, at]
            y[token, channel] = total
    return y, h
