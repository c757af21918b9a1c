"""The weights of a network as float32 arrays, in the layout that the checkpoints have."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape


@dataclass(frozen=True, eq=False)
class LayerParameters:
    """Weights of one layer of Mamba-2, float32; `Mamba2Shape` explains the dimensions.

    norm            (d_model,)                 weight of the norm before the mixer
    in_proj         (in_proj_rows, d_model)    rows z, x, B, C, delta
    in_proj_bias    (in_proj_rows,) or None
    conv_weight     (conv_channels, conv)      last tap meets the newest input
    conv_bias       (conv_channels,) or None
    dt_bias         (heads,)                   added to delta before softplus
    A               (heads,)                   negative: -exp(A_log) of the checkpoint
    D               (heads,)                   skip from x to y
    gated_norm      (inner,)                   weight of the norm after the gate
    out_proj        (d_model, inner)
    out_proj_bias   (d_model,) or None
    """

    norm: np.ndarray
    in_proj: np.ndarray
    in_proj_bias: np.ndarray | None
    conv_weight: np.ndarray
    conv_bias: np.ndarray | None
    dt_bias: np.ndarray
    A: np.ndarray
    D: np.ndarray
    gated_norm: np.ndarray
    out_proj: np.ndarray
    out_proj_bias: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Mamba1LayerParameters:
    """Weights of one layer of Mamba-1, float32; `Mamba1Shape` explains the dimensions.

    norm            (d_model,)            weight of the norm before the mixer
    in_proj         (2 * inner, d_model)  rows x, z
    in_proj_bias    (2 * inner,) or None
    conv_weight     (inner, conv)         last tap meets the newest input
    conv_bias       (inner,) or None
    x_proj          (x_proj_rows, inner)  rows delta (before dt_proj), B, C
    dt_proj         (inner, dt_rank)
    dt_bias         (inner,)              added to delta after dt_proj, before softplus
    A               (inner, state)        negative: -exp(A_log) of the checkpoint
    D               (inner,)              skip from x to y
    out_proj        (d_model, inner)
    out_proj_bias   (d_model,) or None
    """

    norm: np.ndarray
    in_proj: np.ndarray
    in_proj_bias: np.ndarray | None
    conv_weight: np.ndarray
    conv_bias: np.ndarray | None
    x_proj: np.ndarray
    dt_proj: np.ndarray
    dt_bias: np.ndarray
    A: np.ndarray
    D: np.ndarray
    out_proj: np.ndarray
    out_proj_bias: np.ndarray | None


AnyLayerParameters = Mamba1LayerParameters | LayerParameters


def layer_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Shape of each array of a layer's parameters, by field; biases not there are absent.

    >>> tiny = Mamba2Shape(d_model=8, layers=1, heads=3, head_dim=4, state=5, vocab=7)
    >>> layer_shapes(tiny)["in_proj"]
    (37, 8)
    """
    shapes = _mamba1_layer(shape) if isinstance(shape, Mamba1Shape) else _mamba2_layer(shape)
    if not shape.conv_bias:
        del shapes["conv_bias"]
    if not shape.proj_bias:
        del shapes["in_proj_bias"], shapes["out_proj_bias"]
    return shapes


def _mamba2_layer(shape: Mamba2Shape) -> dict[str, tuple[int, ...]]:
    rows, channels, inner = shape.in_proj_rows, shape.conv_channels, shape.inner
    return {
        "norm": (shape.d_model,),
        "in_proj": (rows, shape.d_model),
        "in_proj_bias": (rows,),
        "conv_weight": (channels, shape.conv),
        "conv_bias": (channels,),
        "dt_bias": (shape.heads,),
        "A": (shape.heads,),
        "D": (shape.heads,),
        "gated_norm": (inner,),
        "out_proj": (shape.d_model, inner),
        "out_proj_bias": (shape.d_model,),
    }


def _mamba1_layer(shape: Mamba1Shape) -> dict[str, tuple[int, ...]]:
    inner = shape.inner
    return {
        "norm": (shape.d_model,),
        "in_proj": (2 * inner, shape.d_model),
        "in_proj_bias": (2 * inner,),
        "conv_weight": (inner, shape.conv),
        "conv_bias": (inner,),
        "x_proj": (shape.x_proj_rows, inner),
        "dt_proj": (inner, shape.dt_rank),
        "dt_bias": (inner,),
        "A": (inner, shape.state),
        "D": (inner,),
        "out_proj": (shape.d_model, inner),
        "out_proj_bias": (shape.d_model,),
    }


def layer_parameters(shape: Shape, arrays: Mapping[str, np.ndarray]) -> AnyLayerParameters:
    """A layer's parameters, of the arrays that `layer_shapes` names; the other biases are None."""
    kind = Mamba1LayerParameters if isinstance(shape, Mamba1Shape) else LayerParameters
    absent: dict[str, Any] = {field.name: None for field in fields(kind)}
    return kind(**absent | dict(arrays))


@dataclass(frozen=True, eq=False)
class NetworkParameters:
    """Weights of a whole Mamba-2, float32.

    embedding     (vocab, d_model)
    layers        one `LayerParameters` for each layer
    final_norm    (d_model,)
    head          (vocab, d_model); when `shape.tied`, the very array `embedding`
    rotated       the input of every out_proj is transformed online (`oracle.functions.turned`),
                  and the columns of out_proj already hold the inverse
    """

    shape: Mamba2Shape
    embedding: np.ndarray
    layers: tuple[LayerParameters, ...]
    final_norm: np.ndarray
    head: np.ndarray
    rotated: bool = False

    def __post_init__(self) -> None:
        _require(self)


@dataclass(frozen=True, eq=False)
class Mamba1Parameters:
    """Weights of a whole Mamba-1, float32; fields as of `NetworkParameters`."""

    shape: Mamba1Shape
    embedding: np.ndarray
    layers: tuple[Mamba1LayerParameters, ...]
    final_norm: np.ndarray
    head: np.ndarray

    def __post_init__(self) -> None:
        _require(self)


Parameters = Mamba1Parameters | NetworkParameters


def _require(parameters: Parameters) -> None:
    """Refuse arrays that are not those of the shape, all at once."""
    shape, wrong = parameters.shape, []
    layers: tuple[AnyLayerParameters, ...] = parameters.layers
    if len(layers) != shape.layers:
        raise ValueError(f"layers must be {shape.layers} in number, not {len(layers)}")
    table = (shape.vocab, shape.d_model)
    ends = dict(embedding=table, final_norm=table[1:], head=table)
    wrong += _differences("", parameters, ends)
    for index, layer in enumerate(layers):
        expected = layer_shapes(shape)
        for field in fields(layer):
            if field.name not in expected and getattr(layer, field.name) is not None:
                wrong.append(f"layers[{index}].{field.name} must be None")
        wrong += _differences(f"layers[{index}].", layer, expected)
    if shape.tied and parameters.head is not parameters.embedding:
        wrong.append("head must be the embedding itself when the shape is tied")
    if wrong:
        raise ValueError("; ".join(wrong))


def _differences(prefix: str, holder: object, expected: dict[str, tuple[int, ...]]) -> list[str]:
    """What is wrong with the arrays of `holder`, one sentence for each."""
    wrong = []
    for name, shape in expected.items():
        array = getattr(holder, name)
        if not isinstance(array, np.ndarray):
            wrong.append(f"{prefix}{name} must be an array, not {type(array).__name__}")
        elif array.dtype != np.float32 or array.shape != shape:
            found = f"{array.dtype} {array.shape}"
            wrong.append(f"{prefix}{name} must be float32 {shape}, not {found}")
    return wrong
