"""Mamba-1 in float32 on the CPU: decode of one token, prefill of many.

    decoder = Decoder(parameters)
    logits = decoder.prefill(tokens)
    logits = decoder.decode(token)

Computes what `models.networks.oracle.mamba1` computes, for one sequence.
"""

from typing import NamedTuple

import numpy as np

from models.compiled import compiled
from models.kernels.float32.conv1d import conv1d_into, remember
from models.kernels.float32.functions import softplus_into
from models.kernels.float32.matmul import matmul_into
from models.kernels.float32.norm import gate_into, rms_norm_into
from models.kernels.float32.scan_channels import scan_channels_into
from models.networks.cpu import decoder
from models.networks.cpu.decoder import Array, or_empty
from models.networks.parameters import Mamba1LayerParameters, Mamba1Parameters
from models.networks.shape import Mamba1Shape


class Decoder(decoder.Decoder):
    """Of a Mamba-1."""

    def __init__(self, parameters: Mamba1Parameters) -> None:
        shape = parameters.shape
        layers = [_layer(layer, shape) for layer in parameters.layers]
        super().__init__(parameters, layers)

    def _advance(self, u: Array, layer: "_Layer") -> None:
        _advance(u, layer)


class _Layer(NamedTuple):
    """State of a layer, and what its kernels take.

    conv           (taps - 1, inner)    last inputs of the convolution
    ssm            (state, inner)       h
    conv_weight    (taps, inner)
    A              (state, inner)

    The others as in `Mamba1LayerParameters`, biases that are not there empty.
    """

    conv: Array
    ssm: Array
    norm: Array
    in_proj: Array
    in_proj_bias: Array
    conv_weight: Array
    conv_bias: Array
    x_proj: Array
    dt_proj: Array
    dt_bias: Array
    A: Array
    D: Array
    out_proj: Array
    out_proj_bias: Array
    none: Array
    eps: np.float32


def _layer(layer: Mamba1LayerParameters, shape: Mamba1Shape) -> _Layer:
    return _Layer(
        conv=np.zeros((shape.conv - 1, shape.inner), np.float32),
        ssm=np.zeros((shape.state, shape.inner), np.float32),
        norm=layer.norm,
        in_proj=layer.in_proj,
        in_proj_bias=or_empty(layer.in_proj_bias),
        conv_weight=np.ascontiguousarray(layer.conv_weight.T),
        conv_bias=or_empty(layer.conv_bias),
        x_proj=layer.x_proj,
        dt_proj=layer.dt_proj,
        dt_bias=layer.dt_bias,
        A=np.ascontiguousarray(layer.A.T),
        D=layer.D,
        out_proj=layer.out_proj,
        out_proj_bias=or_empty(layer.out_proj_bias),
        none=or_empty(None),
        eps=np.float32(shape.norm_eps),
    )


@compiled()
def _advance(u, layer):  # type: ignore[no-untyped-def]
    """Tokens through a layer, in place: u (tokens, d_model)."""
    tokens, inner = len(u), layer.D.size
    normed = np.empty_like(u)
    rms_norm_into(u, layer.norm, layer.eps, normed)
    rows = np.empty((tokens, 2 * inner), np.float32)  # x, z
    matmul_into(normed, layer.in_proj, layer.in_proj_bias, rows)
    x, y = np.empty((tokens, inner), np.float32), np.empty((tokens, inner), np.float32)
    conv1d_into(rows, 0, 0, layer.conv, layer.conv_weight, layer.conv_bias, x)
    remember(rows, 0, layer.conv)

    _scan(x, layer, y)
    gate_into(y, rows, inner, y)
    mixed = normed
    matmul_into(y, layer.out_proj, layer.out_proj_bias, mixed)
    u += mixed


@compiled()
def _scan(x, layer, y):  # type: ignore[no-untyped-def]
    """Projections to delta, B and C, and the scan, of x (tokens, inner) into y."""
    tokens, state, rank = len(x), len(layer.A), layer.dt_proj.shape[1]
    low = np.empty((tokens, len(layer.x_proj)), np.float32)  # delta before dt_proj, B, C
    matmul_into(x, layer.x_proj, layer.none, low)
    delta = np.empty_like(x)
    matmul_into(low[:, :rank].copy(), layer.dt_proj, layer.dt_bias, delta)
    softplus_into(delta)
    B, C = low[:, rank : rank + state].copy(), low[:, rank + state :].copy()
    scan_channels_into(x, delta, layer.A, B, C, layer.D, layer.ssm, y)
