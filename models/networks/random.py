"""Networks with random weights, for measurements on shapes that no checkpoint has."""

from typing import Any

import numpy as np

from models.networks.parameters import LayerParameters, NetworkParameters, layer_shapes
from models.networks.shape import Mamba2Shape


def random_parameters(shape: Mamba2Shape, seed: int = 0) -> NetworkParameters:
    """Float parameters of `shape` in the ranges that trained ones have.

    Activations of unit variance, time steps of 0.001 to 1, and decay rates of 1 to 16, with which
    state-spaces/mamba initializes Mamba-2 (`A_init_range`).
    """
    rng = np.random.default_rng(seed)

    def layer() -> LayerParameters:
        arrays: dict[str, Any] = {
            name: rng.normal(size=dims) / np.sqrt(dims[-1] if len(dims) > 1 else 4)
            for name, dims in layer_shapes(shape).items()
        }
        arrays["norm"] = rng.uniform(0.5, 2, shape.d_model)
        arrays["gated_norm"] = rng.uniform(0.5, 2, shape.inner)
        arrays["A"] = -rng.uniform(1, 16, shape.heads)
        arrays["dt_bias"] = np.log(np.expm1(np.exp(rng.uniform(-7, 0, shape.heads))))
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
        missing: dict[str, Any] = dict.fromkeys(("conv_bias", "in_proj_bias", "out_proj_bias"))
        return LayerParameters(**missing | arrays)

    embedding = rng.normal(size=(shape.vocab, shape.d_model)).astype(np.float32)
    head = embedding
    if not shape.tied:
        head = rng.normal(size=embedding.shape).astype(np.float32)
    return NetworkParameters(
        shape=shape,
        embedding=embedding,
        layers=tuple(layer() for _ in range(shape.layers)),
        final_norm=rng.uniform(0.5, 2, shape.d_model).astype(np.float32),
        head=head,
    )
