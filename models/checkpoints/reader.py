"""Read a checkpoint folder into the parameters of its network.

Two kinds of folder: as `transformers` saves `Mamba2ForCausalLM` or `MambaForCausalLM`, and with the
configuration of the original state-spaces/mamba. Their tensors differ in the embedding's name only.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.checkpoints import huggingface, statespaces
from models.checkpoints.weights import StoredTensor, find_tensors
from models.errors import InputError
from models.networks.parameters import (
    AnyLayerParameters,
    Mamba1Parameters,
    NetworkParameters,
    Parameters,
    layer_parameters,
    layer_shapes,
)
from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape, require_mamba2

EMBEDDING = "backbone.embeddings.weight"
EMBEDDING_ORIGINAL = "backbone.embedding.weight"
FINAL_NORM = "backbone.norm_f.weight"
HEAD = "lm_head.weight"

# Field of a layer's parameters: tensor of the layer.
_LAYER_TENSORS = {
    "norm": "norm.weight",
    "in_proj": "mixer.in_proj.weight",
    "in_proj_bias": "mixer.in_proj.bias",
    "conv_weight": "mixer.conv1d.weight",
    "conv_bias": "mixer.conv1d.bias",
    "x_proj": "mixer.x_proj.weight",
    "dt_proj": "mixer.dt_proj.weight",
    "dt_bias": "mixer.dt_bias",
    "A": "mixer.A_log",
    "D": "mixer.D",
    "gated_norm": "mixer.norm.weight",
    "out_proj": "mixer.out_proj.weight",
    "out_proj_bias": "mixer.out_proj.bias",
}
_MAMBA1_LAYER_TENSORS = _LAYER_TENSORS | {"dt_bias": "mixer.dt_proj.bias"}


def read_checkpoint(folder: Path | str) -> NetworkParameters:
    """The Mamba-2 in `folder`: `config.json` and one or several `*.safetensors`.

    Raises `InputError` for a Mamba-1, and as `read_network`.
    """
    shape = read_shape(folder)
    return NetworkParameters(shape, **_read_weights(Path(folder), shape))


def read_network(folder: Path | str) -> Parameters:
    """The network in `folder`, of either kind: `config.json` and one or several `*.safetensors`.

    Raises `InputError` for whatever is missing, damaged, contradictory or not supported.
    """
    shape = read_network_shape(folder)
    weights = _read_weights(Path(folder), shape)
    if isinstance(shape, Mamba1Shape):
        return Mamba1Parameters(shape, **weights)
    return NetworkParameters(shape, **weights)


def _read_weights(folder: Path, shape: Shape) -> dict[str, Any]:
    """What `Parameters` hold besides the shape, by field."""
    stored = find_tensors(folder)
    _check_tensors(folder, shape, stored)
    arrays = {name: tensor.read() for name, tensor in stored.items()}
    _check_values(folder, shape, arrays)
    embedding = arrays[_embedding_name(stored)]
    return {
        "embedding": embedding,
        "layers": tuple(_read_layer(shape, index, arrays) for index in range(shape.layers)),
        "final_norm": arrays[FINAL_NORM],
        "head": embedding if shape.tied else arrays[HEAD],
    }


def _read_layer(shape: Shape, index: int, arrays: dict[str, np.ndarray]) -> AnyLayerParameters:
    """Weights of layer `index`."""
    found = {field: arrays[_layer_tensor(shape, index, field)] for field in layer_shapes(shape)}
    found["conv_weight"] = found["conv_weight"][:, 0]
    found["A"] = -np.exp(found["A"])
    return layer_parameters(shape, found)


def read_shape(folder: Path | str) -> Mamba2Shape:
    """The shape that `config.json` in `folder` describes; no weights are needed.

    Raises `InputError` for a Mamba-1, and for what is missing, wrong or not supported.
    """
    return require_mamba2(read_network_shape(folder), f"checkpoint {folder}")


def read_network_shape(folder: Path | str) -> Shape:
    """The shape that `config.json` in `folder` describes, of either kind."""
    folder = Path(folder)
    if not folder.is_dir():
        rule = "must be a folder, not " + ("a file" if folder.exists() else "missing")
        way_out = "give the folder that holds config.json and *.safetensors"
        raise InputError(f"checkpoint {folder}", rule, way_out)
    file = folder / "config.json"
    raw = _read_json(file)
    kind = statespaces if statespaces.recognizes(raw) else huggingface
    return kind.read_shape(raw, str(file))


def _read_json(file: Path) -> dict[str, Any]:
    """The object in `file`."""
    if not file.is_file():
        way_out = "give the folder that holds config.json and *.safetensors"
        raise InputError(f"{file.parent}: config.json", "must be there, not missing", way_out)
    try:
        raw = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        rule = f"must be JSON, not with an error: {error}"
        raise InputError(f"{file}: content", rule, "download or save the file again") from error
    if not isinstance(raw, dict):
        rule = f"must be a JSON object, not {json.dumps(raw)[:20]}"
        raise InputError(f"{file}: content", rule, "download or save the file again")
    return raw


def _tensor_shapes(shape: Shape, embedding: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that a checkpoint of `shape` has."""
    table = (shape.vocab, shape.d_model)
    shapes: dict[str, tuple[int, ...]] = {embedding: table, FINAL_NORM: (shape.d_model,)}
    if not shape.tied:
        shapes[HEAD] = table
    for index in range(shape.layers):
        for field, dimensions in layer_shapes(shape).items():
            if field == "conv_weight":  # torch: (channels, 1, taps)
                dimensions = (dimensions[0], 1, dimensions[1])
            shapes[_layer_tensor(shape, index, field)] = dimensions
    return shapes


