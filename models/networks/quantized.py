"""The weights of a quantized network: integer codes, in the layout of the float checkpoint."""

from dataclasses import dataclass

import numpy as np

from models.formats import Codes
from models.networks.shape import Mamba2Shape
from models.precision import Precision


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix of few-bit weights.

    weights  int8 (rows, columns)          codes of `precision.weight`
    scales   int16 (rows, weight groups)   encoded scales of `precision.scale`
    bias     int64 (rows,) or None         codes of `precision.stream`
    """

    weights: np.ndarray
    scales: np.ndarray
    bias: Codes | None = None

    def values(self, precision: Precision) -> np.ndarray:
        """The numbers float32 (rows, columns) that the weights stand for."""
        scales = precision.scale.values(self.scales.astype(np.int64)).astype(np.float32)
        steps = np.repeat(scales, precision.weight_group, axis=1)
        return self.weights * steps[:, : self.weights.shape[1]]


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """Codes of one layer; rows of in_proj in the order z, x, B, C, delta.

    norm, gated_norm  int (d_model,), (inner,)  codes of `precision.norm_weight`, times sqrt(length)
    taps              int (conv, conv_channels)  codes of `precision.conv_tap`, oldest token first
    tap_exponents     int (conv, conv_channels / group)
    conv_bias         int (conv_channels,)       codes of `precision.stream`
    dt_bias           int (heads,)               codes of `precision.stream`
    rate              int (heads,)               codes of `precision.rate`
    skip              int (heads,)               codes of `precision.skip`
    """

    norm: Codes
    in_proj: Matrix
    taps: Codes
    tap_exponents: Codes
    conv_bias: Codes
    dt_bias: Codes
    rate: Codes
    skip: Codes
    gated_norm: Codes
    out_proj: Matrix


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """Codes of a whole network.

    embedding   int (vocab, d_model)    codes of `precision.embedding`, in the smallest type
    final_norm  int (d_model,)          codes of `precision.norm_weight`, times sqrt(d_model)
    recipe      name of that by which the float network was quantized
    """

    shape: Mamba2Shape
    precision: Precision
    embedding: np.ndarray
    layers: tuple[QuantizedLayer, ...]
    final_norm: Codes
    head: Matrix
    recipe: str = "rtn"
