"""Networks with random weights, for measurements on shapes that no checkpoint has."""

from typing import Any, overload

import numpy as np

from models.networks.parameters import (
    AnyLayerParameters,
    Mamba1Parameters,
    NetworkParameters,
    layer_parameters,
    layer_shapes,
)
from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape

_PIECE = 2**16  # numbers drawn at a time: their doubles stay in a cache


@overload
def random_parameters(shape: Mamba2Shape, seed: int = 0) -> NetworkParameters: ...
@overload
def random_parameters(shape: Mamba1Shape, seed: int = 0) -> Mamba1Parameters: ...
def random_parameters(shape: Shape, seed: int = 0) -> NetworkParameters | Mamba1Parameters:
    """Float parameters of `shape` in the ranges that trained ones have.

    Activations of unit variance, time steps of 0.001 to 1, and decay rates of 1 to 16, with which
    state-spaces/mamba initializes both kinds (`A_init_range`, and 1 to the state of 16). Takes no
    more memory than the parameters.
    """
    rng = np.random.default_rng(seed)
    table = (shape.vocab, shape.d_model)
    found: dict[str, Any] = {"embedding": _normal(rng, table, 1)}
    found["head"] = found["embedding"] if shape.tied else _normal(rng, table, 1)
    found["layers"] = tuple(_layer(shape, rng) for _ in range(shape.layers))
    found["final_norm"] = rng.uniform(0.5, 2, shape.d_model).astype(np.float32)
    if isinstance(shape, Mamba1Shape):
        return Mamba1Parameters(shape, **found)
    return NetworkParameters(shape, **found)


def _layer(shape: Shape, rng: np.random.Generator) -> AnyLayerParameters:
    """Parameters of one layer."""
    shapes = layer_shapes(shape)
    arrays = {
        name: _normal(rng, dims, np.sqrt(dims[-1] if len(dims) > 1 else 4))
        for name, dims in shapes.items()
    }
    narrow: dict[str, np.ndarray] = {"norm": rng.uniform(0.5, 2, shapes["norm"])}
    if "gated_norm" in shapes:
        narrow["gated_norm"] = rng.uniform(0.5, 2, shapes["gated_norm"])
    narrow["A"] = -rng.uniform(1, 16, shapes["A"])
    narrow["dt_bias"] = np.log(np.expm1(np.exp(rng.uniform(-7, 0, shapes["dt_bias"]))))
    arrays |= {name: array.astype(np.float32) for name, array in narrow.items()}
    return layer_parameters(shape, arrays)


def _normal(rng: np.random.Generator, dims: tuple[int, ...], divisor: float) -> np.ndarray:
    """Normal numbers over `divisor`, float32, drawn in doubles piece by piece."""
    array = np.empty(dims, np.float32)
    flat = array.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        part = flat[start : start + _PIECE]
        np.divide(rng.normal(size=part.size), divisor, out=part)
    return array
