"""What narrowing the inputs of linear layers costs, before any weight is rounded."""

from collections.abc import Sequence

import numpy as np

from models.formats import Block
from models.networks.oracle import mamba2 as oracle
from models.networks.oracle.functions import rms_norm
from models.networks.parameters import NetworkParameters
from models.precision import Precision
from models.quantization.inputs import each_layer_inputs
from models.units.quantize import QuantizeConfig, quantize


def narrowed(x: np.ndarray, block: Block) -> np.ndarray:
    """The float32 numbers that `x` (..., channels) becomes in the hardware's blocks."""
    codes = quantize(block.source.nearest(x), QuantizeConfig(block))
    return block.values(*codes).astype(np.float32)


def input_errors(
    parameters: NetworkParameters, precision: Precision, tokens: np.ndarray
) -> dict[str, float]:
    """Squared error of every linear layer's output over its square, by the layer's name.

    The network is the float one but for that layer's input, which is narrowed as by `precision`.

    tokens  int (sequences, time)  each sequence from an empty state
    """
    errors, block = {}, precision.linear_input

    def measure(name: str, x: np.ndarray, weights: np.ndarray) -> None:
        gram = weights.T @ weights
        errors[name] = _energy(narrowed(x, block) - x, gram) / _energy(x, gram)

    for index, tensors in enumerate(each_layer_inputs(parameters, tokens)):
        layer = parameters.layers[index]
        measure(f"layers.{index}.in_proj", tensors.normed, layer.in_proj)
        measure(f"layers.{index}.out_proj", tensors.gated, layer.out_proj)
        last = tensors.out
    measure("head", oracle.head_input(parameters, last), parameters.head)
    return errors


def rotated_errors(
    parameters: NetworkParameters,
    precision: Precision,
    tokens: np.ndarray,
    rotations: Sequence[np.ndarray],
) -> tuple[float, list[float]]:
    """Sums of `input_errors` over the matrices that read the residual stream.

    Those of the network as it is, and as `fold_norms` and `rotate_residual` by each of the
    rotations make it. These change neither the stream but for its basis nor what is lost in
    out_proj, so that one run of the network tells about all.

    tokens     int (sequences, time)  each sequence from an empty state
    rotations  orthogonal (d_model, d_model)
    """
    block, eps = precision.linear_input, parameters.shape.norm_eps
    plain, rotated = 0.0, np.zeros(len(rotations))
    turns = [q.astype(np.float32) for q in rotations]

    def measure(u: np.ndarray, norm: np.ndarray, weights: np.ndarray) -> None:
        nonlocal plain
        folded = (weights * norm).T @ (weights * norm)
        x = rms_norm(u, np.ones_like(norm), eps)
        exact = _energy(x, folded)
        plain += _energy((narrowed(x * norm, block) - x * norm), weights.T @ weights) / exact
        for at, q in enumerate(turns):
            y = x @ q
            rotated[at] += _energy(narrowed(y, block) - y, q.T @ folded @ q) / exact

    for layer, tensors in zip(
        parameters.layers, each_layer_inputs(parameters, tokens), strict=True
    ):
        measure(tensors.before, layer.norm, layer.in_proj)
        u = tensors.out
    measure(u, parameters.final_norm, parameters.head)
    return plain, rotated.tolist()


def _energy(x: np.ndarray, gram: np.ndarray) -> float:
    """Sum of the squares of x W^T, for x (..., columns) and W^T W, without the product."""
    x = x.reshape(-1, x.shape[-1])
    return float(np.sum((x.T @ x) * gram, dtype=np.float64))
