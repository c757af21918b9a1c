"""Tensors of a checkpoint folder, from safetensors files and from nothing else.

The header of every file is checked before a tensor is read, by the safetensors library. The data
are read here, because numpy has no bfloat16.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from models.errors import InputError

INDEX = "model.safetensors.index.json"
_STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_CONVERT = (
    "convert it once, where torch is installed: python -c 'import torch, safetensors.torch as s; "
    's.save_file({k: v.clone() for k, v in torch.load("pytorch_model.bin", weights_only=True)'
    '.items()}, "model.safetensors")\''
)


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in a file; `dtype` as safetensors names it, `offset` in bytes."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def read(self) -> np.ndarray:
        """The tensor as float32; what float32 cannot hold becomes infinite."""
        count = int(np.prod(self.shape, dtype=np.int64))
        data = np.fromfile(self.file, _STORED[self.dtype], count, offset=self.offset)
        if self.dtype == "BF16":
            # bfloat16 is the upper half of a float32.
            data = (data.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):
            return data.astype(np.float32).reshape(self.shape)


def find_tensors(folder: Path) -> dict[str, StoredTensor]:
    """All tensors of the safetensors files in `folder`, by name.

    Raises `InputError` when there are no such files, when one is not whole or not safetensors,
    when a tensor is in two files, and when it has a type other than F64, F32, F16 or BF16.
    """
    tensors: dict[str, StoredTensor] = {}
    for file in _files(folder):
        for name, tensor in _header(file).items():
            if name in tensors:
                rule = f"must be in one file, not in {tensors[name].file.name} and {file.name}"
                way_out = f"remove the file that does not belong, or name the right ones in {INDEX}"
                raise InputError(f"{folder}: tensor {name}", rule, way_out)
            tensors[name] = tensor
    return tensors


def _files(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights, chosen as `transformers` does."""
    single, index = folder / "model.safetensors", folder / INDEX
    if single.exists():
        return [single]
    if index.exists():
        return _indexed(index)
    files = sorted(folder.glob("*.safetensors"))
    if files:
        return files
    pickled = sorted(file.name for file in folder.glob("*.bin"))
    if pickled:
        rule = f"must be in *.safetensors files, not in {', '.join(pickled)}"
        raise InputError(f"{folder}: weights", rule, f"nothing is unpickled; {_CONVERT}")
    way_out = "complete the download or save the model with safetensors"
    raise InputError(f"{folder}: weights", "must be in *.safetensors files, not missing", way_out)


def _indexed(index: Path) -> list[Path]:
    """The files that an index names, all present beside it."""
    way_out = "download or save the checkpoint again"
    try:
        weight_map = json.loads(index.read_bytes())["weight_map"]
        names = sorted(set(weight_map.values()))
        plain = all(Path(name).name == name for name in names)
    except (ValueError, KeyError, TypeError, AttributeError):
        plain = False
    if not plain:
        rule = "must be an index of files in this folder, {weight_map: {tensor: file}}, not another"
        raise InputError(f"{index}: content", f"{rule} JSON", way_out)
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        rule = f"must all be in the folder, not without {', '.join(missing)}"
        raise InputError(f"{index}: files", rule, way_out)
    return [index.parent / name for name in names]


def _header(file: Path) -> dict[str, StoredTensor]:
    """The tensors that `file` holds."""
    way_out = "download or save the file again"
    try:
        with safe_open(file, framework="numpy"):
            pass  # Opening checks the header, and that the file is as long as the header says.
        header, start = _read_header(file)
    except (SafetensorError, OSError, ValueError) as error:
        rule = f"must be a whole safetensors file, not {_damage(file)}"
        raise InputError(f"{file}: content", rule, way_out) from error
    header.pop("__metadata__", None)
    types = {name: entry["dtype"] for name, entry in header.items()}
    wrong = sorted(f"{dtype} of {name}" for name, dtype in types.items() if dtype not in _STORED)
    if wrong:
        rule = f"must be F64, F32, F16 or BF16, not {', '.join(wrong)}"
        raise InputError(f"{file}: tensor types", rule, "use the checkpoint before quantization")
    return {
        name: StoredTensor(
            file, entry["dtype"], tuple(entry["shape"]), start + entry["data_offsets"][0]
        )
        for name, entry in header.items()
    }


def _read_header(file: Path) -> tuple[dict[str, Any], int]:
    """The JSON header of `file`, and where its data start, in bytes."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > file.stat().st_size:
            raise ValueError("the header is longer than the file")
        return json.loads(opened.read(length)), 8 + length


def _damage(file: Path) -> str:
    """What is wrong with a file that the safetensors library refuses."""
    try:
        header, start = _read_header(file)
        header.pop("__metadata__", None)
        whole = start + max(entry["data_offsets"][1] for entry in header.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return "another format or an unreadable file"
    size = file.stat().st_size
    return f"{size} bytes of {whole}" if size < whole else "one with a contradictory header"
