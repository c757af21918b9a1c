"""What narrowing the inputs of linear layers costs, before any weight is rounded."""

import numpy as np

from models.formats import Block
from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import NetworkParameters
from models.precision import Precision
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
        exact, lost = x @ weights.T, (narrowed(x, block) - x) @ weights.T
        errors[name] = float(np.square(lost).sum() / np.square(exact).sum())

    state = oracle.State.zeros(parameters.shape, tokens.shape[:-1])
    for index, tensors in enumerate(oracle.each_layer(parameters, state, tokens)):
        layer = parameters.layers[index]
        measure(f"layers.{index}.in_proj", tensors.normed, layer.in_proj)
        measure(f"layers.{index}.out_proj", tensors.gated, layer.out_proj)
        last = tensors.out
    measure("head", oracle.head_input(parameters, last), parameters.head)
    return errors
