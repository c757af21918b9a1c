"""Quantize: a float checkpoint becomes an integer one, by a recipe."""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from codegen.files import write_whole
from models.checkpoints.integers import MANIFEST, stored_tensors, tensors_hash, to_files
from models.errors import InputError
from models.networks.mamba2 import reference_units
from models.networks.quantized import QuantizedNetwork
from models.networks.shape import Mamba2Shape
from models.precision import named_precision
from models.quantization.calibration import LENGTH, calibration_windows
from models.quantization.recipes import apply, find_recipe, precision_of
from reports.inputs import Show, find_model, unheard

KINDS = ("embedding", "in_proj", "out_proj", "head", "taps", "others")
"""Parts of a network."""
SCALES = ("scales", "tap_exponents")
"""Which are bits of the weights that they scale, and no weights of their own."""
FOREIGN = ("config.json", "model.safetensors.index.json")
"""Files of float checkpoints, which are not written over."""


@dataclass(frozen=True)
class Part:
    """Tensors of one kind: how many, the weights in them, the bytes that they take in the file, and
    the bits in hardware."""

    tensors: int
    weights: int
    octets: int
    bits: int

    @property
    def bits_per_weight(self) -> float:
        """Scales and exponents included."""
        return self.bits / self.weights


@dataclass(frozen=True)
class QuantizeReport:
    """The files that were written, with their sizes in bytes, and what is in them."""

    folder: Path
    recipe: str
    precision: str
    parts: dict[str, Part]
    files: dict[str, int]
    seconds: float
    """To quantize, measured."""

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"folder": str(self.folder)}, indent=2)

    def to_text(self) -> str:
        lines = [
            f"{self.folder}: recipe {self.recipe}, {self.precision}",
            f"{'':12}{'tensors':>9}{'weights':>15}{'bytes':>15}{'bits/weight':>13}",
        ]
        lines += [
            f"{name:12}{part.tensors:9}{part.weights:15,}{part.octets:15,}"
            f"{part.bits_per_weight:13.3f}"
            for name, part in self.parts.items()
        ]
        lines += [f"{name}: {octets:,} bytes" for name, octets in self.files.items()]
        return "\n".join([*lines, f"measured: {self.seconds:.1f} s to quantize"])


def quantize(
    model: str,
    recipe: str,
    precision: str,
    out: Path,
    text: Path | None = None,
    window: int = LENGTH,
    show: Show = unheard,
) -> QuantizeReport:
    """Quantize the float checkpoint `model` and write it into the folder `out`.

    The file `text` is what the recipe is calibrated on, in sequences of `window` bytes; without
    it, the bundled training topics. The folder is made or reused; its manifest is written last, so
    that a checkpoint without one is not whole. The same input gives the same bytes.

    Raises InputError for everything wrong in what is named: a model that is quantized already, a
    text shorter than a window, a folder that holds a float checkpoint.
    """
    chosen, formats = find_recipe(recipe), named_precision(precision)
    _require_free(out)
    parameters = find_model(model)
    content = None if text is None else text.read_bytes()
    tokens = calibration_windows(parameters.shape.vocab, content, window, name=f"{text}")
    named = precision_of(chosen, formats)
    _require_groups(model, parameters.shape, named.group)
    reference_units(parameters.shape, named)  # whatever else does not fit is told first
    show(f"quantizing {parameters.shape.parameters} parameters by recipe {chosen.name}")
    start = time.monotonic()
    quantized = apply(chosen, parameters, formats, tokens)
    seconds = time.monotonic() - start
    files = to_files(quantized, chosen.model_dump(mode="json"), tensors_hash(parameters))
    write_checkpoint(files, out)
    return QuantizeReport(
        folder=out,
        recipe=chosen.name,
        precision=precision,
        parts=parts_of(quantized),
        files={name: len(content) for name, content in files.items()},
        seconds=seconds,
    )


def write_checkpoint(files: dict[str, bytes], out: Path) -> None:
    """Write the files of an integer checkpoint into the folder `out`, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    for name, content in files.items():
        write_whole(out / name, content)


def parts_of(quantized: QuantizedNetwork) -> dict[str, Part]:
    """What a network is made of, the matrices by themselves."""
    parts = dict.fromkeys(KINDS, Part(0, 0, 0, 0))
    for name, stored in stored_tensors(quantized.shape, quantized.precision).items():
        kind, field = _kind(name), name.rpartition(".")[2]
        size = math.prod(stored.shape)
        part, weights = parts[kind], 0 if field in SCALES else size
        parts[kind] = Part(
            tensors=part.tensors + 1,
            weights=part.weights + weights,
            octets=part.octets + size * stored.dtype.itemsize,
            bits=part.bits + size * stored.bits,
        )
    return parts


def _kind(name: str) -> str:
    """The part that a tensor belongs to; biases are no part of a matrix."""
    *above, field = name.split(".")
    if field in ("weights", "scales"):
        return above[-1]
    if field in ("taps", "tap_exponents"):
        return "taps"
    return field if field in KINDS else "others"


def _require_free(out: Path) -> None:
    """Refuse a folder whose float checkpoint would be written over."""
    for name in FOREIGN:
        if (out / name).exists():
            raise InputError(
                f"{out}", f"must be a folder without a float checkpoint, not one with {name}",
                "give another folder with --out",
            )  # fmt: skip


def _require_groups(model: str, shape: Mamba2Shape, group: int) -> None:
    """Refuse channels that are no whole groups of a shared exponent."""
    for name in ("d_model", "head_dim", "state"):
        if (value := getattr(shape, name)) % group:
            raise InputError(
                f"model {model!r}: {name}", f"must be whole groups of {group}, not {value}",
                "give a recipe file whose precision has a smaller group",
            )  # fmt: skip
