"""The integer network is a good Mamba-2, and its kernels compute the very same codes."""

import numpy as np
import pytest

from models.checkpoints import bundled
from models.checkpoints.corpus import held_out_text
from models.checkpoints.reader import read_checkpoint
from models.networks.mamba2 import Network, compiled
from models.networks.metrics import nats_per_token, windows
from models.networks.oracle import mamba2 as oracle
from models.precision import NAMED
from models.quantization.rtn import quantize_network
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters

each_shape = pytest.mark.parametrize("shape", [PLAIN, GROUPED, ODD], ids=["plain", "groups", "odd"])
each_precision = pytest.mark.parametrize("precision", NAMED)


@pytest.fixture(scope="module")
def checkpoint():
    return read_checkpoint(bundled())


@each_shape
def test_values_follow_the_oracle(shape):
    parameters = random_parameters(shape)
    tokens = np.random.default_rng(1).integers(0, shape.vocab, (4, 12))
    exact = oracle.prefill(parameters, tokens)
    precision = NAMED["w8a8"]
    got = precision.stream.values(Network(quantize_network(parameters, precision)).prefill(tokens))
    assert np.corrcoef(exact.ravel(), got.ravel())[0, 1] > 0.995
    assert np.abs(got - exact).mean() < 0.06 * exact.std()


@each_shape
@each_precision
def test_kernels_agree(shape, precision):
    quantized = quantize_network(random_parameters(shape), NAMED[precision])
    tokens = np.random.default_rng(2).integers(0, shape.vocab, 6)
    plain, kernels = Network(quantized), Network(quantized, compiled())
    np.testing.assert_array_equal(kernels.prefill(tokens), plain.prefill(tokens))


@each_precision
def test_kernels_agree_on_the_bundled_checkpoint(checkpoint, precision):
    quantized = quantize_network(checkpoint, NAMED[precision])
    tokens = windows(held_out_text(), 64)[3]
    plain, kernels = Network(quantized), Network(quantized, compiled())
    np.testing.assert_array_equal(kernels.prefill(tokens), plain.prefill(tokens))


@each_shape
def test_sequences_side_by_side_are_sequences(shape):
    network = Network(quantize_network(random_parameters(shape), NAMED["w4a4"]))
    tokens = np.random.default_rng(3).integers(0, shape.vocab, (3, 5))
    one_by_one = np.stack([network.prefill(row) for row in tokens])
    np.testing.assert_array_equal(network.prefill(tokens), one_by_one)


@pytest.mark.parametrize(("precision", "ratio"), [("w8a8", 1.02), ("w4a4", 1.10)])
def test_predicts_held_out_text(checkpoint, precision, ratio):
    """The bar of W8A8; the whole text, and W4A4's own number, are `puffadder accuracy`'s."""
    text = windows(held_out_text(), 128)[::12]
    floor = nats_per_token(oracle.prefill(checkpoint, text), text)
    network = Network(quantize_network(checkpoint, NAMED[precision]))
    logits = NAMED[precision].stream.values(network.prefill(text))
    assert np.exp(nats_per_token(logits, text) - floor) <= ratio
