"""Small quantized networks for tests: random weights in the ranges that trained ones have."""

import numpy as np

from models.networks.parameters import LayerParameters, NetworkParameters, layer_shapes
from models.networks.shape import Mamba2Shape

PLAIN = Mamba2Shape(d_model=32, layers=2, heads=4, head_dim=16, state=16, vocab=40)
GROUPED = Mamba2Shape(
    d_model=48,
    layers=2,
    heads=6,
    head_dim=8,
    groups=2,
    state=8,
    conv=3,
    vocab=40,
    tied=False,
    proj_bias=True,
    time_step_limit=(0.001, 0.5),
)
ODD = Mamba2Shape(d_model=24, layers=1, heads=3, head_dim=24, state=16, vocab=40, conv_bias=False)


def random_parameters(shape, seed=0):
    """Float parameters of `shape`: unit-variance activations, time steps of 0.001 to 1."""
    rng = np.random.default_rng(seed)

    def layer():
        arrays = {
            name: rng.normal(size=dims) / np.sqrt(dims[-1] if len(dims) > 1 else 4)
            for name, dims in layer_shapes(shape).items()
        }
        arrays["norm"] = rng.uniform(0.5, 2, shape.d_model)
        arrays["gated_norm"] = rng.uniform(0.5, 2, shape.inner)
        arrays["A"] = -rng.uniform(1, 16, shape.heads)
        arrays["dt_bias"] = np.log(np.expm1(np.exp(rng.uniform(-7, 0, shape.heads))))
        biases = {"conv_bias": None, "in_proj_bias": None, "out_proj_bias": None}
        return LayerParameters(**biases | {k: v.astype(np.float32) for k, v in arrays.items()})

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
