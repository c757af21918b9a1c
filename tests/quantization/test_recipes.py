"""Recipes: the same function in another basis, named formats, and the published order."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from models.errors import InputError
from models.networks.mamba2 import Network, compiled
from models.networks.oracle import mamba2 as oracle
from models.networks.quantized import QuantizedLayer
from models.precision import NAMED
from models.quantization.calibration import calibration_windows
from models.quantization.errors import matrix_errors
from models.quantization.recipes import (
    NAMES,
    Recipe,
    apply,
    find_recipe,
    precision_of,
    transform_network,
)
from models.quantization.rtn import quantize_network
from models.quantization.stress import stress
from reports.inputs import find_model
from tests.networks.examples import GROUPED, PLAIN, random_parameters

TOKENS = np.random.default_rng(0).integers(0, PLAIN.vocab, (4, 32))
STRENGTH = 0.75
"""Of a stress that 4 bits notice: rtn loses five times what lightmamba does."""


@pytest.mark.parametrize("shape", [PLAIN, GROUPED], ids=["tied", "2_groups"])
@pytest.mark.parametrize("name", NAMES)
def test_the_function_stays(name, shape):
    parameters, recipe = random_parameters(shape), find_recipe(name)
    formats = precision_of(recipe, NAMED["w8a8"])
    tokens = TOKENS % shape.vocab
    transformed = transform_network(recipe, parameters, formats, tokens)
    exact, ours = oracle.prefill(parameters, tokens), oracle.prefill(transformed, tokens)
    assert np.abs(ours - exact).max() < 1e-3 * np.abs(exact).max()


@pytest.mark.parametrize("name", NAMES)
def test_both_arithmetics_give_the_same_codes_near_the_oracle(name):
    parameters = random_parameters(PLAIN)
    quantized = apply(find_recipe(name), parameters, NAMED["w8a8"], TOKENS)
    plain = Network(quantized).prefill(TOKENS[0, :8])
    assert np.array_equal(plain, Network(quantized, compiled()).prefill(TOKENS[0, :8]))
    exact = oracle.prefill(parameters, TOKENS[0, :8])
    error = quantized.precision.stream.values(plain) - exact
    assert np.sqrt(np.mean(error**2)) < 0.2 * np.sqrt(np.mean(exact**2))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_text_gives_the_same_integers(name):
    def tensors():
        quantized = apply(find_recipe(name), random_parameters(PLAIN), NAMED["w4a4"], TOKENS)
        for layer in quantized.layers:
            for field in QuantizedLayer.__dataclass_fields__:
                value = getattr(layer, field)
                yield from (value.weights, value.scales) if hasattr(value, "scales") else [value]
        yield quantized.embedding

    assert all(np.array_equal(*pair) for pair in zip(tensors(), tensors(), strict=True))


def test_formats_are_the_precision_but_for_those_that_are_named():
    linear, lightmamba = find_recipe("lightmamba-linear"), find_recipe("lightmamba")
    formats = precision_of(lightmamba, NAMED["w4a4"])
    assert formats == NAMED["w4a4"].model_copy(update={"hadamard": True})
    assert precision_of(linear, NAMED["w4a4"]) == formats.model_copy(update={"scan_bits": 16})


@pytest.fixture(scope="module")
def stressed():
    calibration = calibration_windows(256, count=3)
    return stress(find_model("bundled"), STRENGTH, calibration), calibration


def input_errors(parameters, precision, tokens):
    """By the matrix's name; whatever its weights are rounded to."""
    errors = matrix_errors(parameters, quantize_network(parameters, precision), tokens)
    return {name: error.inputs for name, error in errors.items()}


def test_out_projs_inputs_keep_the_published_order(stressed):
    """LightMamba, figure 4: rotation before smoothing before neither; and both before each."""
    parameters, calibration = stressed
    errors = {}
    for name in ("puffadder", "lightmamba", "smoothquant", "rtn"):
        recipe = find_recipe(name)
        formats = precision_of(recipe, NAMED["w4a4"])
        transformed = transform_network(recipe, parameters, formats, calibration)
        errors[name] = input_errors(transformed, formats, calibration)
    for layer in range(parameters.shape.layers):
        ordered = [errors[name][f"layers.{layer}.out_proj"] for name in errors]
        assert ordered == sorted(ordered)
        assert len(set(ordered)) == len(ordered)


def test_the_best_rotation_is_one_for_a_network_with_outliers(stressed):
    parameters, calibration = stressed
    recipe, formats = find_recipe("puffadder"), NAMED["w4a4"]
    plain = recipe.model_copy(update={"residual": "none", "online": False})
    best = recipe.model_copy(update={"online": False})
    total = [
        sum(input_errors(transform_network(each, parameters, formats, calibration), formats,
                         calibration).values())
        for each in (best, plain)
    ]  # fmt: skip
    assert total[0] < 0.9 * total[1]


def test_every_recipe_that_comes_along_says_whence():
    for name in NAMES:
        assert find_recipe(name).source


def test_a_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"source": "here", "online": True, "precision": {"group": 4}}))
    assert find_recipe(str(path)) == Recipe(
        name="mine", source="here", online=True, precision={"group": 4}
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rounding": "gptq"}, "{path}: rounding must be 'nearest' or 'compensated', not 'gptq'; "
         "correct it in the file"),
        ({"smooth": 2.0}, "{path}: smooth must be at most 1.0, not 2.0; correct it in the file"),
        ({"rotate": True}, "{path}: rotate must not be there; a recipe has the keys name, source, "
         "smooth, residual, online, rounding, precision"),
    ],
)  # fmt: skip
def test_refuses_recipes(given, message, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"source": "here"} | given))
    with pytest.raises(InputError, match=f"^{re.escape(message.format(path=path))}$"):
        find_recipe(str(path))


def test_refuses_formats_that_a_recipe_must_not_ask_for():
    recipe = Recipe(name="mine", source="here", precision={"scan_bits": 99})
    with pytest.raises(InputError, match=r"^recipe mine: scan_bits must be at most 16, not 99; "):
        precision_of(recipe, NAMED["w4a4"])


def test_refuses_what_is_neither_name_nor_file():
    with pytest.raises(InputError, match=r"^recipe must be one of .* or a YAML file, not 'gptq'"):
        find_recipe("gptq")
    missing = str(Path("gptq.yaml"))
    with pytest.raises(InputError, match=r"^gptq\.yaml must be a readable text file, not missing"):
        find_recipe(missing)
