"""Networks with random weights, for measurements on shapes that no checkpoint has."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, overload

import numpy as np

from models.networks.parameters import (
    Mamba1Parameters,
    NetworkParameters,
    layer_parameters,
    layer_shapes,
)
from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape


@overload
def random_parameters(shape: Mamba2Shape, seed: int = 0) -> NetworkParameters: ...
@overload
def random_parameters(shape: Mamba1Shape, seed: int = 0) -> Mamba1Parameters: ...
def random_parameters(shape: Shape, seed: int = 0) -> NetworkParameters | Mamba1Parameters:
    """Float parameters of `shape` in the ranges that trained ones have.

    Activations of unit variance, time steps of 0.001 to 1, and decay rates of 1 to 16, with which
    state-spaces/mamba initializes both kinds (`A_init_range`, and 1 to the state of 16). Matrices
    are drawn where they stay: the memory is that of the parameters.
    """
    table = (shape.vocab, shape.d_model)
    ends, *rngs = np.random.default_rng(seed).spawn(1 + shape.layers)
    with ThreadPoolExecutor() as pool:  # numpy draws without the interpreter's lock
        embedding = pool.submit(_normal, ends, table, 1)
        layers = tuple(pool.map(lambda rng: _layer(shape, rng), rngs))
    found: dict[str, Any] = {"embedding": embedding.result(), "layers": layers}
    found["head"] = found["embedding"] if shape.tied else _normal(ends, table, 1)
    found["final_norm"] = _uniform(ends, table[1:], 0.5, 2)
    if isinstance(shape, Mamba1Shape):
        return Mamba1Parameters(shape, **found)
    return NetworkParameters(shape, **found)


def _layer(shape: Shape, rng: np.random.Generator) -> Any:
    """Parameters of one layer."""
    arrays = {
        name: _normal(rng, dims, 1 / np.sqrt(dims[-1] if len(dims) > 1 else 4))
        for name, dims in layer_shapes(shape).items()
    }
    for name in arrays.keys() & {"norm", "gated_norm"}:
        arrays[name] = _uniform(rng, arrays[name].shape, 0.5, 2)
    arrays["A"] = -_uniform(rng, arrays["A"].shape, 1, 16)
    steps = np.exp(_uniform(rng, arrays["dt_bias"].shape, -7, 0))
    arrays["dt_bias"] = np.log(np.expm1(steps))
    return layer_parameters(shape, arrays)


def _normal(rng: np.random.Generator, dims: tuple[int, ...], scale: float) -> np.ndarray:
    array = rng.standard_normal(dims, np.float32)
    array *= np.float32(scale)
    return array


def _uniform(
    rng: np.random.Generator, dims: tuple[int, ...], low: float, high: float
) -> np.ndarray:
    array = rng.random(dims, np.float32)
    array *= np.float32(high - low)
    array += np.float32(low)
    return array
