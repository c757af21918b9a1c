"""The error of each layer: that of the residual stream, against the float network's."""

import json

import numpy as np
import pytest

from models.networks.mamba2 import Network
from models.networks.oracle import mamba2 as oracle
from models.precision import NAMED
from models.quantization.rtn import quantize_network
from reports.error import BINS, MOST_TOKENS, layer_errors
from tests.networks.examples import GROUPED, PLAIN, random_parameters

TOKENS = np.random.default_rng(0).integers(0, 40, 8).tolist()


def errors(shape, precision, tokens=TOKENS):
    parameters = random_parameters(shape)
    network = Network(quantize_network(parameters, NAMED[precision]))
    return layer_errors(parameters, network, tokens)


@pytest.mark.parametrize("shape", [PLAIN, GROUPED], ids=["plain", "groups"])
def test_every_value_is_counted(shape):
    found = errors(shape, "w8a8")
    assert len(found["layers"]) == shape.layers
    assert found["tokens"] == len(TOKENS)
    for layer in found["layers"]:
        assert sum(layer["counts"]) == len(TOKENS) * shape.d_model
        assert len(layer["counts"]) == len(found["bins"]) - 1
    json.dumps(found, allow_nan=False)


def test_the_error_is_what_it_says():
    """By hand for the last layer, whose residual stream the oracle's head reads."""
    parameters = random_parameters(PLAIN)
    network = Network(quantize_network(parameters, NAMED["w4a4"]))
    states, got = network.start(), []
    for token in TOKENS:
        layers = network.layers(states, token)
        states = tuple(layer.state for layer in layers)
        got.append(layers[-1].out)
    got = NAMED["w4a4"].stream.values(np.array(got))

    u, state = oracle.embed(parameters, np.array(TOKENS)), oracle.State.zeros(PLAIN)
    for layer, before in zip(parameters.layers, state.layers, strict=True):
        u = oracle.layer_tensors(layer, PLAIN, u, before).out
    np.testing.assert_allclose(
        oracle.head(parameters, u), oracle.prefill(parameters, np.array(TOKENS)), rtol=1e-5
    )

    relative = (got - u) / np.sqrt(np.mean(u**2))
    last = errors(PLAIN, "w4a4")["layers"][-1]
    assert last["rms_relative"] == pytest.approx(np.sqrt(np.mean(relative**2)))
    assert last["mean_relative"] == pytest.approx(relative.mean())
    assert last["counts"] == np.histogram(relative, BINS)[0].tolist()


def test_layers_are_those_of_decode():
    network = Network(quantize_network(random_parameters(PLAIN), NAMED["w8a8"]))
    logits, states = network.decode(network.start(), 3)
    layers = network.layers(network.start(), 3)
    np.testing.assert_array_equal(network.head(layers[-1].out), logits)
    assert len(states) == len(layers) == PLAIN.layers


def test_fewer_bits_err_more():
    fine, coarse = (errors(PLAIN, name)["layers"] for name in ("w8a8", "w4a4"))
    for few, many in zip(coarse, fine, strict=True):
        assert few["rms_relative"] > 4 * many["rms_relative"] > 0


def test_long_texts_are_cut():
    found = errors(PLAIN, "w8a8", [1] * (MOST_TOKENS + 5))
    assert found["tokens"] == MOST_TOKENS


def test_bins_are_symmetric_and_rise():
    assert (np.diff(BINS) > 0).all()
    np.testing.assert_array_equal(BINS, -BINS[::-1])
