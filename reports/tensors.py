"""How closely the integer network's own tensors follow the float network's, layer by layer."""

import numpy as np

from models.networks.mamba2 import LayerCodes, Network
from models.networks.oracle import mamba2 as oracle
from models.networks.oracle.functions import silu, softplus
from models.networks.parameters import LayerParameters, NetworkParameters
from models.networks.shape import Mamba2Shape
from models.precision import Precision

SEQUENCES, TOKENS = 8, 64
"""That are read, at most; both networks go token by token, with one token's tensors in memory."""

Pairs = dict[str, tuple[np.ndarray, np.ndarray]]
"""The integer network's values of a tensor and the float ones, by its name."""


def tensor_ratios(
    parameters: NetworkParameters, network: Network, tokens: np.ndarray
) -> dict[str, list[float]]:
    """Power of each tensor over that of its error, in dB, layer by layer.

    Errors are those that the layers before have made, too. `delta` is after softplus, `gated`
    before the norm, `residual` after the layer; the others are named as in `LayerCodes`.

    parameters  that were rounded
    tokens      int (sequences, time)  each sequence from an empty state; the first of them are read
    """
    read, shape = tokens[:SEQUENCES, :TOKENS], parameters.shape
    states = network.start(read.shape[:1])
    exact_states = list(oracle.State.zeros(shape, read.shape[:1]).layers)
    powers: dict[str, np.ndarray] = {}
    for token in read.T:
        codes = network.layers(states, token)
        states = tuple(layer.state for layer in codes)
        u = oracle.embed(parameters, token)
        for at, layer in enumerate(parameters.layers):
            tensors = oracle.layer_step_tensors(
                layer, shape, u, exact_states[at], parameters.rotated
            )
            u, exact_states[at] = tensors.out, tensors.state
            found = _pairs(layer, shape, network.quantized.precision, codes[at], tensors)
            for name, (got, exact) in found.items():
                sums = powers.setdefault(name, np.zeros((shape.layers, 2)))
                sums[at] += _power(exact), _power(got - exact.reshape(got.shape))
    least = np.finfo(np.float64).tiny
    return {
        name: (10 * np.diff(-np.log10(sums.clip(least)))[:, 0]).tolist()
        for name, sums in powers.items()
    }


def _pairs(
    layer: LayerParameters,
    shape: Mamba2Shape,
    precision: Precision,
    codes: LayerCodes,
    tensors: oracle.LayerTensors,
) -> Pairs:
    """Of one layer, in the order of the data."""
    stream, scan = precision.stream.values, precision.scan_input.values
    y = tensors.y.reshape(tensors.z.shape)
    delta = softplus(stream(codes.dt) + layer.dt_bias).clip(*shape.time_step_limit)
    return {
        "z": (stream(codes.z), tensors.z),
        "x": (scan(*codes.x), tensors.x),
        "B": (scan(*codes.b), tensors.B),
        "C": (scan(*codes.c), tensors.C),
        "delta": (delta, tensors.delta),
        "y": (stream(codes.y), y),
        "gated": (stream(codes.gated), y * silu(tensors.z)),
        "mixed": (stream(codes.mixed), tensors.mixed),
        "residual": (stream(codes.out), tensors.out),
    }


def _power(x: np.ndarray) -> float:
    return float(np.sum(np.square(x, dtype=np.float64)))
