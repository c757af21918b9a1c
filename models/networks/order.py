"""Order of a layer's rows and channels: what in_proj computes first, and where each beat goes.

Interleaved, the time steps, B and C come first, then x and z head by head: the scan of a head runs
while in_proj still streams (LightMamba, section V). Naive, it is the checkpoint's own order z, x,
B, C, time steps: the scan begins when in_proj is through, and whole vectors of z and x wait for it.
Weight image, hardware and schedule read it here.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from models.design import Order
from models.formats import Codes
from models.networks.layer import padded_heads
from models.networks.shape import Mamba2Shape

Target = Literal["heads", "conv", "gate", "update", "logits", "dropped"]
TARGETS: tuple[Target, ...] = ("heads", "conv", "gate", "update", "logits")
"""Whom the matvec unit computes for, in the order of the ports; one past the last is dropped."""

PADDING = -1


@dataclass(frozen=True)
class Section:
    """Consecutive beats out of the matvec unit that go to the same one of `TARGETS`."""

    target: Target
    beats: int


@dataclass(frozen=True)
class InProjOrder:
    """Rows of in_proj in the order of computation, PADDING for a row of zeros, and where they go.

    rows      int (rows,)  row of the checkpoint's in_proj, whole tiles of the matvec unit
    sections  the same rows as beats of `lanes`
    """

    rows: Codes
    sections: tuple[Section, ...]


@lru_cache(maxsize=64)
def in_proj_order(
    shape: Mamba2Shape, lanes: int, tile: int, order: Order = "interleaved"
) -> InProjOrder:
    """Order of in_proj's rows, for beats of `lanes` and tiles of `tile` rows."""
    z, x, b, c, dt = _starts(shape)
    shared = shape.groups * shape.state
    heads = np.full(padded_heads(shape, lanes), PADDING)
    heads[: shape.heads] = dt + np.arange(shape.heads)
    vectors: list[tuple[Target, Codes]] = [("conv", start + np.arange(shared)) for start in (b, c)]
    parts: list[tuple[Target, Codes]]
    if order == "naive":
        whole = np.arange(shape.inner)
        parts = [("gate", z + whole), ("conv", x + whole), *vectors, ("heads", heads)]
    else:
        parts = [("heads", heads), *vectors]
        for head in range(shape.heads):
            channels = head * shape.head_dim + np.arange(shape.head_dim)
            parts += [("conv", x + channels), ("gate", z + channels)]
    missing = -sum(len(rows) for _, rows in parts) % tile
    if missing:
        parts.append(("dropped", np.full(missing, PADDING)))
    rows = np.concatenate([rows for _, rows in parts])
    rows.flags.writeable = False  # shared by all who ask for this order
    return InProjOrder(
        rows=rows,
        sections=tuple(Section(target, len(rows) // lanes) for target, rows in parts),
    )


def tiles_before_heads(
    shape: Mamba2Shape, lanes: int, tile: int, order: Order = "interleaved"
) -> list[int]:
    """Tiles of in_proj that the scan of each head, and of those before it, needs."""
    rows = in_proj_order(shape, lanes, tile, order).rows
    place = np.zeros(shape.in_proj_rows, np.int64)
    place[rows[rows != PADDING]] = np.flatnonzero(rows != PADDING)
    _, x, b, _, _ = _starts(shape)
    shared = place[b:].max()
    heads = place[x:b].reshape(shape.heads, -1).max(axis=1)
    last = np.maximum.accumulate(np.maximum(heads, shared))
    return (last // tile + 1).tolist()


def conv_order(shape: Mamba2Shape, order: Order = "interleaved") -> Codes:
    """Channels of the convolution (conv_channels,) in the order of computation.

    B, C, x; as they are, x, B, C, in the naive order.
    """
    channels = np.arange(shape.conv_channels)
    return channels if order == "naive" else np.roll(channels, -shape.inner)


def _starts(shape: Mamba2Shape) -> tuple[int, ...]:
    """First row of z, x, B, C and delta in the checkpoint's in_proj."""
    lengths = (shape.inner, shape.inner, *(shape.groups * shape.state,) * 2)
    return (0, *np.cumsum(lengths).tolist())
