"""The compiled steps of `models.networks.cpu.integer`: what a token does in a layer.

Three parallel regions for each layer: in_proj, the heads, out_proj. While a thread scans its heads
it asks for the weights of out_proj, so that memory does not rest.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange

from models.compiled import compiled
from models.formats import Codes
from models.kernels.discretize import step_codes
from models.kernels.hadamard import hadamard_codes
from models.kernels.norm import norm_codes
from models.kernels.packed.blocks import BLOCK, quantize_codes
from models.kernels.packed.channels import activate_codes, conv1d_codes, drive_codes, gate_codes
from models.kernels.packed.lanes import LANES
from models.kernels.packed.matvec import matvec_codes
from models.kernels.packed.scan import scan_tile


class Weights(NamedTuple):
    """Arrays of all layers, the layer first; matrices as `kernels.packed.matvec.Packed`.

    norm, gated_norm, dt_bias, rate, skip  as in `QuantizedLayer`
    taps           int16 (layers, conv, conv_channels + 16)
    tap_exponents  int8 (layers, conv, conv_channels / 8 + 16)
    conv_bias      int64 (layers, conv_channels + 16)
    """

    norm: Codes
    in_words: np.ndarray
    in_scales: np.ndarray
    in_bias: Codes
    taps: np.ndarray
    tap_exponents: np.ndarray
    conv_bias: Codes
    dt_bias: Codes
    rate: Codes
    skip: Codes
    gated_norm: Codes
    out_words: np.ndarray
    out_scales: np.ndarray
    out_bias: Codes


class State(NamedTuple):
    """What layers remember, the layer first.

    window            int8 (layers, conv, conv_channels + 16)      a ring of tokens
    window_exponents  int8 (layers, conv, conv_channels / 8 + 16)
    h, h_exponents    int8 (layers, ...)  those of `kernels.packed.scan.ScanState`
    """

    window: np.ndarray
    window_exponents: np.ndarray
    h: np.ndarray
    h_exponents: np.ndarray


class Shared(NamedTuple):
    """Vectors of one token that all threads read; lanes reach 16 elements past most of them.

    rows, mixed       int32     out of in_proj, and of out_proj
    codes, exponents  int8      input of a matrix
    values            int32     anything on its way into `codes`
    gated             int32 (inner,)
    b, largest_b      float64   values (groups * state,), and their largest of each group
    c, c_exponents    int32     (groups * state,), and one for each group of the block
    decay             float64 (heads,)
    mantissa, raised  int64 (heads,)  of delta
    """

    rows: np.ndarray
    mixed: np.ndarray
    codes: np.ndarray
    exponents: np.ndarray
    values: np.ndarray
    gated: np.ndarray
    b: np.ndarray
    largest_b: np.ndarray
    c: np.ndarray
    c_exponents: np.ndarray
    decay: np.ndarray
    mantissa: Codes
    raised: Codes


class Numbers(NamedTuple):
    """What the steps take beside arrays; the units' as their kernels take them.

    epsilon, gated_epsilon  of the norms over d_model channels, and over those of a group
    linear, mixed           group and bits of blocks into matrices, and between them
    hadamard                with a matrix of no rows where nothing is rotated
    """

    heads: int
    head_dim: int
    groups: int
    state: int
    epsilon: int
    gated_epsilon: int
    norm: tuple[Any, ...]
    linear: tuple[int, int]
    matvec: tuple[Any, ...]
    mixed: tuple[int, int]
    conv: tuple[int, ...]
    silu: tuple[Any, ...]
    delta: tuple[Any, ...]
    channel: tuple[int, ...]
    scan: tuple[Any, ...]
    gate: tuple[int, ...]
    hadamard: tuple[Any, ...]
    stream: tuple[int, int]


@compiled()
def network_step(residual, newest, threads, weights, state, shared, n, final_norm, head, logits):  # type: ignore[no-untyped-def]
    """Fill `logits` (int64, whole tiles) for a token.

    residual  int32 (d_model,)  the token's row of the embedding; overwritten
    newest    int               place of the token in the window
    threads   int               that share the heads
    head      words, scales and bias
    """
    for layer in range(len(weights.norm)):
        layer_step(residual, layer, newest, threads, weights, state, shared, n)
    _normalize(residual, 0, residual.size, final_norm, n.epsilon, shared, n)
    _multiply(shared, residual.size, *head, logits, n)


@compiled()
def layer_step(residual, layer, newest, threads, weights, state, shared, n):  # type: ignore[no-untyped-def]
    """Add a layer's output to `residual`."""
    inner = n.heads * n.head_dim
    _normalize(residual, 0, residual.size, weights.norm[layer], n.epsilon, shared, n)
    _multiply(
        shared, residual.size,
        weights.in_words[layer], weights.in_scales[layer], weights.in_bias[layer], shared.rows, n,
    )  # fmt: skip
    _vectors(layer, newest, weights, state, shared, n)
    _times(weights.dt_bias[layer], weights.rate[layer], shared, n)
    _heads(
        threads, n.heads, n.head_dim, n.heads // n.groups, n.state,
        shared.rows, state.window[layer], state.window_exponents[layer], newest,
        weights.taps[layer], weights.tap_exponents[layer], weights.conv_bias[layer],
        shared.decay, shared.mantissa, shared.raised, weights.skip[layer],
        shared.b, shared.largest_b, shared.c, shared.c_exponents,
        state.h[layer], state.h_exponents[layer], weights.out_words[layer], shared.gated,
        n.conv, n.silu, n.channel, n.scan, n.gate, *n.mixed,
    )  # fmt: skip
    _mixer_input(weights.gated_norm[layer], shared, n)
    _multiply(
        shared, inner,
        weights.out_words[layer], weights.out_scales[layer], weights.out_bias[layer],
        shared.mixed, n,
    )  # fmt: skip
    low, high = n.stream
    for k in range(residual.size):
        residual[k] = min(max(residual[k] + shared.mixed[k], low), high)


