"""Recipes: how a float network becomes integers. Read from YAML, by name or by file.

    quantized = apply(find_recipe("puffadder"), parameters, precision, tokens)

A recipe changes no format but those that it names; how many bits weights and activations have is
the precision's business, so that recipes can be compared at equal bits.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.documents import check, names_in, read_mapping
from models.errors import InputError
from models.networks.parameters import NetworkParameters
from models.networks.quantized import QuantizedNetwork
from models.precision import Precision
from models.quantization.calibration import calibrate, residual_covariance
from models.quantization.compensated import Compensated
from models.quantization.errors import rotated_errors
from models.quantization.rotations import hadamard_rotation, klt_rotation
from models.quantization.rtn import quantize_network
from models.quantization.transforms import fold_norms, rotate_mixer, rotate_residual, smooth

FOLDER = Path(__file__).parent
NAMES = tuple(names_in(FOLDER))

Rotation = Literal["none", "hadamard", "klt", "best"]


class Recipe(BaseModel):
    """What is done to a network, in this order, and how its matrices are rounded."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    source: str
    """The publication that it follows, and where it does not."""
    smooth: Annotated[float, Field(ge=0, le=1)] | None = None
    """Strength with which outliers of inputs move into weights (SmoothQuant, equation 4)."""
    residual: Rotation = "none"
    """Rotation of the residual stream, folded into the weights around it; the best is the one with
    which narrowing the inputs costs least on the calibration text."""
    online: bool = False
    """Whether out_proj's input is rotated by the Hadamard unit."""
    rounding: Literal["nearest", "compensated"] = "nearest"
    """Of weights: each to its nearest code, or so that errors make up for each other."""
    precision: dict[str, Any] = {}
    """Formats that the recipe asks for, beside the precision's."""

    @property
    def calibrated(self) -> bool:
        """Whether it needs to see activations."""
        turned = self.residual in ("klt", "best")
        return bool(self.smooth) or turned or self.rounding == "compensated"


def find_recipe(name: str) -> Recipe:
    """The recipe of that name, or in the YAML file `name`.

    Raises InputError when there is neither, and for everything that is wrong in the file.
    """
    path = FOLDER / f"{name}.yaml" if name in NAMES else Path(name)
    if name not in NAMES and path.suffix not in (".yaml", ".yml"):
        raise InputError(
            "recipe", f"must be one of {', '.join(NAMES)} or a YAML file, not {name!r}",
            "name one of these, or a file",
        )  # fmt: skip
    raw = read_mapping(path, Recipe, "recipe")
    return check(Recipe, {"name": path.stem} | raw, f"{path}", "recipe", "correct it in the file")


def apply(
    recipe: Recipe, parameters: NetworkParameters, precision: Precision, tokens: np.ndarray
) -> QuantizedNetwork:
    """Quantize a network the recipe's way, its other formats being those of `precision`.

    tokens  int (sequences, time)  text to calibrate on, read only where the recipe needs to

    Raises InputError naming the tensor whose values a format cannot hold, or a format that the
    recipe must not name.
    """
    formats = precision_of(recipe, precision)
    transformed = transform_network(recipe, parameters, formats, tokens)
    return quantize_transformed(recipe, transformed, formats, tokens)


def quantize_transformed(
    recipe: Recipe, parameters: NetworkParameters, precision: Precision, tokens: np.ndarray
) -> QuantizedNetwork:
    """The integers of a network that `transform_network` gave, in formats of `precision_of`."""
    rounding = None
    if recipe.rounding == "compensated":
        rounding = Compensated.measure(parameters, precision, tokens)
    return replace(quantize_network(parameters, precision, rounding), recipe=recipe.name)


def precision_of(recipe: Recipe, precision: Precision) -> Precision:
    """The formats of a network that is quantized by the recipe."""
    named = precision.model_dump() | recipe.precision | {"hadamard": recipe.online}
    return check(Precision, named, f"recipe {recipe.name}", "precision", "correct its precision")


def transform_network(
    recipe: Recipe, parameters: NetworkParameters, precision: Precision, tokens: np.ndarray
) -> NetworkParameters:
    """The float network that is rounded: the same function, in another basis."""
    if recipe.smooth:
        largest = calibrate(parameters, tokens, second=False)
        parameters = smooth(parameters, largest, recipe.smooth)
    if (q := _rotation(recipe.residual, parameters, precision, tokens)) is not None:
        parameters = rotate_residual(fold_norms(parameters), q)
    return rotate_mixer(parameters) if recipe.online else parameters


def _rotation(
    kind: Rotation,
    parameters: NetworkParameters,
    precision: Precision,
    tokens: np.ndarray,
) -> np.ndarray | None:
    """Of the residual stream, after the norms are folded; None to leave both as they are."""
    if kind == "none":
        return None
    hadamard = hadamard_rotation(parameters.shape.d_model)
    if kind == "hadamard":
        return hadamard
    klt = klt_rotation(residual_covariance(fold_norms(parameters), tokens))
    if kind == "klt":
        return klt
    plain, errors = rotated_errors(parameters, precision, tokens, [hadamard, klt])
    if plain <= min(errors):
        return None
    return hadamard if errors[0] <= errors[1] else klt
