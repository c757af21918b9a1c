"""Queues of fetch: how many places each has, by what waits in it.

Depths are arithmetic on counts, or on arrays of them for as many designs.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from models.beats import STEP, Beat, fixed_beat
from models.networks.layer import LayerUnits, padded_heads
from models.networks.shape import Mamba2Shape
from models.networks.steps import step_counts
from models.precision import Precision
from models.units.fetch import Counts, per_word, places, span
from models.units.spill import SpillConfig, most_beats

SHORTEST = 3
"""Places of a queue that can pass a word in every cycle."""


class Load(NamedTuple):
    """What a target takes: the bits of a beat, and beats that come in parts, which share no word.

    Of small weights and steps these are a layer's and, behind them, the head's; of `weights` and
    `scales` those of a tile of in_proj, and of a tile of out_proj; of `state` those of a head of
    the scan.
    """

    bits: Counts
    first: Counts = 0
    second: Counts = 0


Loads = Mapping[str, Load]
"""By the name of the target."""


def target_beats(units: LayerUnits, precision: Precision) -> dict[str, Beat]:
    """Beats of every target of fetch, in the order of their numbers."""
    beats = dict(units.fed)
    if units.scan.spilled:
        beats["spills"] = SpillConfig(64, units.scan.state_beat).step_beat
    return beats | {"sources": STEP, "embedding": fixed_beat(units.lanes, x=precision.embedding)}


def loads(shape: Mamba2Shape, units: LayerUnits, precision: Precision) -> dict[str, Load]:
    """What each target takes, whatever the port."""
    lanes, matvec = units.lanes, units.matvec
    parts = step_counts(shape, units) | {
        "norm": ((shape.d_model + shape.inner) // lanes, 0),
        "conv": (shape.conv_channels // lanes, 0),
        "heads": (padded_heads(shape, lanes) // lanes, 0),
        "bias": (-(-matvec.max_rows // matvec.rows), 0),
        "embedding": (shape.d_model // lanes, 0),
        "weights": (shape.d_model // matvec.columns, shape.inner // matvec.columns),
        "scales": (-(-shape.d_model // matvec.group), -(-shape.inner // matvec.group)),
        "state": (units.scan.head_words, 0),
    }
    beats = target_beats(units, precision)
    return {name: Load(beat.bits, *parts.get(name, ())) for name, beat in beats.items()}


def depths(loads: Loads, port_bits: Counts, prefetch: Counts, buffers: Counts) -> dict[str, Counts]:
    """Places of each queue behind a port of `port_bits`.

    A layer's small weights and steps wait there as a whole, since behind them in the stream come
    the matrices during which they are used. Steps of the head, for which the first layer's of the
    next token need not wait, take words of their own.
    """
    several = {name: per_word(load.bits, port_bits) for name, load in loads.items()}
    waiting = {
        name: places(load.first, several[name]) + places(load.second, several[name])
        for name, load in loads.items()
    }
    waiting |= _of_matrices(loads, several, prefetch)
    if "state" in loads:
        waiting["state"] = _of_state(loads["state"], several["state"], port_bits, buffers)
    # A word keeps its place until the last of its beats has left.
    return {name: np.maximum(SHORTEST, waiting[name] + (several[name] > 1)) for name in loads}


def _of_matrices(
    loads: Loads, several: Mapping[str, Counts], prefetch: Counts
) -> dict[str, Counts]:
    """Places for the weights that wait before the multipliers, and for the scales that they need.

    Behind the weights of the tile that is multiplied wait those of whole tiles, and a tile's scales
    come before its weights: so do not hold them up for room.
    """
    _, *tiles = loads["weights"]
    _, *groups = loads["scales"]
    weights = np.maximum(*(_in_parts(prefetch, tile, several["weights"]) for tile in tiles))
    ahead = np.maximum(SHORTEST, weights + 1)
    scales = np.maximum(
        *(
            (ahead // places(tile, several["weights"]) + 2) * places(group, several["scales"])
            for tile, group in zip(tiles, groups, strict=True)
        )
    )
    return {"weights": weights, "scales": scales}


def _of_state(load: Load, several: Counts, port_bits: Counts, buffers: Counts) -> Counts:
    """Places for the state of as many heads as there are buffers; none where there is one."""
    most = most_beats(span(load.bits, port_bits))
    return buffers * (buffers > 1) * _in_parts(load.first, most, several)


def _in_parts(beats: Counts, most: Counts, several: Counts) -> Counts:
    """Places of `beats` that come in parts of `most`."""
    return beats // most * places(most, several) + places(beats % most, several)
