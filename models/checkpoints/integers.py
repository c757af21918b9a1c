"""Integer checkpoints: a quantized network in a folder, `model.safetensors` and a manifest.

    files = to_files(quantized, recipe.model_dump(mode="json"), tensors_hash(parameters))
    quantized = read_integers(folder)

The tensors are those of `models.networks.quantized`, by the names of their fields, in the smallest
types that hold their formats: `layers.0.in_proj.weights`, `layers.0.taps`, `head.scales`. The
manifest has everything else, and the hash of the tensors; it is to be written last.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.documents import check
from models.errors import InputError
from models.formats import Fixed
from models.networks.parameters import NetworkParameters
from models.networks.quantized import Matrix, QuantizedLayer, QuantizedNetwork
from models.networks.shape import Mamba2Shape
from models.precision import Precision

MANIFEST, TENSORS = "puffadder.json", "model.safetensors"
FORMAT = 1
"""Version of what the files hold and of how they say it."""
WAY_OUT = "quantize the float checkpoint again"


@dataclass(frozen=True)
class Stored:
    """A tensor as it is stored: its shape, and the codes that it may hold, both ends included."""

    shape: tuple[int, ...]
    low: int
    high: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type that holds all codes."""
        return np.dtype(np.min_scalar_type(self.low if self.low < 0 else self.high))

    @property
    def bits(self) -> int:
        """Of a code in hardware."""
        return max(1, max(self.high, ~self.low).bit_length() + (self.low < 0))


def _shape_of(raw: Any) -> Any:
    """A shape as JSON has it: every field, and null where there is no limit."""
    if isinstance(raw, Mamba2Shape):
        return raw
    names = [field.name for field in fields(Mamba2Shape)]
    if not isinstance(raw, dict) or raw.keys() != set(names):
        raise ValueError(f"must be a mapping of {', '.join(names)}, not of others")
    limit = raw["time_step_limit"]
    if not isinstance(limit, list) or len(limit) != 2:
        raise ValueError(f"time_step_limit must be two numbers, not {limit!r}")
    try:
        limit = (limit[0], math.inf if limit[1] is None else limit[1])
        return Mamba2Shape(**raw | {"time_step_limit": limit})
    except TypeError:
        raise ValueError("must have numbers for its numbers, not other types") from None


def _named(recipe: Any) -> Any:
    if not isinstance(recipe, dict) or not isinstance(recipe.get("name"), str):
        raise ValueError("must be a recipe with a name, not another value")
    return recipe


def _hash(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError(f"must be the 64 digits of a SHA-256, not {text!r}")
    return text


Hash = Annotated[str, AfterValidator(_hash)]


class Manifest(BaseModel):
    """What an integer checkpoint is, beside its tensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    shape: Annotated[Mamba2Shape, BeforeValidator(_shape_of)]
    precision: Precision
    recipe: Annotated[dict[str, Any], BeforeValidator(_named)]
    """As it was, whole."""
    source: Hash
    """`tensors_hash` of the float checkpoint."""
    tensors: Hash
    """SHA-256 of the file with the tensors."""


def tensors_hash(parameters: NetworkParameters) -> str:
    """SHA-256 of all weights of a float network, whatever files and types they were stored in."""
    digest = hashlib.sha256()

    def add(name: str, array: np.ndarray) -> None:
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array, "<f4").data)

    add("embedding", parameters.embedding)
    for index, layer in enumerate(parameters.layers):
        for field in fields(layer):
            if (array := getattr(layer, field.name)) is not None:
                add(f"layers.{index}.{field.name}", array)
    add("final_norm", parameters.final_norm)
    if parameters.head is not parameters.embedding:
        add("head", parameters.head)
    return digest.hexdigest()


def to_files(
    quantized: QuantizedNetwork, recipe: Mapping[str, Any], source: str
) -> dict[str, bytes]:
    """The files of a checkpoint by name, the manifest last; the same arguments give the same bytes.

    recipe  the whole of the recipe that was followed, with its `name`
    source  `tensors_hash` of the float network
    """
    stored = stored_tensors(quantized.shape, quantized.precision)
    codes = dict(tensors_of(quantized))
    tensors = save(
        {
            name: np.ascontiguousarray(codes[name], each.dtype.newbyteorder("<"))
            for name, each in stored.items()
        }
    )
    shape = asdict(quantized.shape)
    low, high = quantized.shape.time_step_limit
    shape["time_step_limit"] = [low, high if math.isfinite(high) else None]
    manifest = {
        "format": FORMAT,
        "shape": shape,
        "precision": quantized.precision.model_dump(mode="json"),
        "recipe": dict(recipe),
        "source": source,
        "tensors": hashlib.sha256(tensors).hexdigest(),
    }
    text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
    return {TENSORS: tensors, MANIFEST: text.encode()}


def is_integers(folder: Path) -> bool:
    """Whether `folder` holds an integer checkpoint, whole or damaged."""
    return (folder / MANIFEST).exists()


def read_manifest(folder: Path) -> Manifest:
    """The manifest in `folder`; no tensor is read.

    Raises InputError for whatever is missing or wrong in it.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{path}", "must be there, or the checkpoint is not whole", WAY_OUT)
    try:
        raw = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}", f"must be JSON, not with an error: {error}", WAY_OUT) from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}", "must be a JSON object, not another value", WAY_OUT)
    if raw.get("format") != FORMAT:
        version = json.dumps(raw.get("format"))[:20]
        raise InputError(
            f"{path}: format", f"must be {FORMAT}, which this puffadder reads, not {version}",
            f"{WAY_OUT}, or read it with the puffadder that wrote it",
        )  # fmt: skip
    return check(Manifest, raw, f"{path}", "manifest", WAY_OUT)


