"""Transformations of a network that leave its logits as they are: folds, scales, rotations.

Each takes `NetworkParameters` and returns new ones, computed in float64 and rounded to float32
once. They are exact because a matrix that multiplies a linear layer's input can be undone in its
columns, and because the norm of the residual stream commutes with every orthogonal matrix once
its weights are ones. The usual order is

    smooth, fold_norms, rotate_residual, rotate_mixer

and `smooth` comes before `rotate_mixer`, since a scale cannot pass the rotation.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from models.networks.oracle.functions import turned_halvings
from models.networks.parameters import LayerParameters, NetworkParameters
from models.networks.shape import Mamba2Shape
from models.quantization.calibration import Calibration
from models.units.hadamard import factors, transform


def fold_norms(parameters: NetworkParameters) -> NetworkParameters:
    """Weights of the norms before in_proj and the head folded into their columns.

    The weights become ones, the head its own matrix. The gated norm keeps its weight: folding it
    makes the rounding error of out_proj larger (LightMamba, fig. 4b).
    """

    def fold(layer: LayerParameters) -> LayerParameters:
        return replace(
            layer,
            norm=np.ones_like(layer.norm),
            in_proj=_float32(_double(layer.in_proj) * layer.norm),
        )

    head = _float32(_double(parameters.head) * parameters.final_norm)
    ones = np.ones_like(parameters.final_norm)
    return replace(
        _each_layer(parameters, fold), shape=_untied(parameters), final_norm=ones, head=head
    )


def rotate_residual(parameters: NetworkParameters, q: np.ndarray) -> NetworkParameters:
    """The residual stream u becomes u q, with q orthogonal (d_model, d_model).

    Folded into the embedding, in_proj, the rows and bias of out_proj, and the head (QuaRot,
    arXiv 2404.00456, for the residual stream of transformers; LightMamba for Mamba).

    Raises ValueError unless the norms are folded and q is orthogonal.
    """
    norms = [layer.norm for layer in parameters.layers] + [parameters.final_norm]
    if not all((norm == 1).all() for norm in norms):
        raise ValueError("norms must have weights of one before a rotation; fold_norms does that")
    _require_orthogonal(q, parameters.shape.d_model)

    def turn(layer: LayerParameters) -> LayerParameters:
        bias = layer.out_proj_bias
        return replace(
            layer,
            in_proj=_float32(layer.in_proj @ q),
            out_proj=_float32(q.T @ layer.out_proj),
            out_proj_bias=None if bias is None else _float32(bias @ q),
        )

    embedding = _float32(parameters.embedding @ q)
    head = embedding if parameters.shape.tied else _float32(parameters.head @ q)
    return replace(_each_layer(parameters, turn), embedding=embedding, head=head)


def rotate_mixer(parameters: NetworkParameters) -> NetworkParameters:
    """The input of every out_proj is transformed online, its inverse is in out_proj's columns.

    Raises ValueError when that is so already.
    """
    if parameters.rotated:
        raise ValueError("parameters must not be rotated twice before out_proj")
    width = parameters.shape.inner
    _, base, points = factors(width)
    undone = 2.0 ** turned_halvings(width) / (base * points)

    def turn(layer: LayerParameters) -> LayerParameters:
        # W M^-1 has the rows M w / length, since M M^T = length.
        return replace(layer, out_proj=_float32(transform(_double(layer.out_proj)) * undone))

    return replace(_each_layer(parameters, turn), rotated=True)


def smooth(
    parameters: NetworkParameters, calibration: Calibration, strength: float = 0.5
) -> NetworkParameters:
    """SmoothQuant: channels of the inputs divided by s, columns of the weights multiplied by it.

        s = max|x|**strength / max|w|**(1 - strength)

    for each channel of the inputs of in_proj, out_proj and the head (Xiao et al. 2023, eq. 4). The
    division goes into the norm before: of the residual stream, or the gated one. A network with
    folded norms gets weights other than ones again; rotate_residual then needs another fold_norms,
    which takes the smoothing back.

    calibration   of these very parameters

    Raises ValueError for parameters whose input of out_proj is rotated.
    """
    if parameters.rotated:
        raise ValueError("parameters must not be rotated before out_proj; smooth them first")

    def scale_layer(layer: LayerParameters, index: int) -> LayerParameters:
        before = _smoothing(calibration.in_proj[index].maximum, layer.in_proj, strength)
        after = _smoothing(calibration.out_proj[index].maximum, layer.out_proj, strength)
        return replace(
            layer,
            norm=_float32(layer.norm / before),
            in_proj=_float32(layer.in_proj * before),
            gated_norm=_float32(layer.gated_norm / after),
            out_proj=_float32(layer.out_proj * after),
        )

    last = _smoothing(calibration.head.maximum, parameters.head, strength)
    return replace(
        parameters,
        shape=_untied(parameters),
        layers=tuple(scale_layer(layer, at) for at, layer in enumerate(parameters.layers)),
        final_norm=_float32(parameters.final_norm / last),
        head=_float32(parameters.head * last),
    )


def _smoothing(maximum: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    """`s` of `smooth`, (channels,); one where input or weights are all zeros."""
    largest = np.abs(_double(weights)).max(axis=0)
    alive = (maximum > 0) & (largest > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(alive, maximum**strength / largest ** (1 - strength), 1)


def _untied(parameters: NetworkParameters) -> Mamba2Shape:
    """The shape of a network whose head is no longer the embedding."""
    return replace(parameters.shape, tied=False)


def _each_layer(
    parameters: NetworkParameters, change: Callable[[LayerParameters], LayerParameters]
) -> NetworkParameters:
    return replace(parameters, layers=tuple(change(layer) for layer in parameters.layers))


def _require_orthogonal(q: np.ndarray, width: int) -> None:
    if q.shape != (width, width):
        raise ValueError(f"q must be ({width}, {width}), not {q.shape}")
    off = float(np.abs(q.T @ q - np.eye(width)).max())
    if off > 1e-6:
        raise ValueError(f"q must be orthogonal, not off by {off:g}")


def _double(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64)


def _float32(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32)
