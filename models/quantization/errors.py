"""What linear layers lose: by narrowing their inputs, by rounding their weights, by both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.formats import Block
from models.networks.oracle.functions import rms_norm
from models.networks.parameters import NetworkParameters
from models.networks.quantized import Matrix, QuantizedNetwork
from models.precision import Precision
from models.quantization.inputs import each_layer_inputs, each_matrix_input
from models.units.quantize import QuantizeConfig, quantize

ROWS = 4096
"""Of a matrix at a time: the outputs of a large head would not fit beside the rest."""


def narrowed(x: np.ndarray, block: Block) -> np.ndarray:
    """The float32 numbers that `x` (..., channels) becomes in the hardware's blocks."""
    codes = quantize(block.source.nearest(x), QuantizeConfig(block))
    return block.values(*codes).astype(np.float32)


@dataclass(frozen=True)
class MatrixError:
    """Squared error of a linear layer's output over its square, the layers before it being exact.

    inputs    of narrowed inputs, the weights being exact
    weights   of rounded weights, the inputs being exact
    both      as the hardware has them
    """

    inputs: float
    weights: float
    both: float

    @classmethod
    def of(
        cls, x: np.ndarray, weights: np.ndarray, block: Block, rounded: np.ndarray
    ) -> "MatrixError":
        """For inputs float32 (..., columns), narrowed to `block`, and weights (rows, columns)."""
        x = x.reshape(-1, x.shape[-1])
        y, squares = narrowed(x, block), np.zeros(4)
        for start in range(0, len(weights), ROWS):
            w, q = (matrix[start : start + ROWS].T for matrix in (weights, rounded))
            exact = x @ w
            for at, out in enumerate((exact, (y - x) @ w, x @ (q - w), y @ q - exact)):
                squares[at] += np.sum(out * out, dtype=np.float64)
        whole = max(squares[0], np.finfo(np.float64).tiny)
        inputs, rounding, both = (squares[1:] / whole).tolist()
        return cls(inputs, rounding, both)


def matrix_errors(
    parameters: NetworkParameters, quantized: QuantizedNetwork, tokens: np.ndarray
) -> dict[str, MatrixError]:
    """Of every linear layer, by its name.

    parameters  that were rounded
    tokens      int (sequences, time)  each sequence from an empty state
    """
    precision = quantized.precision
    rounded = iter(_matrices(quantized))
    return {
        name: MatrixError.of(x, weights, precision.linear_input, next(rounded).values(precision))
        for name, x, weights in each_matrix_input(parameters, tokens)
    }


def _matrices(quantized: QuantizedNetwork) -> list[Matrix]:
    """In the order of the data."""
    within = [matrix for layer in quantized.layers for matrix in (layer.in_proj, layer.out_proj)]
    return [*within, quantized.head]


def rotated_errors(
    parameters: NetworkParameters,
    precision: Precision,
    tokens: np.ndarray,
    rotations: Sequence[np.ndarray],
) -> tuple[float, list[float]]:
    """Sums of `MatrixError.inputs` over the matrices that read the residual stream.

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
