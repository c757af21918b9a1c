"""Round to nearest: weights within half a step of their codes, refusals name the tensor."""

from dataclasses import replace

import numpy as np
import pytest

from models.errors import InputError
from models.networks.quantized import Matrix
from models.precision import NAMED, Precision
from models.quantization.rtn import nearest, quantize_network
from tests.networks.examples import PLAIN, random_parameters


@pytest.mark.parametrize("precision", NAMED)
@pytest.mark.parametrize("columns", [128, 48, 200])
def test_weights_are_within_half_a_step(precision, columns):
    formats = NAMED[precision]
    values = np.random.default_rng(0).normal(size=(16, columns)) * 0.1
    codes, scales = nearest(values, formats, "matrix")
    steps = np.repeat(formats.scale.values(scales), formats.weight_group, axis=1)
    steps = steps[:, :columns]
    assert np.abs(codes * steps - values).max() <= steps.max() / 2
    assert (np.abs(codes * steps - values) <= steps / 2 + 1e-12).all()
    found = Matrix(codes.astype(np.int8), scales.astype(np.int16)).values(formats)
    np.testing.assert_array_equal(found, (codes * steps).astype(np.float32))
    assert scales.shape == (16, -(-columns // formats.weight_group))


def test_refuses_weights_beyond_every_scale():
    with pytest.raises(
        InputError,
        match=r"^head: weights must be at most 7 in magnitude, not 99; "
        r"choose more precision\.weight_bits or another precision\.weight_scale$",
    ):
        nearest(np.full((8, 128), 99.0), NAMED["w4a4"], "head")


def test_refuses_values_beyond_their_format():
    parameters = random_parameters(PLAIN)
    steep = replace(parameters.layers[1], A=np.full(4, -1000, np.float32))
    parameters = replace(parameters, layers=(parameters.layers[0], steep))
    with pytest.raises(
        InputError,
        match=r"^layers\.1\.A: values must fit u20f12, not 1442\.7; "
        r"give precision.rate more bits before the point$",
    ):
        quantize_network(parameters, NAMED["w8a8"])


def test_refuses_channels_that_are_no_whole_groups():
    shape = replace(PLAIN, state=4)
    with pytest.raises(
        InputError,
        match=r"^layers\.0\.conv_weight: channels must be whole groups of 16, not 72; "
        r"choose a smaller precision\.group$",
    ):
        quantize_network(random_parameters(shape), Precision(group=16))


@pytest.mark.parametrize("embedding", ["s8f5", "s16f12", "s24f20", "s40f32"])
def test_an_embedding_of_any_width_is_within_half_a_step(embedding):
    precision = Precision(embedding=embedding)
    parameters = random_parameters(PLAIN)
    codes = quantize_network(parameters, precision).embedding
    error = np.abs(precision.embedding.values(codes) - parameters.embedding)
    assert error.max() <= 2.0**-precision.embedding.frac / 2
