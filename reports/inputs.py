"""What commands are given by name or path: checkpoints and texts."""

from pathlib import Path

import numpy as np

from models.checkpoints import bundled
from models.checkpoints.corpus import held_out_text
from models.checkpoints.reader import read_checkpoint
from models.errors import InputError
from models.networks.parameters import NetworkParameters


def find_model(model: str) -> NetworkParameters:
    """The checkpoint in the folder `model`, or the bundled one under its name.

    Raises InputError when there is neither, and for everything that is wrong in the folder.
    """
    if model != "bundled" and not Path(model).exists():
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
