"""Compensated rounding: less error where the inputs are, within the format, reproducible."""

from dataclasses import replace

import numpy as np
import pytest

from models.errors import InputError
from models.precision import NAMED, Precision
from models.quantization.compensated import Compensated, Moments, compensated
from models.quantization.errors import narrowed
from models.quantization.rtn import nearest, quantize_network
from tests.networks.examples import PLAIN, random_parameters

W4A4 = NAMED["w4a4"]


def made(rows=24, columns=200, seed=0, precision=W4A4):
    """Weights, inputs whose channels hang together, and their moments."""
    chance = np.random.default_rng(seed)
    mixing = chance.normal(size=(columns, columns)) / np.sqrt(columns)
    inputs = chance.normal(size=(2000, columns)) * np.exp2(chance.normal(size=columns)) @ mixing
    values = chance.normal(size=(rows, columns)) * 0.1
    return values, inputs, Moments.of(inputs, precision.linear_input)


def output_error(values, inputs, codes, scales, precision=W4A4):
    """Mean squared error of the outputs for narrowed inputs."""
    steps = np.repeat(precision.scale.values(scales), precision.weight_group, axis=1)
    weights = codes * steps[:, : codes.shape[1]]
    return np.mean((narrowed(inputs, precision.linear_input) @ weights.T - inputs @ values.T) ** 2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("columns", [48, 128, 200])
def test_the_outputs_are_closer_than_with_nearest_codes(columns, seed):
    values, inputs, moments = made(columns=columns, seed=seed)
    found = compensated(values, moments, W4A4, "matrix")
    assert output_error(values, inputs, *found) < 0.8 * output_error(
        values, inputs, *nearest(values, W4A4, "matrix")
    )


def test_shapes_formats_and_codes_are_those_of_the_hardware():
    values, _, moments = made()
    codes, scales = compensated(values, moments, W4A4, "matrix")
    assert (codes.shape, scales.shape) == ((24, 200), (24, 2))
    W4A4.weight.require(codes, "codes")
    W4A4.scale.code.require(scales, "scales")
    assert len(np.unique(codes)) == 16
    again = compensated(values, moments, W4A4, "matrix")
    assert all(np.array_equal(*pair) for pair in zip((codes, scales), again, strict=True))


def test_without_any_inputs_weights_are_rounded_to_the_nearest():
    """Moments of zeros ask nothing of the columns behind, and move no weight."""
    values, _, moments = made(columns=128)
    blank = Moments(np.zeros_like(moments.second), np.zeros_like(moments.cross))
    codes, scales = compensated(values, blank, W4A4, "matrix")
    steps = W4A4.scale.values(scales)
    assert np.array_equal(codes, W4A4.weight.nearest(values / steps))


def test_a_forgotten_correlation_is_noticed(monkeypatch):
    """With moments whose channels are independent there is nothing to compensate with."""
    values, inputs, moments = made(columns=128)
    alone = Moments(np.diag(np.diag(moments.second)), np.diag(np.diag(moments.second)))
    with_all = output_error(values, inputs, *compensated(values, moments, W4A4, "matrix"))
    without = output_error(values, inputs, *compensated(values, alone, W4A4, "matrix"))
    assert with_all < 0.8 * without


def test_refuses_weights_beyond_every_scale():
    _, _, moments = made(columns=128)
    with pytest.raises(InputError, match=r"^head: weights must be at most 7 in magnitude, not 99"):
        compensated(np.full((8, 128), 99.0), replace(moments, cross=moments.second), W4A4, "head")


@pytest.mark.parametrize("precision", ["w4a4", "w8a8"])
def test_a_network_of_it_has_the_shape_of_any_other(precision):
    parameters, formats = random_parameters(PLAIN), NAMED[precision]
    tokens = np.random.default_rng(0).integers(0, PLAIN.vocab, (4, 32))
    rounding = Compensated.measure(parameters, formats, tokens)
    found = quantize_network(parameters, formats, rounding)
    plain = quantize_network(parameters, formats)
    assert not np.array_equal(found.head.weights, plain.head.weights)
    for ours, theirs in zip(found.layers, plain.layers, strict=True):
        for name in ("in_proj", "out_proj"):
            one, other = getattr(ours, name), getattr(theirs, name)
            assert one.weights.shape == other.weights.shape
            assert one.scales.shape == other.scales.shape
            assert not np.array_equal(one.weights, other.weights)


def test_refuses_formats_that_contradict_the_parameters():
    with pytest.raises(ValueError, match=r"^precision\.hadamard must be False, as the parameters"):
        quantize_network(random_parameters(PLAIN), Precision(hadamard=True))
