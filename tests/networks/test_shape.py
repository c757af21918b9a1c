"""Do shapes and parameters refuse what contradicts itself?"""

import dataclasses
import math

import numpy as np
import pytest

from models.networks.parameters import (
    Mamba1Parameters,
    NetworkParameters,
    layer_parameters,
    layer_shapes,
)
from models.networks.shape import Mamba1Shape, Mamba2Shape

TINY = Mamba2Shape(d_model=6, layers=2, heads=4, head_dim=3, groups=2, state=5, conv=3, vocab=7)
TINY_1 = Mamba1Shape(d_model=6, layers=2, inner=9, state=5, conv=3, dt_rank=4, vocab=7)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"heads": 0}, "heads must be a positive integer, not 0"),
        ({"state": 2.0}, "state must be a positive integer, not 2.0"),
        ({"vocab": True}, "vocab must be a positive integer, not True"),
        ({"tied": 1}, "tied must be true or false, not 1"),
        ({"groups": 3}, "groups must divide the 4 heads, not 3"),
        ({"norm_eps": 0.0}, "norm_eps must be a positive number, not 0.0"),
        (
            {"time_step_limit": (0.2, 0.1)},
            "time_step_limit must be two numbers, 0 <= low <= high with low finite, not (0.2, 0.1)",
        ),
        (
            {"time_step_limit": (math.inf, math.inf)},
            "time_step_limit must be two numbers, 0 <= low <= high with low finite, not (inf, inf)",
        ),
    ],
)
def test_a_wrong_shape_is_refused(fields, message):
    with pytest.raises(ValueError, match="must") as caught:
        dataclasses.replace(TINY, **fields)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inner": 0}, "inner must be a positive integer, not 0"),
        ({"dt_rank": "auto"}, "dt_rank must be a positive integer, not 'auto'"),
        ({"conv": 4.0}, "conv must be a positive integer, not 4.0"),
        ({"proj_bias": None}, "proj_bias must be true or false, not None"),
        ({"norm_eps": math.nan}, "norm_eps must be a positive number, not nan"),
    ],
)
def test_a_wrong_shape_of_mamba_1_is_refused(fields, message):
    with pytest.raises(ValueError, match="must") as caught:
        dataclasses.replace(TINY_1, **fields)
    assert str(caught.value) == message


def zeros(shape):
    """Parameters of `shape`, all zero."""
    arrays = {name: np.zeros(size, np.float32) for name, size in layer_shapes(shape).items()}
    layer = layer_parameters(shape, arrays)
    table = np.zeros((shape.vocab, shape.d_model), np.float32)
    head = table if shape.tied else table.copy()
    kind = Mamba1Parameters if isinstance(shape, Mamba1Shape) else NetworkParameters
    return kind(shape, table, (layer,) * shape.layers, table[0], head)


@pytest.mark.parametrize("shape", [TINY, TINY_1], ids=["mamba2", "mamba1"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("proj_bias", [True, False])
@pytest.mark.parametrize("conv_bias", [True, False])
def test_parameters_are_counted(shape, tied, proj_bias, conv_bias):
    shape = dataclasses.replace(shape, tied=tied, proj_bias=proj_bias, conv_bias=conv_bias)
    network = zeros(shape)
    arrays = [array for layer in network.layers for array in vars(layer).values()]
    arrays += [network.embedding, network.final_norm] + [network.head] * (not tied)
    assert shape.parameters == sum(array.size for array in arrays if array is not None)


def test_all_wrong_arrays_are_told_at_once():
    network = zeros(TINY)
    wrong = dataclasses.replace(
        network.layers[0],
        in_proj=np.zeros((38, 5), np.float32),
        D=np.zeros(4),
        conv_bias=None,
        out_proj_bias=np.zeros(6, np.float32),
    )
    with pytest.raises(ValueError, match="must") as caught:
        NetworkParameters(
            TINY,
            network.embedding,
            (network.layers[0], wrong),
            network.final_norm,
            network.head + 1,
        )
    assert str(caught.value) == (
        "layers[1].out_proj_bias must be None; "
        "layers[1].in_proj must be float32 (48, 6), not float32 (38, 5); "
        "layers[1].conv_bias must be an array, not NoneType; "
        "layers[1].D must be float32 (4,), not float64 (4,); "
        "head must be the embedding itself when the shape is tied"
    )


def test_wrong_arrays_of_mamba_1_are_told():
    network = zeros(TINY_1)
    wrong = dataclasses.replace(network.layers[1], A=np.zeros(9, np.float32), x_proj=None)
    with pytest.raises(ValueError, match="must") as caught:
        dataclasses.replace(network, layers=(network.layers[0], wrong))
    assert str(caught.value) == (
        "layers[1].x_proj must be an array, not NoneType; "
        "layers[1].A must be float32 (9, 5), not float32 (9,)"
    )


@pytest.mark.parametrize("shape", [TINY, TINY_1], ids=["mamba2", "mamba1"])
def test_the_number_of_layers_is_checked(shape):
    network = zeros(shape)
    with pytest.raises(ValueError, match=r"^layers must be 2 in number, not 1$"):
        dataclasses.replace(network, layers=network.layers[:1])