def _layer_tensor(shape: Shape, index: int, field: str) -> str:
    names = _MAMBA1_LAYER_TENSORS if isinstance(shape, Mamba1Shape) else _LAYER_TENSORS
    return f"backbone.layers.{index}.{names[field]}"


def _embedding_name(names: dict[str, Any]) -> str:
    """`transformers` accepts both names as well."""
    return EMBEDDING_ORIGINAL if EMBEDDING_ORIGINAL in names else EMBEDDING


def _check_tensors(folder: Path, shape: Shape, stored: dict[str, StoredTensor]) -> None:
    """Refuse tensors that are missing, unexpected or of another shape, all at once."""
    way_out = "take config.json and the weights from the same checkpoint"
    if shape.layers > len(stored):
        rule = f"must be those of {shape.layers} layers, as in config.json, "
        raise InputError(f"{folder}: weights", f"{rule}not {len(stored)} tensors", way_out)
    expected = _tensor_shapes(shape, _embedding_name(stored))
    problems = [f"{name} missing" for name in expected if name not in stored]
    unexpected = stored.keys() - expected.keys() - {HEAD}
    problems += [f"{name} unexpected" for name in sorted(unexpected)]
    if shape.tied and HEAD in stored:  # Some tools write the tied head a second time.
        expected[HEAD] = (shape.vocab, shape.d_model)
    problems += [
        f"{name} {stored[name].shape} instead of {dimensions}"
        for name, dimensions in expected.items()
        if name in stored and stored[name].shape != dimensions
    ]
    if problems:
        rule = f"must be those that config.json describes, not with {', '.join(problems)}"
        raise InputError(f"{folder}: weights", rule, way_out)


def _check_values(folder: Path, shape: Shape, arrays: dict[str, np.ndarray]) -> None:
    """Refuse values that are not finite, and a tied head that is not the embedding."""
    names = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if names:
        rule = f"must be finite, not NaN or infinite in {', '.join(sorted(names))}"
        way_out = "the file is damaged or its training diverged: use another checkpoint"
        raise InputError(f"{folder}: weights", rule, way_out)
    # exp(A_log) must be finite in float32 as well.
    largest = float(np.log(np.finfo(np.float32).max))
    for index in range(shape.layers):
        name = _layer_tensor(shape, index, "A")
        if arrays[name].max() >= largest:
            rule = f"must be below {largest:.1f}, not {arrays[name].max()}"
            way_out = "exp(A_log) is infinite: use another checkpoint"
            raise InputError(f"{folder}: {name}", rule, way_out)
    embedding = _embedding_name(arrays)
    if shape.tied and HEAD in arrays and not np.array_equal(arrays[HEAD], arrays[embedding]):
        rule = f"must equal {embedding} when config.json ties them, not differ"
        way_out = "set tie_word_embeddings (or tie_embeddings) to false if the head is its own"
        raise InputError(f"{folder}: {HEAD}", rule, way_out)