def read_integers(folder: Path) -> QuantizedNetwork:
    """The network in `folder`, every code of it in its format.

    Raises InputError for whatever is missing, damaged, or other than the manifest says.
    """
    manifest = read_manifest(folder)
    path = folder / TENSORS
    codes = _load(path, manifest.tensors)
    stored = _require_tensors(path, manifest, codes)
    for name, each in stored.items():
        _require_codes(f"{path}: {name}", codes[name], each)
    shape, precision = manifest.shape, manifest.precision
    return QuantizedNetwork(
        shape=shape,
        precision=precision,
        embedding=codes["embedding"].copy(),
        layers=tuple(_layer(codes, f"layers.{index}.") for index in range(shape.layers)),
        final_norm=codes["final_norm"].astype(np.int64),
        head=_matrix(codes, "head."),
        recipe=manifest.recipe["name"],
    )


def tensors_of(quantized: QuantizedNetwork) -> Iterator[tuple[str, np.ndarray]]:
    """All tensors of a network with their names."""
    yield "embedding", quantized.embedding
    for index, layer in enumerate(quantized.layers):
        for field in fields(layer):
            value = getattr(layer, field.name)
            yield from _named_codes(f"layers.{index}.{field.name}", value)
    yield "final_norm", quantized.final_norm
    yield from _named_codes("head", quantized.head)


def stored_tensors(shape: Mamba2Shape, precision: Precision) -> dict[str, Stored]:
    """How every tensor of a network is stored, by its name."""
    stored = {
        "embedding": _codes(precision.embedding, shape.vocab, shape.d_model),
        "final_norm": _codes(precision.norm_weight, shape.d_model),
        **_stored_matrix("head", shape.vocab, shape.d_model, precision, bias=False),
    }
    for index in range(shape.layers):
        stored |= _stored_layer(f"layers.{index}", shape, precision)
    return stored


