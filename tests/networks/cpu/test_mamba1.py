"""Decode and prefill of Mamba-1 on the CPU compute the oracle's logits."""

import dataclasses

import numpy as np
import pytest

from models.networks.cpu.mamba1 import Decoder
from models.networks.oracle.mamba1 import prefill
from tests.networks.examples import MAMBA1, random_parameters

BAR = 1e-4  # of the largest logit
BIASED = dataclasses.replace(MAMBA1, inner=130, tied=False, proj_bias=True, conv=2)
each_shape = pytest.mark.parametrize(
    "shape",
    [MAMBA1, BIASED, dataclasses.replace(MAMBA1, conv_bias=False)],
    ids=["plain", "biases", "none"],
)


def difference(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@each_shape
def test_decode_and_prefill_are_the_oracle(shape):
    parameters = random_parameters(shape)
    tokens = np.random.default_rng(1).integers(0, shape.vocab, 40)
    expected, network = prefill(parameters, tokens), Decoder(parameters)
    logits = np.stack([network.decode(token) for token in tokens])
    assert difference(logits, expected) <= BAR
    network.start()
    assert difference(network.prefill(tokens[:7]), expected[6]) <= BAR
    assert difference(network.prefill(tokens[7:39]), expected[38]) <= BAR
    assert difference(network.decode(tokens[39]), expected[39]) <= BAR


@each_shape
def test_counts(shape):
    """By hand: each weight once, but of an untied embedding a row; the state read and written."""
    parameters = random_parameters(shape)
    network, layer = Decoder(parameters), parameters.layers[0]
    state = shape.layers * shape.inner * (shape.conv - 1 + shape.state)
    read = shape.parameters + shape.d_model
    if not shape.tied:
        read -= parameters.embedding.size
    assert network.weight_bytes == 4 * shape.parameters
    assert network.bytes_per_token == 4 * (read + 2 * state)
    matrices = (layer.in_proj, layer.conv_weight, layer.x_proj, layer.dt_proj, layer.out_proj)
    products = sum(matrix.size for matrix in matrices)
    scan = 3 * shape.inner * shape.state
    assert network.macs_per_token == parameters.head.size + shape.layers * (products + scan)
