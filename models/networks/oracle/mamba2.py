"""Mamba-2 in float32: prefill of whole texts, decode of one token, and a layer's inner tensors.

    logits = prefill(parameters, tokens)

    state = State.zeros(parameters.shape)
    logits, state = decode(parameters, state, token)

Leading axes are sequences side by side. The clamp of delta to `time_step_limit` applies in decode
as in prefill; `transformers` and state-spaces/mamba leave it out of their one-token path.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from models.networks.oracle.ends import embed, head
from models.networks.oracle.ends import head_input as head_input  # for whoever reads layer by layer
from models.networks.oracle.functions import (
    gated_rms_norm,
    linear,
    rms_norm,
    silu,
    softplus,
    turned,
)
from models.networks.oracle.scan import scan_chunked, scan_step
from models.networks.parameters import LayerParameters, NetworkParameters
from models.networks.shape import Mamba2Shape


@dataclass(frozen=True, eq=False)
class LayerState:
    """What one layer remembers between tokens.

    conv    float32 (..., conv - 1, conv_channels)      last inputs of the convolution, oldest first
    ssm     float32 (..., heads, head_dim, state)       h
    """

    conv: np.ndarray
    ssm: np.ndarray


@dataclass(frozen=True, eq=False)
class State:
    """What the network remembers between tokens: one `LayerState` for each layer."""

    layers: tuple[LayerState, ...]

    @classmethod
    def zeros(cls, shape: Mamba2Shape, batch: tuple[int, ...] = ()) -> "State":
        """The state before the first token of `batch` sequences."""
        conv = (*batch, shape.conv - 1, shape.conv_channels)
        ssm = (*batch, shape.heads, shape.head_dim, shape.state)
        empty = LayerState(np.zeros(conv, np.float32), np.zeros(ssm, np.float32))
        return cls((empty,) * shape.layers)


@dataclass(frozen=True, eq=False)
class LayerTensors:
    """Every tensor of a layer, in the order of computation; all float32, leading axes (...).

    With a time axis, it is the last of the leading ones; `state` has none.

    normed        (..., d_model)            after the norm, input of in_proj
    z             (..., inner)              gate, before SiLU
    conv_in       (..., conv_channels)      x, B, C before the convolution
    delta_raw     (..., heads)              before dt_bias and softplus
    conv_out      (..., conv_channels)      after the convolution, before SiLU
    x             (..., heads, head_dim)    after SiLU
    B, C          (..., groups, state)      after SiLU
    delta         (..., heads)              after softplus and clamp
    decay         (..., heads)              exp(delta * A)
    y             (..., heads, head_dim)    output of the scan with the skip D * x
    gated         (..., inner)              input of out_proj: after gate and gated norm, and
                                            `turned` in a rotated network
    mixed         (..., d_model)            output of out_proj
    out           (..., d_model)            residual stream after the layer
    state         LayerState                after the last token
    """

    normed: np.ndarray
    z: np.ndarray
    conv_in: np.ndarray
    delta_raw: np.ndarray
    conv_out: np.ndarray
    x: np.ndarray
    B: np.ndarray
    C: np.ndarray
    delta: np.ndarray
    decay: np.ndarray
    y: np.ndarray
    gated: np.ndarray
    mixed: np.ndarray
    out: np.ndarray
    state: LayerState


# scan(x, delta, A, B, C, h) -> y, h
_Scan = Callable[..., tuple[np.ndarray, np.ndarray]]


def layer_tensors(
    layer: LayerParameters,
    shape: Mamba2Shape,
    u: np.ndarray,
    state: LayerState,
    rotated: bool = False,
) -> LayerTensors:
    """All tensors of `layer` over many tokens.

    u         float32 (..., time, d_model)  residual stream before the layer
    state     before the first token
    rotated   as of `NetworkParameters`
    """
    normed, z, conv_in, delta_raw = _project(layer, shape, u)
    time = u.shape[-2]
    history = np.concatenate([state.conv, conv_in], axis=-2)  # (..., conv - 1 + time, channels)
    conv_out = sum(
        history[..., tap : tap + time, :] * layer.conv_weight[:, tap] for tap in range(shape.conv)
    )
    tensors = (normed, z, conv_in, delta_raw, conv_out)
    conv_state = history[..., time:, :]
    return _scan_and_gate(layer, shape, u, tensors, conv_state, state, rotated, scan_chunked)


def layer_step_tensors(
    layer: LayerParameters,
    shape: Mamba2Shape,
    u: np.ndarray,
    state: LayerState,
    rotated: bool = False,
) -> LayerTensors:
    """All tensors of `layer` for one token; u and every tensor are without a time axis."""
    normed, z, conv_in, delta_raw = _project(layer, shape, u)
    window = np.concatenate([state.conv, conv_in[..., None, :]], axis=-2)  # (..., conv, channels)
    conv_out = np.einsum("...tc,ct->...c", window, layer.conv_weight)
    tensors = (normed, z, conv_in, delta_raw, conv_out)
    conv_state = window[..., 1:, :]
    return _scan_and_gate(layer, shape, u, tensors, conv_state, state, rotated, scan_step)


def layer_step(
    layer: LayerParameters,
    shape: Mamba2Shape,
    u: np.ndarray,
    state: LayerState,
    rotated: bool = False,
) -> tuple[np.ndarray, LayerState]:
    """One token through one layer, residual included.

    u         float32 (..., d_model)
    return    float32 (..., d_model), the state after the token
    """
    tensors = layer_step_tensors(layer, shape, u, state, rotated)
    return tensors.out, tensors.state


def _project(
    layer: LayerParameters, shape: Mamba2Shape, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Norm and in_proj: the normed input and z, x with B and C, raw delta."""
    normed = rms_norm(u, layer.norm, shape.norm_eps)
    rows = linear(normed, layer.in_proj, layer.in_proj_bias)
    ends = (shape.inner, shape.inner + shape.conv_channels)
    z, conv_in, delta_raw = np.split(rows, ends, axis=-1)
    return normed, z, conv_in, delta_raw


