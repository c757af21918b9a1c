"""The packed network decodes the codes of the integer network, whatever its shape and precision."""

import re

import numba
import numpy as np
import pytest

from models.checkpoints import bundled
from models.checkpoints.corpus import held_out_text
from models.checkpoints.reader import read_checkpoint
from models.errors import InputError
from models.formats import Fixed
from models.networks.cpu.integer import Decoder
from models.networks.mamba2 import Network, compiled
from models.networks.metrics import windows
from models.precision import NAMED, Precision
from models.quantization.rtn import quantize_network
from models.quantization.transforms import rotate_mixer
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters


def agree(quantized, tokens):
    """Whether a decoder has the logits of the network for each of the tokens."""
    decoder, expected = Decoder(quantized), Network(quantized, compiled()).prefill(tokens)
    got = np.stack([decoder.decode(int(token)) for token in tokens])
    np.testing.assert_array_equal(got, expected)
    return decoder


@pytest.fixture(scope="module")
def checkpoint():
    return read_checkpoint(bundled())


@pytest.mark.parametrize("precision", NAMED)
def test_bundled_checkpoint(checkpoint, precision):
    tokens = windows(held_out_text(), 48)[5]
    agree(quantize_network(checkpoint, NAMED[precision]), tokens)


@pytest.mark.parametrize("shape", [PLAIN, GROUPED, ODD], ids=["plain", "groups", "odd"])
@pytest.mark.parametrize(
    "precision",
    [
        NAMED["w8a8"],
        NAMED["w4a4"],
        Precision(group=8, weight_group=8, weight_scale="mantissa", weight_bits=5),
        Precision(weight_scale="pot", scan_bits=6, activation_bits=3),
    ],
    ids=["w8a8", "w4a4", "w5a8", "w8a3"],
)
def test_shapes_and_precisions(shape, precision):
    tokens = np.random.default_rng(4).integers(0, shape.vocab, 10)
    agree(quantize_network(random_parameters(shape), precision), tokens)


def test_longer_groups():
    precision = Precision(group=16, weight_bits=4)
    agree(quantize_network(random_parameters(PLAIN), precision), np.arange(10))


@pytest.mark.parametrize("shape", [PLAIN, GROUPED], ids=["plain", "groups"])
def test_rotated(shape):
    parameters = rotate_mixer(random_parameters(shape))
    precision = NAMED["w4a4"].model_copy(update={"hadamard": True})
    agree(quantize_network(parameters, precision), np.arange(10))


def test_rotated_bundled_checkpoint(checkpoint):
    precision = NAMED["w4a4"].model_copy(update={"hadamard": True})
    tokens = windows(held_out_text(), 24)[9]
    agree(quantize_network(rotate_mixer(checkpoint), precision), tokens)


def test_starts_again_and_on_one_thread():
    quantized = quantize_network(random_parameters(PLAIN), NAMED["w4a8"])
    decoder = Decoder(quantized)
    first = [decoder.decode(token) for token in (3, 1, 2)]
    decoder.start()
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        again = [decoder.decode(token) for token in (3, 1, 2)]
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(first, again)
    assert not np.array_equal(decoder.decode(2), first[2])


def test_counts():
    shape = GROUPED
    quantized = quantize_network(random_parameters(shape), NAMED["w8a8"])
    decoder = Decoder(quantized)
    tiled = sum(
        -(-len(matrix.weights) // 16) * 16 * matrix.weights.shape[1]
        for layer in quantized.layers
        for matrix in (layer.in_proj, layer.out_proj)
    )
    tiled += -(-shape.vocab // 16) * 16 * shape.d_model
    assert tiled < decoder.bytes_per_token
    embedding = quantized.embedding.nbytes
    state = shape.layers * shape.heads * 16 * shape.state * 9 // 8  # 8 channels in lanes of 16
    ring = decoder.bytes_per_token - (decoder.weight_bytes - embedding) - 2 * state
    assert 0 < ring - quantized.embedding[0].nbytes < 2 * state
    rows = 2 * 48 + 2 * 2 * 8 + 6
    layer = rows * 48 + 48 * 48 + (48 + 32) * 3 + 2 * 48 * 8
    assert decoder.macs_per_token == 2 * layer + 40 * 48


@pytest.mark.parametrize("token", [-1, 40])
def test_refuses_unknown_tokens(token):
    decoder = Decoder(quantize_network(random_parameters(PLAIN), NAMED["w4a4"]))
    with pytest.raises(ValueError, match=rf"^token must be in 0\.\.39, not {token}$"):
        decoder.decode(token)


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        (
            Precision(group=4),
            " packed matvec x.group must be a multiple of 8, not 4; choose a multiple of 8",
        ),
        (Precision(scan_bits=10), " scan_bits must be at most 8, not 10; use fewer bits"),
        (
            Precision(normed=Fixed(32, 12), weight_bits=4),
            " normed must have at most 31 bits, not 32; use a narrower format",
        ),
        (
            Precision(skip=Fixed(26, 10)),
            " skip must have at most 23 bits, not 26; use a narrower format",
        ),
        (
            Precision(state=Fixed(32, 20)),
            " packed scan state must have at most 31 bits, not 32; use a narrower format",
        ),
        (
            Precision(state=Fixed(31, 10)),
            " packed scan updates must fit 53 bits, not 56; "
            "narrow the state, the decay, delta or B",
        ),
    ],
)
def test_refuses_precisions_that_it_does_not_hold(precision, message):
    quantized = quantize_network(random_parameters(PLAIN), precision)
    place = "precision for the CPU's integer kernels:"
    with pytest.raises(InputError, match=f"^{re.escape(place + message)}$"):
        Decoder(quantized)
