"""Decode and prefill on the CPU compute the oracle's logits."""

import dataclasses

import numpy as np
import pytest

from models.checkpoints import bundled
from models.checkpoints.reader import read_checkpoint
from models.networks.cpu import decoder
from models.networks.cpu.mamba2 import Decoder
from models.networks.oracle.mamba2 import prefill
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters

BAR = 1e-4  # of the largest logit
each_shape = pytest.mark.parametrize("shape", [PLAIN, GROUPED, ODD], ids=["plain", "groups", "odd"])


def difference(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def tokens_of(shape, count):
    return np.random.default_rng(1).integers(0, shape.vocab, count)


@each_shape
@pytest.mark.parametrize("rotated", [False, True], ids=["plain", "rotated"])
def test_decode_is_the_oracle(shape, rotated):
    parameters = dataclasses.replace(random_parameters(shape), rotated=rotated)
    tokens, network = tokens_of(shape, 20), Decoder(parameters)
    logits = np.stack([network.decode(token) for token in tokens])
    assert logits.dtype == np.float32
    assert difference(logits, prefill(parameters, tokens)) <= BAR


@each_shape
@pytest.mark.parametrize("parts", [[90], [5, 70, 15]], ids=["whole", "parts"])
def test_prefill_is_the_oracle_and_decode_goes_on(shape, parts, monkeypatch):
    monkeypatch.setattr(decoder, "TOKENS", 80)
    parameters = random_parameters(shape)
    tokens, network = tokens_of(shape, 93), Decoder(parameters)
    expected, start = prefill(parameters, tokens), 0
    for count in parts:
        start += count
        logits = network.prefill(tokens[start - count : start])
        assert difference(logits, expected[start - 1]) <= BAR
    for at in range(start, len(tokens)):
        assert difference(network.decode(tokens[at]), expected[at]) <= BAR


def test_the_bundled_checkpoint():
    parameters = read_checkpoint(bundled())
    tokens = tokens_of(parameters.shape, 100)
    expected, network = prefill(parameters, tokens), Decoder(parameters)
    assert difference(network.prefill(tokens[:99]), expected[98]) <= BAR
    assert difference(network.decode(tokens[99]), expected[99]) <= BAR


def test_start_forgets():
    network = Decoder(random_parameters(PLAIN))
    tokens = tokens_of(PLAIN, 30)
    first = network.prefill(tokens)
    again = network.prefill(tokens)
    network.start()
    np.testing.assert_array_equal(network.prefill(tokens), first)
    assert difference(again, first) > BAR


@each_shape
def test_counts(shape):
    """By hand: each weight once, but of an untied embedding a row; the state read and written."""
    parameters = random_parameters(shape)
    network = Decoder(parameters)
    assert network.weight_bytes == 4 * shape.parameters
    state = shape.layers * ((shape.conv - 1) * shape.conv_channels + shape.inner * shape.state)
    read = shape.parameters + shape.d_model
    if not shape.tied:
        read -= parameters.embedding.size
    assert network.bytes_per_token == 4 * (read + 2 * state)
    layer = parameters.layers[0]
    products = layer.in_proj.size + layer.out_proj.size + layer.conv_weight.size
    scan = 2 * shape.inner * shape.state
    assert network.macs_per_token == parameters.head.size + shape.layers * (products + scan)


def test_matrices_are_not_copied():
    parameters = random_parameters(PLAIN)
    layers = Decoder(parameters)._layers
    for held, layer in zip(layers, parameters.layers, strict=True):
        assert held.in_proj is layer.in_proj
        assert held.out_proj is layer.out_proj


@pytest.mark.parametrize(
    ("tokens", "kind", "message"),
    [
        ([], ValueError, "tokens must have shape (time,), time >= 1, not (0,)"),
        ([[1, 2]], ValueError, "tokens must have shape (time,), time >= 1, not (1, 2)"),
        ([1.5], TypeError, "tokens must be integers, not float64"),
        ([3, 40], ValueError, "tokens must be 0 to 39, not 40"),
    ],
)
def test_wrong_tokens_are_refused(tokens, kind, message):
    with pytest.raises(kind, match="must") as refused:
        Decoder(random_parameters(PLAIN)).prefill(np.array(tokens))
    assert str(refused.value) == message
