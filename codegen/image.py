"""Weights as words: what each weight port of a layer takes for one token, in order."""

import numpy as np

from models.images import pack_matrix
from models.networks.layer import LayerUnits, padded_heads
from models.networks.order import PADDING, conv_order, in_proj_order
from models.networks.quantized import Matrix, QuantizedLayer
from models.networks.shape import Mamba2Shape
from models.units.conv1d import pack_weights


def layer_words(
    layer: QuantizedLayer, shape: Mamba2Shape, units: LayerUnits
) -> dict[str, list[int]]:
    """Words by weight port of `rtl.layer.Layer`, for one token; the same for every token."""
    order = in_proj_order(shape, units.lanes, units.matvec.rows)
    in_proj = pack_matrix(*_permuted(layer.in_proj, order.rows), units.matvec)
    out = layer.out_proj
    out_proj = pack_matrix(out.weights, out.scales, out.bias, units.matvec)
    channels = conv_order(shape)
    groups = channels[:: units.conv1d.x.group] // units.conv1d.x.group
    heads = padded_heads(shape, units.lanes) - shape.heads
    return {
        "i_norm": units.norm.weight_beat.pack(weight=np.append(layer.norm, layer.gated_norm)),
        **{port: in_proj[port] + out_proj[port] for port in in_proj},
        "i_conv": pack_weights(
            layer.taps[:, channels],
            layer.tap_exponents[:, groups],
            layer.conv_bias[channels],
            units.conv1d,
        ),
        "i_heads": units.discretize.weight_beat.pack(
            bias=np.pad(layer.dt_bias, (0, heads)),
            rate=np.pad(layer.rate, (0, heads)),
            skip=np.pad(layer.skip, (0, heads)),
        ),
    }


def _permuted(matrix: Matrix, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Weights, scales and biases of `rows`, zeros for PADDING."""

    def taken(codes: np.ndarray) -> np.ndarray:
        padding = (rows == PADDING).reshape(-1, *(1,) * (codes.ndim - 1))
        return np.where(padding, 0, codes[rows])

    bias = None if matrix.bias is None else taken(matrix.bias)
    return taken(matrix.weights), taken(matrix.scales), bias
