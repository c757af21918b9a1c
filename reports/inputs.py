"""What commands are given by name or path: checkpoints, precisions and texts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from models.checkpoints import bundled
from models.checkpoints.corpus import held_out_text
from models.checkpoints.integers import Manifest, is_integers, read_integers, read_manifest
from models.checkpoints.reader import read_checkpoint
from models.design import Design
from models.errors import InputError
from models.networks.parameters import NetworkParameters
from models.networks.quantized import QuantizedNetwork
from models.networks.shape import require_mamba2
from models.networks.shapes import SHAPES
from models.quantization.rtn import quantize_network
from models.quantization.transforms import rotate_mixer

Show = Callable[[str], None]
"""Takes what is to be told while the work goes on."""

Given = NetworkParameters | QuantizedNetwork
"""A network as its checkpoint has it: float, or integers."""


def unheard(line: str) -> None:
    """Nobody is told."""


def find_network(
    model: str, design: Design, overrides: Sequence[str] = (), show: Show = unheard
) -> tuple[Given, Design]:
    """The checkpoint `model`, float or integers, and the design in the formats that it has there.

    As of `find_model` and `design_of`, with their exceptions.
    """
    design = design_of(model, design, overrides, show)
    given = read_integers(Path(model)) if is_integers(Path(model)) else find_model(model)
    return given, design


def design_of(
    model: str, design: Design, overrides: Sequence[str] = (), show: Show = unheard
) -> Design:
    """The design with the precision of `model` where that is an integer checkpoint.

    overrides   those that the design was changed by

    Raises InputError for a damaged manifest, and when an override asks for another precision.
    """
    if (manifest := find_manifest(model)) is None:
        return design
    for text in overrides:
        if text.partition("=")[0].partition(".")[0] == "precision":
            raise InputError(
                f"override {text!r}", "must be of another key, not of the precision, which model "
                f"{model!r} has already: it is quantized",
                "leave it out, or quantize the float checkpoint with another precision",
            )  # fmt: skip
    show(f"precision: that of the checkpoint, which recipe {manifest.recipe['name']} quantized")
    return design.model_copy(update={"precision": manifest.precision})


def find_manifest(model: str) -> Manifest | None:
    """The manifest of the integer checkpoint `model`; None for any other.

    Raises InputError for what is wrong in it.
    """
    return read_manifest(Path(model)) if is_integers(Path(model)) else None


def integers_of(given: Given, design: Design, show: Show = unheard) -> QuantizedNetwork:
    """The network as integers in the precision of `design`: rounded to nearest, unless it is so.

    Where that precision rotates out_proj's input, the float network is rotated for it.

    Raises InputError naming the tensor whose values a format cannot hold, ValueError for integers
    of another precision.
    """
    if isinstance(given, NetworkParameters):
        show(f"quantizing {given.shape.parameters} parameters")
        rotates = design.precision.hadamard and not given.rotated
        return quantize_network(rotate_mixer(given) if rotates else given, design.precision)
    if given.precision != design.precision:
        raise ValueError("the design's precision must be that of the integers")
    return given


def find_model(model: str) -> NetworkParameters:
    """The float checkpoint in the folder `model`, or the bundled one under its name.

    Raises InputError when there is neither, for one that is quantized or a Mamba-1, and for
    everything that is wrong in the folder.
    """
    if manifest := find_manifest(model):
        raise InputError(
            f"model {model!r}", "must be a float checkpoint, not one quantized by recipe "
            f"{manifest.recipe['name']}", "give the checkpoint that it was made of",
        )  # fmt: skip
    if model != "bundled" and not Path(model).exists():
        if model in SHAPES:
            require_mamba2(SHAPES[model], f"model {model!r}")
        raise InputError(
            f"model {model!r}",
            "must be the folder of a checkpoint, or `bundled`, not missing",
            "give the folder that holds config.json and *.safetensors",
        )
    return read_checkpoint(bundled() if model == "bundled" else Path(model))


def read_tokens(text: Path | None, vocab: int, least: int) -> np.ndarray:
    """Bytes of the file `text`, or of the held-out documentation, as tokens int (tokens,).

    Raises InputError when there are fewer than `least`, or one outside the vocabulary.
    """
    name, content = "held-out text", held_out_text()
    if text is not None:
        name, content = str(text), text.read_bytes()
    tokens = np.frombuffer(content, np.uint8).astype(np.int64)
    if len(tokens) < least:
        raise InputError(
            f"{name}", f"must have at least {least} bytes, not {len(tokens)}",
            "give a longer text, or ask for fewer tokens",
        )  # fmt: skip
    outside = np.flatnonzero(tokens >= vocab)
    if len(outside):
        raise InputError(
            f"{name}: byte {outside[0]}", f"must be below the vocabulary's {vocab}, "
            f"not {tokens[outside[0]]}", "give a text that the network's tokens can spell",
        )  # fmt: skip
    return tokens
