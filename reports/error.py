"""How far quantization moves the residual stream, layer by layer, from the float network's."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.networks.mamba2 import Network
from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import NetworkParameters

MOST_TOKENS = 64

_LEAST, _MOST, _STEPS = -12, 2, 4
_MAGNITUDES = 2.0 ** (np.arange(_LEAST * _STEPS, _MOST * _STEPS + 1) / _STEPS)
BINS = np.concatenate([-_MAGNITUDES[::-1], _MAGNITUDES])
"""Edges of the bins, in the oracle's RMS: a quarter of an octave wide on both sides of the bin of
what is below 2**-12, so that they are fine enough for 8 bits and wide enough for 2."""


def layer_errors(
    parameters: NetworkParameters, network: Network, tokens: Sequence[int]
) -> dict[str, Any]:
    """Errors of the residual stream after each layer, over the first tokens of a sequence.

    parameters  of the network that was quantized
    tokens      read by both networks; those beyond MOST_TOKENS are left out

    Returns `tokens` (how many were read), `bins` (edges, both ends included) and `layers`, a
    mapping for each: `counts` (of values in each bin; those beyond the ends are in the outermost),
    `rms_relative` (RMS of the error) and `mean_relative`, all relative to the RMS of the oracle's
    values after the same layer.
    """
    read = np.asarray(tokens[:MOST_TOKENS])
    exact = _oracle_residuals(parameters, read)
    got = network.quantized.precision.stream.values(_residuals(network, read))
    return {
        "tokens": len(read),
        "bins": BINS.tolist(),
        "layers": [_errors(*pair) for pair in zip(exact, got, strict=True)],
    }


def _errors(exact: np.ndarray, got: np.ndarray) -> dict[str, Any]:
    rms = np.sqrt(np.mean(np.square(exact, dtype=np.float64)))
    relative = (got - exact) / max(rms, np.finfo(np.float64).tiny)
    counts, _ = np.histogram(relative.clip(BINS[0], BINS[-1]), BINS)
    return {
        "counts": counts.tolist(),
        "rms_relative": float(np.sqrt(np.mean(relative**2))),
        "mean_relative": float(relative.mean()),
    }


def _oracle_residuals(parameters: NetworkParameters, tokens: np.ndarray) -> np.ndarray:
    """Residual stream float32 (layers, time, d_model) after each layer."""
    state = oracle.State.zeros(parameters.shape)
    return np.stack([each.out for each in oracle.each_layer(parameters, state, tokens)])


def _residuals(network: Network, tokens: np.ndarray) -> np.ndarray:
    """Residual stream int (layers, time, d_model) after each layer, codes of the stream."""
    states, after = network.start(), []
    for token in tokens:
        layers = network.layers(states, token)
        states = tuple(layer.state for layer in layers)
        after.append([layer.out for layer in layers])
    return np.array(after).swapaxes(0, 1)