@compiled()
def _normalize(x, first, count, weight, epsilon, shared, n):  # type: ignore[no-untyped-def]
    """Blocks of `count` channels normalized, into `shared.codes`."""
    shared.values[:count] = norm_codes(x[first : first + count], weight, epsilon, *n.norm)
    quantize_codes(shared.values, 0, count, *n.linear, shared.codes, shared.exponents)


@compiled()
def _multiply(shared, columns, words, scales, bias, out, n):  # type: ignore[no-untyped-def]
    """A packed matrix times `shared.codes`."""
    codes, exponents = shared.codes[:columns], shared.exponents[: columns // BLOCK]
    matvec_codes(codes, exponents, words, scales, bias, out, *n.matvec)


@compiled()
def _mixer_input(weight, shared, n):  # type: ignore[no-untyped-def]
    """Blocks of the gated output, normalized group by group and rotated if asked for."""
    inner = n.heads * n.head_dim
    for first in range(0, inner, inner // n.groups):
        some = slice(first, first + inner // n.groups)
        shared.values[some] = norm_codes(shared.gated[some], weight[some], n.gated_epsilon, *n.norm)
    if len(n.hadamard[0]):
        rotated = shared.values[:inner].astype(np.int64)
        shared.values[:inner] = hadamard_codes(rotated, *n.hadamard)
    quantize_codes(shared.values, 0, inner, *n.linear, shared.codes, shared.exponents)


@compiled()
def _vectors(layer, newest, weights, state, shared, n):  # type: ignore[no-untyped-def]
    """B and C of all groups."""
    inner, count = n.heads * n.head_dim, n.groups * n.state
    group, bits = n.mixed
    _convolve(
        shared.rows, 2 * inner, state.window[layer], state.window_exponents[layer], newest,
        weights.taps[layer], weights.tap_exponents[layer], weights.conv_bias[layer],
        inner, 2 * count, n.conv, n.silu, group, bits,
        shared.codes, shared.exponents, shared.values,
    )  # fmt: skip
    shared.largest_b[:] = 0
    for k in range(count):
        value = np.float64(shared.codes[k] << np.int64(shared.exponents[k // BLOCK]))
        at = k // n.state
        shared.b[k], shared.c[k] = value, shared.codes[count + k]
        shared.largest_b[at] = max(shared.largest_b[at], abs(value))
    for k in range(count // group):
        shared.c_exponents[k] = shared.exponents[(count + k * group) // BLOCK]


@compiled()
def _times(bias, rate, shared, n):  # type: ignore[no-untyped-def]
    """Decays of all heads, and mantissas and exponents of delta."""
    first = 2 * (n.heads * n.head_dim + n.groups * n.state)
    for head in range(n.heads):
        decay, mantissa, raised = step_codes(
            shared.rows[first + head] + bias[head], rate[head], *n.delta
        )
        shared.decay[head], shared.mantissa[head], shared.raised[head] = decay, mantissa, raised


@compiled()
def _convolve(  # type: ignore[no-untyped-def]
    rows, row, window, window_exponents, newest, taps, tap_exponents, bias, first, count,
    conv, silu, group, bits, codes, exponents, values,
):  # fmt: skip
    """Blocks of channels from `first`, rows from `row`, after convolution and SiLU."""
    quantize_codes(rows, row, count, group, bits, codes, exponents)
    blocks = slice(first // BLOCK, (first + count) // BLOCK)
    window[newest, first : first + count] = codes[:count]
    window_exponents[newest, blocks] = exponents[: count // BLOCK]
    conv1d_codes(
        window, window_exponents, newest, taps, tap_exponents, bias, first, count, *conv, values
    )
    activate_codes(values, 0, count, silu, values)
    quantize_codes(values, 0, count, group, bits, codes, exponents)


@compiled(parallel=True)
def _heads(  # type: ignore[no-untyped-def]
    threads, heads, head_dim, per_group, state,
    rows, window, window_exponents, newest, taps, tap_exponents, bias,
    decay, mantissa, raised, skip, b, largest_b, c, c_exponents, h, h_exponents, ahead, gated,
    conv, silu, channel, scan, gate, group, bits,
):  # fmt: skip
    """The gated output of all heads: convolution, scan and gate."""
    tiles, lines = -(-head_dim // LANES), ahead.size // LANES
    inner, padded = heads * head_dim, head_dim + 2 * LANES
    for thread in prange(threads):
        codes, z_codes = np.zeros(padded, np.int8), np.zeros(padded, np.int8)
        exponents, z_exponents = np.zeros(padded, np.int8), np.zeros(padded, np.int8)
        values, driven = np.zeros(padded, np.int32), np.zeros(padded)
        update = np.empty(group * LANES, np.int32)
        for head in range(thread * heads // threads, (thread + 1) * heads // threads):
            first, at = head * head_dim, head // per_group
            _convolve(
                rows, inner + first, window, window_exponents, newest, taps, tap_exponents, bias,
                first, head_dim, conv, silu, group, bits, codes, exponents, values,
            )  # fmt: skip
            largest = largest_b[at] * drive_codes(
                codes, exponents, mantissa[head], raised[head], skip[head], head_dim, *channel,
                driven, values,
            )  # fmt: skip
            some = slice(at * state, (at + 1) * state)
            some_groups = slice(at * state // group, (at + 1) * state // group)
            for tile in range(head * tiles, (head + 1) * tiles):
                place = (tile - head * tiles) * LANES
                line, end = lines * tile // (heads * tiles), lines * (tile + 1) // (heads * tiles)
                scan_tile(
                    decay[head], driven[place:], values[place:], b[some], largest, c[some],
                    c_exponents[some_groups], h, h_exponents, tile, update, values[place:],
                    ahead, line, end - line, *scan,
                )  # fmt: skip
            quantize_codes(values, 0, head_dim, group, bits, codes, exponents)
            activate_codes(rows, first, head_dim, silu, values)
            quantize_codes(values, 0, head_dim, group, bits, z_codes, z_exponents)
            gate_codes(codes, exponents, z_codes, z_exponents, head_dim, *gate, values)
            gated[first : first + head_dim] = values[:head_dim]
