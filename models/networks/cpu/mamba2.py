"""Mamba-2 in float32 on the CPU: decode of one token, prefill of many.

    decoder = Decoder(parameters)
    logits = decoder.prefill(tokens)
    logits = decoder.decode(token)

Computes what `models.networks.oracle.mamba2` computes, for one sequence.
"""

from typing import NamedTuple

import numpy as np

from models.compiled import compiled
from models.kernels.float32.conv1d import conv1d_into, remember
from models.kernels.float32.functions import softplus
from models.kernels.float32.hadamard import hadamard_into, transform_arguments
from models.kernels.float32.matmul import matmul_into
from models.kernels.float32.norm import gated_rms_norm_into, rms_norm_into
from models.kernels.float32.scan import scan_chunked_into, scan_into
from models.networks.cpu import decoder
from models.networks.cpu.decoder import Array, or_empty
from models.networks.oracle.functions import turned_halvings
from models.networks.parameters import LayerParameters, NetworkParameters
from models.networks.shape import Mamba2Shape

SHORT = 16
"""Fewer tokens than these are scanned one after the other."""


class Decoder(decoder.Decoder):
    """Of a Mamba-2."""

    def __init__(self, parameters: NetworkParameters) -> None:
        shape = parameters.shape
        layers = [_layer(layer, shape, parameters.rotated) for layer in parameters.layers]
        super().__init__(parameters, layers)

    def _advance(self, u: Array, layer: "_Layer") -> None:
        _advance(u, layer)


class _Layer(NamedTuple):
    """State of a layer, and what its kernels take.

    conv           (taps - 1, conv_channels)     last inputs of the convolution
    ssm            (heads, head_dim, state)      h
    conv_weight    (taps, conv_channels)
    turn_base      H_base of the rotation before out_proj, empty where there is none

    The others as in `LayerParameters`, biases that are not there empty.
    """

    conv: Array
    ssm: Array
    norm: Array
    in_proj: Array
    in_proj_bias: Array
    conv_weight: Array
    conv_bias: Array
    dt_bias: Array
    A: Array
    D: Array
    gated_norm: Array
    out_proj: Array
    out_proj_bias: Array
    groups: int
    eps: np.float32
    delta_low: np.float32
    delta_high: np.float32
    turn_base: Array
    turn_points: int
    turn_scale: np.float32


def _layer(layer: LayerParameters, shape: Mamba2Shape, rotated: bool) -> _Layer:
    base, points = transform_arguments(shape.inner) if rotated else (np.empty((0, 0)), 0)
    low, high = shape.time_step_limit
    return _Layer(
        conv=np.zeros((shape.conv - 1, shape.conv_channels), np.float32),
        ssm=np.zeros((shape.heads, shape.head_dim, shape.state), np.float32),
        norm=layer.norm,
        in_proj=layer.in_proj,
        in_proj_bias=or_empty(layer.in_proj_bias),
        conv_weight=np.ascontiguousarray(layer.conv_weight.T),
        conv_bias=or_empty(layer.conv_bias),
        dt_bias=layer.dt_bias,
        A=layer.A,
        D=layer.D,
        gated_norm=layer.gated_norm,
        out_proj=layer.out_proj,
        out_proj_bias=or_empty(layer.out_proj_bias),
        groups=shape.groups,
        eps=np.float32(shape.norm_eps),
        delta_low=np.float32(low),
        delta_high=np.float32(high),
        turn_base=base.astype(np.float32),
        turn_points=points,
        turn_scale=np.float32(0.5 ** turned_halvings(shape.inner)),
    )


@compiled()
def _advance(u, layer):  # type: ignore[no-untyped-def]
    """Tokens through a layer, in place: u (tokens, d_model)."""
    tokens, inner = len(u), layer.gated_norm.size
    normed = np.empty_like(u)
    rms_norm_into(u, layer.norm, layer.eps, normed)
    rows = np.empty((tokens, len(layer.in_proj)), np.float32)  # z, x, B, C, delta
    matmul_into(normed, layer.in_proj, layer.in_proj_bias, rows)

    y = np.empty((tokens, inner), np.float32)
    _scan(rows, layer, y)
    gated = np.empty_like(y)
    gated_rms_norm_into(y, rows, layer.gated_norm, layer.eps, layer.groups, gated)
    if layer.turn_base.size:
        hadamard_into(gated, layer.turn_base, layer.turn_points, layer.turn_scale, y)
        gated = y
    mixed = normed
    matmul_into(gated, layer.out_proj, layer.out_proj_bias, mixed)
    u += mixed


@compiled()
def _scan(rows, layer, y):  # type: ignore[no-untyped-def]
    """Convolution and scan of in_proj's rows (tokens, in_proj_rows) into y (tokens, inner)."""
    tokens, inner = y.shape
    heads, state = layer.A.size, layer.ssm.shape[2]
    grouped = layer.groups * state
    x, B = np.empty_like(y), np.empty((tokens, grouped), np.float32)
    C, first = np.empty_like(B), 0
    for part in (x, B, C):
        conv1d_into(rows, inner, first, layer.conv, layer.conv_weight, layer.conv_bias, part)
        first += part.shape[1]
    remember(rows, inner, layer.conv)

    delta = np.empty((tokens, heads), np.float32)
    for token in range(tokens):
        for head in range(heads):
            step = softplus(rows[token, inner + first + head] + layer.dt_bias[head])
            delta[token, head] = min(max(step, layer.delta_low), layer.delta_high)
    if tokens < SHORT:
        scan_into(x, delta, layer.A, B, C, layer.D, layer.ssm, y)
    else:
        scan_chunked_into(x, delta, layer.A, B, C, layer.D, layer.ssm, y)