def _scan_and_gate(
    layer: LayerParameters,
    shape: Mamba2Shape,
    u: np.ndarray,
    tensors: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    conv_state: np.ndarray,
    state: LayerState,
    rotated: bool,
    scan: _Scan,
) -> LayerTensors:
    """Everything after the taps of the convolution; `scan` alone knows about time."""
    normed, z, conv_in, delta_raw, conv_out = tensors
    if layer.conv_bias is not None:
        conv_out = conv_out + layer.conv_bias
    lead, inner, grouped = u.shape[:-1], shape.inner, shape.groups * shape.state
    x, B, C = np.split(silu(conv_out), (inner, inner + grouped), axis=-1)
    x = x.reshape(*lead, shape.heads, shape.head_dim)
    B = B.reshape(*lead, shape.groups, shape.state)
    C = C.reshape(*lead, shape.groups, shape.state)

    low, high = (np.float32(limit) for limit in shape.time_step_limit)
    delta = np.clip(softplus(delta_raw + layer.dt_bias), low, high)
    y, h = scan(x, delta, layer.A, B, C, state.ssm)
    y = y + layer.D[:, None] * x

    flat = y.reshape(*lead, inner)
    gated = gated_rms_norm(flat, z, layer.gated_norm, shape.norm_eps, shape.groups)
    if rotated:
        gated = turned(gated)
    mixed = linear(gated, layer.out_proj, layer.out_proj_bias)
    return LayerTensors(
        normed=normed,
        z=z,
        conv_in=conv_in,
        delta_raw=delta_raw,
        conv_out=conv_out,
        x=x,
        B=B,
        C=C,
        delta=delta,
        decay=np.exp(delta * layer.A),
        y=y,
        gated=gated,
        mixed=mixed,
        out=u + mixed,
        state=LayerState(conv_state, h),
    )


def each_layer(
    parameters: NetworkParameters, state: State, tokens: np.ndarray
) -> Iterator[LayerTensors]:
    """The tensors of one layer after the other while many tokens are read; see `advance`."""
    u = embed(parameters, tokens)
    for layer, layer_state in zip(parameters.layers, state.layers, strict=True):
        tensors = layer_tensors(layer, parameters.shape, u, layer_state, parameters.rotated)
        u = tensors.out
        yield tensors


def advance(
    parameters: NetworkParameters, state: State, tokens: np.ndarray
) -> tuple[np.ndarray, State]:
    """Read many tokens from a given state.

    state     for each of the leading axes of `tokens`
    tokens    int (..., time)
    return    logits float32 (..., time, vocab), the state after the last token
    """
    after = []
    for tensors in each_layer(parameters, state, tokens):
        u = tensors.out
        after.append(tensors.state)
    return head(parameters, u), State(tuple(after))


def prefill(parameters: NetworkParameters, tokens: np.ndarray) -> np.ndarray:
    """Read whole sequences from their start.

    tokens    int (..., time)
    return    logits float32 (..., time, vocab): at each place, for the token that follows
    """
    tokens = np.asarray(tokens)
    return advance(parameters, State.zeros(parameters.shape, tokens.shape[:-1]), tokens)[0]


def decode(
    parameters: NetworkParameters, state: State, token: np.ndarray | int
) -> tuple[np.ndarray, State]:
    """Read one token.

    token     int (...), the leading axes of `state`
    return    logits float32 (..., vocab), the state after the token
    """
    u, after = embed(parameters, np.asarray(token)), []
    for layer, layer_state in zip(parameters.layers, state.layers, strict=True):
        u, layer_state = layer_step(layer, parameters.shape, u, layer_state, parameters.rotated)
        after.append(layer_state)
    return head(parameters, u), State(tuple(after))
