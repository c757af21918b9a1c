"""Random networks: arrays of their shape, in the ranges promised, the same for the same seed."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from models.networks.shape import Mamba2Shape
from tests.networks.examples import GROUPED, MAMBA1, ODD, PLAIN, random_parameters

each_shape = pytest.mark.parametrize(
    "shape", [PLAIN, GROUPED, ODD, MAMBA1, dataclasses.replace(MAMBA1, tied=False, proj_bias=True)]
)


def arrays(parameters):
    """Every array, by name; a tied head is the embedding."""
    found = {"embedding": parameters.embedding, "head": parameters.head}
    found["final_norm"] = parameters.final_norm
    for index, layer in enumerate(parameters.layers):
        found |= {f"{name}{index}": array for name, array in vars(layer).items()}
    return {name: array for name, array in found.items() if array is not None}


@each_shape
def test_a_seed_is_a_network(shape):
    first, again, other = (arrays(random_parameters(shape, seed)) for seed in (3, 3, 4))
    assert all((array == again[name]).all() for name, array in first.items())
    assert not any((array == other[name]).all() for name, array in first.items())


def test_a_seed_is_the_network_that_kept_measurements_were_made_with():
    """In every process: the order of the draws must not follow that of a set."""
    parameters = random_parameters(GROUPED)
    layer = parameters.layers[1]
    ends = (parameters.embedding, parameters.head, layer.in_proj, layer.norm, layer.gated_norm)
    ends += (layer.A, layer.dt_bias, parameters.final_norm)
    assert [array.flat[-1] for array in ends] == pytest.approx(
        [-1.649063, 0.5695038, -0.02836918, 1.576228, 1.118045, -5.125833, -1.708867, 1.444431]
    )


@each_shape
def test_no_two_layers_are_alike(shape):
    layers = [vars(layer) for layer in random_parameters(shape).layers]
    for name, array in layers[0].items():
        assert not any((array == layer[name]).all() for layer in layers[1:] if array is not None)


@each_shape
def test_values_are_in_the_ranges_of_trained_networks(shape):
    parameters = random_parameters(shape)
    assert (parameters.head == parameters.embedding).all() == shape.tied
    assert parameters.embedding.std() == pytest.approx(1, rel=0.1)
    for layer in parameters.layers:
        assert layer.in_proj.std() == pytest.approx(shape.d_model**-0.5, rel=0.1)
        assert -16 <= layer.A.min() <= layer.A.max() <= -1
        steps = np.log1p(np.exp(layer.dt_bias))
        assert 0.9 * np.exp(-7) <= steps.min() <= steps.max() <= 1.01
        assert 0.5 <= layer.norm.min() <= layer.norm.max() <= 2


def test_weights_are_held_once():
    shape = Mamba2Shape(d_model=256, layers=2, heads=8, head_dim=64, state=64, vocab=20_000)
    tracemalloc.start()
    random_parameters(shape)
    assert tracemalloc.get_traced_memory()[1] <= 1.1 * 4 * shape.parameters
    tracemalloc.stop()
