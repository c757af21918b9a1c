"""What the float network's linear layers read while it reads a text, one layer after the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import NetworkParameters

TOKENS = 1024
"""That are in a layer at a time: its tensors then stay in the caches, and are small beside the
weights. Sequences are whole, however long."""


@dataclass(frozen=True, eq=False)
class LayerInputs:
    """Tensors of a layer, float32 (sequences, time, ...), as of `oracle.LayerTensors`.

    before  (..., d_model)  residual stream before the layer
    normed  (..., d_model)  input of in_proj
    gated   (..., inner)    input of out_proj
    out     (..., d_model)  residual stream after the layer
    """

    before: np.ndarray
    normed: np.ndarray
    gated: np.ndarray
    out: np.ndarray


def each_layer_inputs(parameters: NetworkParameters, tokens: np.ndarray) -> Iterator[LayerInputs]:
    """Of every layer, over `tokens` int (sequences, time), each from an empty state."""
    u, count = oracle.embed(parameters, tokens), max(1, TOKENS // tokens.shape[-1])
    shape = parameters.shape
    for layer in parameters.layers:
        normed, gated, out = [], [], []
        for start in range(0, len(u), count):
            part = u[start : start + count]
            state = oracle.State.zeros(shape, (len(part),)).layers[0]
            tensors = oracle.layer_tensors(layer, shape, part, state, parameters.rotated)
            normed.append(tensors.normed)
            gated.append(tensors.gated)
            out.append(tensors.out)
        after = np.concatenate(out)
        yield LayerInputs(u, np.concatenate(normed), np.concatenate(gated), after)
        u = after


def each_matrix_input(
    parameters: NetworkParameters, tokens: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, input float32 (sequences, time, columns) and weights (rows, columns) of every matrix.

    In the order of the data: in_proj and out_proj of each layer, and the head. Tokens as of
    `each_layer_inputs`.
    """
    for index, tensors in enumerate(each_layer_inputs(parameters, tokens)):
        layer = parameters.layers[index]
        yield f"layers.{index}.in_proj", tensors.normed, layer.in_proj
        yield f"layers.{index}.out_proj", tensors.gated, layer.out_proj
        last = tensors.out
    yield "head", oracle.head_input(parameters, last), parameters.head
