"""Tensors of the integer network against the float network's: each with its own, in dB."""

import numpy as np
import pytest

from models.networks.mamba2 import Network
from models.precision import NAMED, Precision
from models.quantization.rtn import quantize_network
from models.quantization.transforms import rotate_mixer
from reports.error import layer_errors
from reports.tensors import SEQUENCES, TOKENS, tensor_ratios
from tests.networks.examples import GROUPED, PLAIN, random_parameters

NAMES = ["z", "x", "B", "C", "delta", "y", "gated", "mixed", "residual"]
READ = np.random.default_rng(0).integers(0, 40, (2, 8))


def ratios(parameters, precision, tokens=READ):
    network = Network(quantize_network(parameters, precision))
    return tensor_ratios(parameters, network, tokens)


@pytest.mark.parametrize("shape", [PLAIN, GROUPED], ids=["plain", "groups"])
def test_more_bits_follow_every_tensor_more_closely(shape):
    """Two tensors that do not belong together would be at 0 dB, however many bits there are."""
    parameters = random_parameters(shape)
    wide, narrow = (
        ratios(parameters, precision)
        for precision in (Precision(scan_bits=16), NAMED["w4a4"])
    )  # fmt: skip
    assert list(wide) == list(narrow) == NAMES
    for name in NAMES:
        assert len(wide[name]) == shape.layers
        for layer in range(shape.layers):
            assert wide[name][layer] > narrow[name][layer] + 10
            assert wide[name][layer] > 20


def test_the_residual_stream_is_that_of_the_runs_report():
    parameters = random_parameters(PLAIN)
    network = Network(quantize_network(parameters, NAMED["w4a4"]))
    found = tensor_ratios(parameters, network, READ[:1])["residual"]
    errors = layer_errors(parameters, network, READ[0])["layers"]
    expected = [-20 * np.log10(layer["rms_relative"]) for layer in errors]
    assert found == pytest.approx(expected, abs=1e-3)


def test_a_network_rotated_online_is_compared_in_the_same_tensors():
    parameters = rotate_mixer(random_parameters(PLAIN))
    found = ratios(parameters, Precision(scan_bits=16, hadamard=True))
    assert min(ratio for layers in found.values() for ratio in layers) > 20


def test_no_more_is_read_than_promised():
    parameters = random_parameters(PLAIN)
    tokens = np.random.default_rng(1).integers(0, 40, (SEQUENCES + 1, TOKENS + 1))
    network = Network(quantize_network(parameters, NAMED["w8a8"]))
    read = []
    network.layers = lambda states, token, layers=network.layers: (
        read.append(token) or layers(states, token)
    )
    tensor_ratios(parameters, network, tokens)
    np.testing.assert_array_equal(np.array(read).T, tokens[:SEQUENCES, :TOKENS])
