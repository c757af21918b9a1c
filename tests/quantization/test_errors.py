"""Errors of linear layers: what each is of, against products in double precision."""

import numpy as np
import pytest

from models.precision import NAMED
from models.quantization import errors
from models.quantization.errors import MatrixError, matrix_errors, narrowed
from models.quantization.recipes import (
    find_recipe,
    precision_of,
    quantize_transformed,
    transform_network,
)
from models.quantization.rtn import nearest, quantize_network
from tests.networks.examples import GROUPED, PLAIN, random_parameters

W4A4 = NAMED["w4a4"]
CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(3, 20, 48)).astype(np.float32)
WEIGHTS = CHANCE.normal(size=(10, 48)).astype(np.float32) * np.float32(0.1)
CODES, SCALES = nearest(WEIGHTS, W4A4, "matrix")
ROUNDED = (CODES * W4A4.scale.values(SCALES)).astype(np.float32)
TOKENS = CHANCE.integers(0, 40, (3, 8))


@pytest.mark.parametrize("rows", [3, 4096])
def test_each_is_that_of_its_product(rows, monkeypatch):
    monkeypatch.setattr(errors, "ROWS", rows)
    found = MatrixError.of(X, WEIGHTS, W4A4.linear_input, ROUNDED)
    x, y, w, q = (
        each.astype(np.float64) for each in (X, narrowed(X, W4A4.linear_input), WEIGHTS, ROUNDED)
    )
    power = np.sum((x @ w.T) ** 2)
    expected = [np.sum((out - x @ w.T) ** 2) / power for out in (y @ w.T, x @ q.T, y @ q.T)]
    np.testing.assert_allclose([found.inputs, found.weights, found.both], expected, rtol=1e-4)


def test_what_is_exact_costs_nothing():
    coarse = np.sign(X)  # whole numbers of every block
    assert MatrixError.of(coarse, WEIGHTS, W4A4.linear_input, WEIGHTS) == MatrixError(0, 0, 0)
    found = MatrixError.of(X, WEIGHTS, W4A4.linear_input, WEIGHTS)
    assert found.weights == 0
    assert found.both == pytest.approx(found.inputs, rel=1e-4)
    assert MatrixError.of(0 * X, WEIGHTS, W4A4.linear_input, ROUNDED) == MatrixError(0, 0, 0)


@pytest.mark.parametrize("shape", [PLAIN, GROUPED], ids=["plain", "groups"])
def test_every_matrix_of_a_network_is_held_against_its_own_integers(shape):
    parameters = random_parameters(shape)
    found = matrix_errors(parameters, quantize_network(parameters, W4A4), TOKENS)
    assert list(found) == [
        "layers.0.in_proj", "layers.0.out_proj", "layers.1.in_proj", "layers.1.out_proj", "head",
    ]  # fmt: skip
    for error in found.values():
        assert 1e-4 < error.inputs < 0.05
        assert 1e-3 < error.weights < 0.05
        assert error.both == pytest.approx(error.inputs + error.weights, rel=0.2)


def test_compensated_weights_make_up_for_narrowed_inputs():
    """Measured on what they were calibrated on, where nothing else can have caused it."""
    parameters = random_parameters(PLAIN)
    both = {}
    for rounding in ("nearest", "compensated"):
        recipe = find_recipe("lightmamba").model_copy(update={"rounding": rounding})
        formats = precision_of(recipe, W4A4)
        transformed = transform_network(recipe, parameters, formats, TOKENS)
        quantized = quantize_transformed(recipe, transformed, formats, TOKENS)
        both[rounding] = matrix_errors(transformed, quantized, TOKENS)
    for name, error in both["compensated"].items():
        assert error.both < 0.8 * both["nearest"][name].both
