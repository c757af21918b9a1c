"""Random integers are a network of the shape and the formats, each layer another."""

import numpy as np
import pytest

from models.networks.mamba2 import Network, compiled
from models.precision import NAMED
from models.quantization.random import random_integers
from tests.networks.examples import PLAIN


@pytest.mark.parametrize("hadamard", [False, True])
def test_they_are_a_network(hadamard):
    precision = NAMED["w4a4"].model_copy(update={"hadamard": hadamard})
    made, other = (random_integers(PLAIN, precision, seed) for seed in (0, 7))
    assert made.shape == PLAIN
    assert len(made.layers) == PLAIN.layers > 1
    first, second = (layer.in_proj.weights for layer in made.layers[:2])
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other.layers[0].in_proj.weights)
    logits, _ = Network(made, compiled()).decode(Network(made).start(), 3)
    assert logits.shape == (PLAIN.vocab,)
    assert len(np.unique(logits)) > 1
