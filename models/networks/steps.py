"""Steps: what the shared units of a layer are told, pass after pass, as words for their ports.

A unit that serves several others in turn takes a step for each turn: whom it serves, for how many
beats. The steps are part of the weights' stream; hardware has no loop of its own.
"""

from collections.abc import Sequence

from models.beats import STEP
from models.images import matrix_pass
from models.networks.layer import LayerUnits, epsilon_code
from models.networks.order import TARGETS, Section, Target, in_proj_order
from models.networks.shape import Mamba2Shape

STREAM, GATED = 0, 1
"""Inputs of the norm: the residual stream, or what leaves the gate."""

KEPT, NOT_KEPT = 0, 1
"""Whether the residual stream is kept for the addition at the end of a layer."""

B, C, X = 0, 1, 2
"""Roles of the convolution's channels."""

Words = dict[str, list[int]]
"""Words by what they are fed to, of `LayerUnits.fed`."""


def layer_steps(shape: Mamba2Shape, units: LayerUnits) -> Words:
    """Steps of one token in one layer."""
    lanes = units.lanes
    model, inner = shape.d_model // lanes, shape.inner // lanes
    shared = shape.groups * shape.state // lanes
    order = in_proj_order(shape, lanes, units.matvec.rows, units.order)
    vectors, x = [(B, shared), (C, shared)], (X, inner)
    norms = [shape.d_model] + [shape.inner // shape.groups] * shape.groups
    return {
        "norm_inputs": _steps([(STREAM, model), (GATED, inner)]),
        "norm_passes": _norm_passes(shape, units, norms),
        "kept": _steps([(KEPT, model)]),
        "passes": _passes([(len(order.rows), shape.d_model), (shape.d_model, shape.inner)], units),
        "targets": _targets([*order.sections, *_sections("update", shape.d_model, units)]),
        "roles": _steps([x, *vectors] if units.order == "naive" else [*vectors, x]),
    }


def head_steps(shape: Mamba2Shape, units: LayerUnits) -> Words:
    """Steps of one token after the last layer: final norm and head."""
    model = shape.d_model // units.lanes
    return {
        "norm_inputs": _steps([(STREAM, model)]),
        "norm_passes": _norm_passes(shape, units, [shape.d_model]),
        "kept": _steps([(NOT_KEPT, model)]),
        "passes": _passes([(shape.vocab, shape.d_model)], units),
        "targets": _targets(_sections("logits", shape.vocab, units)),
    }


def _norm_passes(shape: Mamba2Shape, units: LayerUnits, lengths: list[int]) -> list[int]:
    return units.norm.pass_beat.pack(
        beats=[length // units.lanes for length in lengths],
        epsilon=[epsilon_code(shape.norm_eps, length, units.norm.i) for length in lengths],
    )


def _passes(matrices: list[tuple[int, int]], units: LayerUnits) -> list[int]:
    """Passes over matrices of so many rows and columns."""
    beats, tiles = zip(*(matrix_pass(*each, units.matvec) for each in matrices), strict=True)
    return units.matvec.pass_beat.pack(beats=beats, tiles=tiles)


def _sections(target: Target, rows: int, units: LayerUnits) -> list[Section]:
    """`rows` of a matrix for `target`, in whole beats, and what whole tiles add to them."""
    beats = -(-rows // units.lanes)
    padding = -(-rows // units.matvec.rows) * units.matvec.rows // units.lanes - beats
    sections = [Section(target, beats)]
    return sections + [Section("dropped", padding)] * (padding > 0)


def _targets(sections: Sequence[Section]) -> list[int]:
    ports = {target: at for at, target in enumerate([*TARGETS, "dropped"])}
    return _steps([(ports[section.target], section.beats) for section in sections])


def _steps(steps: Sequence[tuple[int, int]]) -> list[int]:
    ports, beats = zip(*steps, strict=True)
    return STEP.pack(port=ports, beats=beats)
