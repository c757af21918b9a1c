"""Shapes of published networks by name, for estimates without weights."""

import difflib

from models.errors import InputError
from models.networks.shape import Mamba2Shape

VOCAB = 50_288
"""50,277 tokens, padded to a multiple of 16 as the published checkpoints are."""


def _published(d_model: int, layers: int) -> Mamba2Shape:
    """As config.json of the state-spaces checkpoints says, with the defaults of Mamba-2's code."""
    heads = 2 * d_model // 64
    return Mamba2Shape(
        d_model=d_model, layers=layers, heads=heads, head_dim=64, state=128, vocab=VOCAB
    )


SHAPES: dict[str, Mamba2Shape] = {
    "mamba2-130m": _published(768, 24),
    "mamba2-370m": _published(1024, 48),
    "mamba2-780m": _published(1536, 48),
    "mamba2-1.3b": _published(2048, 48),
    "mamba2-2.7b": _published(2560, 64),
}


def find_shape(name: str) -> Mamba2Shape:
    """The shape of that name.

    >>> find_shape("mamba2-2.7b").parameters
    2702599680

    Raises InputError with the names that there are.
    """
    if name in SHAPES:
        return SHAPES[name]
    near = difflib.get_close_matches(name.lower(), SHAPES, n=1)
    raise InputError(
        f"shape {name!r}",
        f"must be one of {', '.join(SHAPES)}",
        f"did you mean {near[0]}?" if near else "give one of them",
    )
