"""Round to nearest: the published power-of-two scheme without rotation or calibration.

Weights are rounded in groups with the smallest scale that holds the group's largest magnitude
(LightMamba, section IV); everything else goes to the nearest code of its format.
"""

import math
from collections.abc import Callable

import numpy as np

from models.errors import InputError
from models.formats import Codes, Fixed
from models.networks.parameters import LayerParameters, NetworkParameters
from models.networks.quantized import Matrix, QuantizedLayer, QuantizedNetwork
from models.precision import Precision
from models.units.quantize import QuantizeConfig, quantize

RoundMatrix = Callable[[np.ndarray, Precision, str], tuple[Codes, Codes]]
"""Codes (rows, columns) and encoded scales (rows, weight groups) of a matrix (rows, columns) that
is called by the name, `layers.0.in_proj` or `head`."""


def quantize_network(
    parameters: NetworkParameters, precision: Precision, rounding: RoundMatrix | None = None
) -> QuantizedNetwork:
    """Codes of all `parameters` in the formats of `precision`.

    `rounding` is that of the matrices; without it, `nearest`. Raises InputError naming the tensor
    whose values a format cannot hold, ValueError when only one of parameters and precision says
    that out_proj's input is rotated.
    """
    if parameters.rotated != precision.hadamard:
        raise ValueError(
            f"precision.hadamard must be {parameters.rotated}, as the parameters are, "
            f"not {precision.hadamard}"
        )
    rounding = rounding or nearest
    return QuantizedNetwork(
        shape=parameters.shape,
        precision=precision,
        embedding=_smallest(
            _within("embedding", parameters.embedding, precision, "embedding"), precision.embedding
        ),
        layers=tuple(
            quantize_layer(layer, precision, f"layers.{index}", parameters.shape.groups, rounding)
            for index, layer in enumerate(parameters.layers)
        ),
        final_norm=_norm_weight("final_norm", parameters.final_norm, precision),
        head=_matrix(parameters.head, None, precision, "head", rounding),
    )


def quantize_layer(
    layer: LayerParameters,
    precision: Precision,
    name: str,
    groups: int = 1,
    rounding: RoundMatrix | None = None,
) -> QuantizedLayer:
    """Codes of one layer, called `name` in messages; the gated norm has `groups` means.

    Raises InputError naming the tensor whose values a format cannot hold.
    """
    rounding = rounding or nearest
    taps = _within(f"{name}.conv_weight", layer.conv_weight.T, precision, "tap")
    if taps.shape[1] % precision.group:
        raise InputError(
            f"{name}.conv_weight: channels",
            f"must be whole groups of {precision.group}, not {taps.shape[1]}",
            "choose a smaller precision.group",
        )
    tap_codes, tap_exponents = quantize(taps, QuantizeConfig(precision.conv_tap))
    conv_bias = np.zeros(len(layer.conv_weight)) if layer.conv_bias is None else layer.conv_bias
    rate = -layer.A.astype(np.float64) * math.log2(math.e)
    return QuantizedLayer(
        norm=_norm_weight(f"{name}.norm", layer.norm, precision),
        in_proj=_matrix(layer.in_proj, layer.in_proj_bias, precision, f"{name}.in_proj", rounding),
        taps=tap_codes,
        tap_exponents=tap_exponents,
        conv_bias=_within(f"{name}.conv_bias", conv_bias, precision, "stream"),
        dt_bias=_within(f"{name}.dt_bias", layer.dt_bias, precision, "stream"),
        rate=_within(f"{name}.A", rate, precision, "rate"),
        skip=_within(f"{name}.D", layer.D, precision, "skip"),
        gated_norm=_norm_weight(f"{name}.gated_norm", layer.gated_norm, precision, groups),
        out_proj=_matrix(
            layer.out_proj, layer.out_proj_bias, precision, f"{name}.out_proj", rounding
        ),
    )


def nearest(values: np.ndarray, precision: Precision, name: str) -> tuple[Codes, Codes]:
    """Codes of a matrix, called `name` in messages, with the smallest scales that hold its groups.

    values  float (rows, columns)
    return  int (rows, columns)        codes of `precision.weight`
            int (rows, weight groups)  encoded scales of `precision.scale`

    Raises InputError for values that no scale reaches.
    """
    weight, scale = precision.weight, precision.scale
    groups = grouped(values, precision.weight_group)
    largest = np.abs(groups).max(axis=-1)
    most = scale.values(scale.code.max_code) * weight.max_code
    if largest.max() > most:
        raise InputError(
            f"{name}: weights", f"must be at most {most:g} in magnitude, not {largest.max():g}",
            "choose more precision.weight_bits or another precision.weight_scale",
        )  # fmt: skip
    scales = scale.encode(largest / weight.max_code)
    codes = weight.nearest(groups / scale.values(scales)[..., None])
    return codes.reshape(len(values), -1)[:, : values.shape[1]], scales


def grouped(values: np.ndarray, group: int) -> np.ndarray:
    """`values` (rows, columns) as float (rows, groups, group), the last group filled with zeros."""
    rows, columns = values.shape
    padded = np.zeros((rows, -(-columns // group) * group))
    padded[:, :columns] = values
    return padded.reshape(rows, -1, group)


def _matrix(
    values: np.ndarray,
    bias: np.ndarray | None,
    precision: Precision,
    name: str,
    rounding: RoundMatrix,
) -> Matrix:
    """Codes of a matrix, and of its bias: float (rows,) or None."""
    codes, scales = rounding(values, precision, name)
    return Matrix(
        weights=codes.astype(np.int8),
        scales=scales.astype(np.int16),
        bias=None if bias is None else _within(f"{name}_bias", bias, precision, "stream"),
    )


def _norm_weight(name: str, weight: np.ndarray, precision: Precision, groups: int = 1) -> Codes:
    """The unit folds the square root of the length into the weight."""
    folded = weight.astype(np.float64) * math.sqrt(len(weight) // groups)
    return _within(name, folded, precision, "norm_weight")


def _within(name: str, values: np.ndarray, precision: Precision, field: str) -> Codes:
    """Nearest codes of the format in `field`, refusing values beyond it by its last place."""
    format: Fixed = getattr(precision, field)
    low, high = format.values([format.min_code - 1, format.max_code + 1])
    if values.min() < low or values.max() > high:
        worst = values.flat[np.abs(values).argmax()]
        raise InputError(
            f"{name}: values", f"must fit {format}, not {worst:g}",
            f"give precision.{field} more bits before the point",
        )  # fmt: skip
    return format.nearest(values)


def _smallest(codes: Codes, format: Fixed) -> np.ndarray:
    """`codes` in numpy's smallest type that holds every code of the signed `format`."""
    return codes.astype(np.min_scalar_type(format.min_code))
