"""Copies of recorded checkpoints, changed, and what is said when they are read."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from models.checkpoints.reader import read_checkpoint
from models.errors import InputError
from tests.networks.recordings import RECORDED

FOLDER_OUT = "give the folder that holds config.json and *.safetensors"
HF_OUT = "only transformers' plain Mamba2ForCausalLM and MambaForCausalLM are supported"
SSM_OUT = "only the plain Mamba-2 and Mamba-1 language models of state-spaces/mamba are supported"
MATCH_OUT = "take config.json and the weights from the same checkpoint"


def copy(name, tmp_path):
    return Path(shutil.copytree(RECORDED / name, tmp_path / name))


def edit(folder, **fields):
    """Change fields of config.json; None removes one."""
    file = folder / "config.json"
    raw = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({name: value for name, value in raw.items() if value is not None}))


def retensor(folder, **tensors):
    """Change tensors, `__` for `.`; None removes one."""
    file = folder / "model.safetensors"
    changed = load_file(file) | {name.replace("__", "."): t for name, t in tensors.items()}
    save_file({name: tensor for name, tensor in changed.items() if tensor is not None}, file)


def refusal(folder, read=read_checkpoint):
    with pytest.raises(InputError) as caught:
        read(folder)
    return str(caught.value)
