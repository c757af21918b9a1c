"""Shapes of published networks by name, for estimates and measurements without weights."""

from collections.abc import Mapping
from typing import TypeVar

from models.errors import InputError, meant
from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape, require_mamba2

MAMBA1_VOCAB = 50_280
"""50,277 tokens, padded to a multiple of 8 as the published checkpoints are."""

VOCAB = 50_288
"""50,277 tokens, padded to a multiple of 16 as the published checkpoints of Mamba-2 are."""

_Kind = TypeVar("_Kind", bound=Shape)


def _mamba1(d_model: int, layers: int) -> Mamba1Shape:
    """As config.json of the state-spaces checkpoints says, with the defaults of Mamba-1's code."""
    return Mamba1Shape(
        d_model=d_model, layers=layers, inner=2 * d_model, dt_rank=d_model // 16, vocab=MAMBA1_VOCAB
    )


def _mamba2(d_model: int, layers: int) -> Mamba2Shape:
    """As config.json of the state-spaces checkpoints says, with the defaults of Mamba-2's code."""
    heads = 2 * d_model // 64
    return Mamba2Shape(
        d_model=d_model, layers=layers, heads=heads, head_dim=64, state=128, vocab=VOCAB
    )


MAMBA1_SHAPES: dict[str, Mamba1Shape] = {
    "mamba-130m": _mamba1(768, 24),
    "mamba-370m": _mamba1(1024, 48),
    "mamba-790m": _mamba1(1536, 48),
    "mamba-1.4b": _mamba1(2048, 48),
    "mamba-2.8b": _mamba1(2560, 64),
}
MAMBA2_SHAPES: dict[str, Mamba2Shape] = {
    "mamba2-130m": _mamba2(768, 24),
    "mamba2-370m": _mamba2(1024, 48),
    "mamba2-780m": _mamba2(1536, 48),
    "mamba2-1.3b": _mamba2(2048, 48),
    "mamba2-2.7b": _mamba2(2560, 64),
}
SHAPES: dict[str, Shape] = {**MAMBA1_SHAPES, **MAMBA2_SHAPES}


def find_shape(name: str) -> Shape:
    """The shape of that name, of either kind.

    >>> find_shape("mamba-2.8b").parameters
    2768345600

    Raises InputError with the names that there are.
    """
    return _find(name, SHAPES)


def find_mamba2_shape(name: str) -> Mamba2Shape:
    """The shape of that name, which is a Mamba-2.

    >>> find_mamba2_shape("mamba2-2.7b").parameters
    2702599680

    Raises InputError with the names that there are, and for the name of a Mamba-1.
    """
    if name in MAMBA1_SHAPES:
        return require_mamba2(MAMBA1_SHAPES[name], f"shape {name!r}")
    return _find(name, MAMBA2_SHAPES)


def _find(name: str, shapes: Mapping[str, _Kind]) -> _Kind:
    if name in shapes:
        return shapes[name]
    raise InputError(
        f"shape {name!r}",
        f"must be one of {', '.join(shapes)}",
        meant(name, shapes, "give one of them"),
    )
