"""Mamba-1 in float32: prefill of whole texts and decode of one token.

    logits = prefill(parameters, tokens)

    state = State.zeros(parameters.shape)
    logits, state = decode(parameters, state, token)

Leading axes are sequences side by side. Gu and Dao, "Mamba" (2023), section 3.4 and Algorithm 2.
Unlike in Mamba-2, delta, B and C are projected from x after the convolution, each channel has a
delta of its own, no norm follows the gate, and nothing clamps delta.
"""

from dataclasses import dataclass

import numpy as np

from models.networks.oracle.ends import embed, head
from models.networks.oracle.functions import linear, rms_norm, silu, softplus
from models.networks.oracle.scan import scan_channels
from models.networks.parameters import Mamba1LayerParameters, Mamba1Parameters
from models.networks.shape import Mamba1Shape


@dataclass(frozen=True, eq=False)
class LayerState:
    """What one layer remembers between tokens.

    conv    float32 (..., conv - 1, inner)      last inputs of the convolution, oldest first
    ssm     float32 (..., inner, state)         h
    """

    conv: np.ndarray
    ssm: np.ndarray


@dataclass(frozen=True, eq=False)
class State:
    """What the network remembers between tokens: one `LayerState` for each layer."""

    layers: tuple[LayerState, ...]

    @classmethod
    def zeros(cls, shape: Mamba1Shape, batch: tuple[int, ...] = ()) -> "State":
        """The state before the first token of `batch` sequences."""
        conv, ssm = (*batch, shape.conv - 1, shape.inner), (*batch, shape.inner, shape.state)
        empty = LayerState(np.zeros(conv, np.float32), np.zeros(ssm, np.float32))
        return cls((empty,) * shape.layers)


def advance_layer(
    layer: Mamba1LayerParameters, shape: Mamba1Shape, u: np.ndarray, state: LayerState
) -> tuple[np.ndarray, LayerState]:
    """Many tokens through one layer, residual included.

    u         float32 (..., time, d_model)
    state     before the first token
    return    float32 (..., time, d_model), the state after the last token
    """
    normed = rms_norm(u, layer.norm, shape.norm_eps)
    x, z = np.split(linear(normed, layer.in_proj, layer.in_proj_bias), 2, axis=-1)
    x, conv = _convolve(layer, x, state.conv)  # (..., time, inner)

    ends = (shape.dt_rank, shape.dt_rank + shape.state)
    delta_low, B, C = np.split(linear(x, layer.x_proj), ends, axis=-1)
    delta = softplus(linear(delta_low, layer.dt_proj, layer.dt_bias))  # (..., time, inner)
    y, h = scan_channels(x, delta, layer.A, B, C, state.ssm)
    y = y + layer.D * x

    mixed = linear(y * silu(z), layer.out_proj, layer.out_proj_bias)
    return u + mixed, LayerState(conv, h)


def _convolve(
    layer: Mamba1LayerParameters, x: np.ndarray, before: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Causal convolution and SiLU of x (..., time, inner); the last inputs, for what follows."""
    time, taps = x.shape[-2], layer.conv_weight.shape[-1]
    history = np.concatenate([before, x], axis=-2)  # (..., conv - 1 + time, inner)
    out = sum(history[..., tap : tap + time, :] * layer.conv_weight[:, tap] for tap in range(taps))
    if layer.conv_bias is not None:
        out = out + layer.conv_bias
    return silu(out), history[..., time:, :]


def advance(
    parameters: Mamba1Parameters, state: State, tokens: np.ndarray
) -> tuple[np.ndarray, State]:
    """Read many tokens from a given state.

    state     for each of the leading axes of `tokens`
    tokens    int (..., time)
    return    logits float32 (..., time, vocab), the state after the last token
    """
    u, after = embed(parameters, tokens), []
    for layer, layer_state in zip(parameters.layers, state.layers, strict=True):
        u, layer_state = advance_layer(layer, parameters.shape, u, layer_state)
        after.append(layer_state)
    return head(parameters, u), State(tuple(after))


def prefill(parameters: Mamba1Parameters, tokens: np.ndarray) -> np.ndarray:
    """Read whole sequences from their start.

    tokens    int (..., time)
    return    logits float32 (..., time, vocab): at each place, for the token that follows
    """
    tokens = np.asarray(tokens)
    return advance(parameters, State.zeros(parameters.shape, tokens.shape[:-1]), tokens)[0]


def decode(
    parameters: Mamba1Parameters, state: State, token: np.ndarray | int
) -> tuple[np.ndarray, State]:
    """Read one token.

    token     int (...), the leading axes of `state`
    return    logits float32 (..., vocab), the state after the token
    """
    logits, state = advance(parameters, state, np.asarray(token)[..., None])
    return logits[..., 0, :], state