def _stored_layer(name: str, shape: Mamba2Shape, precision: Precision) -> dict[str, Stored]:
    channels, tap = shape.conv_channels, precision.conv_tap
    exponents = (shape.conv, channels // precision.group)
    stored = {
        "norm": _codes(precision.norm_weight, shape.d_model),
        "taps": _codes(tap.code, shape.conv, channels),
        "tap_exponents": Stored(exponents, 0, tap.max_exponent),
        "conv_bias": _codes(precision.stream, channels),
        "dt_bias": _codes(precision.stream, shape.heads),
        "rate": _codes(precision.rate, shape.heads),
        "skip": _codes(precision.skip, shape.heads),
        "gated_norm": _codes(precision.norm_weight, shape.inner),
        **_stored_matrix(
            "in_proj", shape.in_proj_rows, shape.d_model, precision, bias=shape.proj_bias
        ),
        **_stored_matrix("out_proj", shape.d_model, shape.inner, precision, bias=shape.proj_bias),
    }
    return {f"{name}.{field}": each for field, each in stored.items()}


def _stored_matrix(
    name: str, rows: int, columns: int, precision: Precision, *, bias: bool
) -> dict[str, Stored]:
    groups = -(-columns // precision.weight_group)
    stored = {
        f"{name}.weights": _codes(precision.weight, rows, columns),
        f"{name}.scales": _codes(precision.scale.code, rows, groups),
    }
    return stored | ({f"{name}.bias": _codes(precision.stream, rows)} if bias else {})


def _codes(format: Fixed, *shape: int) -> Stored:
    return Stored(shape, format.min_code, format.max_code)


def _named_codes(name: str, value: np.ndarray | Matrix) -> Iterator[tuple[str, np.ndarray]]:
    if not isinstance(value, Matrix):
        yield name, value
        return
    for field in fields(value):
        if (codes := getattr(value, field.name)) is not None:
            yield f"{name}.{field.name}", codes


def _load(path: Path, expected: str) -> dict[str, np.ndarray]:
    """All tensors of a safetensors file that has the `expected` hash."""
    if not path.is_file():
        raise InputError(f"{path}", f"must be there, as {MANIFEST} says", WAY_OUT)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        rule = f"must be whole, with the SHA-256 {expected} of {MANIFEST}, not {found}"
        raise InputError(f"{path}", rule, WAY_OUT)
    try:
        return load(content)
    except (SafetensorError, ValueError, TypeError, KeyError):
        rule = "must be a safetensors file of integers, not of another format"
        raise InputError(f"{path}", rule, WAY_OUT) from None


def _require_tensors(
    path: Path, manifest: Manifest, codes: dict[str, np.ndarray]
) -> dict[str, Stored]:
    """How the tensors are stored, after all that are there were found to be so."""
    if manifest.shape.layers > len(codes):
        rule = f"must be those of {manifest.shape.layers} layers, not {len(codes)} tensors"
        raise InputError(f"{path}: tensors", rule, WAY_OUT)
    stored = stored_tensors(manifest.shape, manifest.precision)
    problems = [f"{name} missing" for name in stored if name not in codes]
    problems += [f"{name} unexpected" for name in sorted(codes.keys() - stored.keys())]
    problems += [
        f"{name} {codes[name].dtype} {codes[name].shape} instead of {each.dtype} {each.shape}"
        for name, each in stored.items()
        if name in codes and (codes[name].dtype, codes[name].shape) != (each.dtype, each.shape)
    ]
    if problems:
        rule = f"must be those of the manifest's shape and precision, not with {problems[0]}"
        more = f" and {len(problems) - 1} others" if len(problems) > 1 else ""
        raise InputError(f"{path}: tensors", f"{rule}{more}", WAY_OUT)
    return stored


def _require_codes(thing: str, codes: np.ndarray, stored: Stored) -> None:
    low, high = int(codes.min()), int(codes.max())
    if low < stored.low or high > stored.high:
        wrong = low if low < stored.low else high
        rule = f"must be codes in {stored.low}..{stored.high}, not {wrong}"
        raise InputError(thing, rule, WAY_OUT)


def _layer(codes: dict[str, np.ndarray], prefix: str) -> QuantizedLayer:
    values: dict[str, Any] = {
        field.name: _matrix(codes, f"{prefix}{field.name}.")
        if field.type is Matrix
        else codes[f"{prefix}{field.name}"].astype(np.int64)
        for field in fields(QuantizedLayer)
    }
    return QuantizedLayer(**values)


def _matrix(codes: dict[str, np.ndarray], prefix: str) -> Matrix:
    bias = codes.get(f"{prefix}bias")
    return Matrix(
        weights=codes[f"{prefix}weights"].copy(),
        scales=codes[f"{prefix}scales"].astype(np.int16),
        bias=None if bias is None else bias.astype(np.int64),
    )
