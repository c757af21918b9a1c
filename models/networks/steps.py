"""Steps: what the shared units of a layer are told, pass after pass, as words for their ports.

A unit that serves several others in turn takes a step for each turn: whom it serves, for how many
beats. The steps are part of the weights' stream; hardware has no loop of its own.
"""

from collections.abc import Sequence

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

Steps = dict[str, list[tuple[int, int]]]
"""Steps by what they are fed to, of `LayerUnits.fed`: the two fields of its beat."""

Words = dict[str, list[int]]
"""The same as words."""


def layer_steps(shape: Mamba2Shape, units: LayerUnits) -> Words:
    """Steps of one token in one layer."""
    return _words(_of_layer(shape, units), units)


def head_steps(shape: Mamba2Shape, units: LayerUnits) -> Words:
    """Steps of one token after the last layer: final norm and head."""
    return _words(_of_head(shape, units), units)


def step_counts(shape: Mamba2Shape, units: LayerUnits) -> dict[str, tuple[int, int]]:
    """Steps of one token in one layer and after the last, by what they are fed to."""
    head = _of_head(shape, units)
    layer = _of_layer(shape, units).items()
    return {name: (len(steps), len(head.get(name, []))) for name, steps in layer}


def _of_layer(shape: Mamba2Shape, units: LayerUnits) -> Steps:
    lanes = units.lanes
    model, inner = shape.d_model // lanes, shape.inner // lanes
    shared = shape.groups * shape.state // lanes
    order = in_proj_order(shape, lanes, units.matvec.rows, units.order)
    vectors, x = [(B, shared), (C, shared)], (X, inner)
    norms = [shape.d_model] + [shape.inner // shape.groups] * shape.groups
    matrices = [(len(order.rows), shape.d_model), (shape.d_model, shape.inner)]
    return {
        "norm_inputs": [(STREAM, model), (GATED, inner)],
        "norm_passes": _norm_passes(shape, units, norms),
        "kept": [(KEPT, model)],
        "passes": [matrix_pass(*matrix, units.matvec) for matrix in matrices],
        "targets": _targets([*order.sections, *_sections("update", shape.d_model, units)]),
        "roles": [x, *vectors] if units.order == "naive" else [*vectors, x],
    }


def _of_head(shape: Mamba2Shape, units: LayerUnits) -> Steps:
    model = shape.d_model // units.lanes
    return {
        "norm_inputs": [(STREAM, model)],
        "norm_passes": _norm_passes(shape, units, [shape.d_model]),
        "kept": [(NOT_KEPT, model)],
        "passes": [matrix_pass(shape.vocab, shape.d_model, units.matvec)],
        "targets": _targets(_sections("logits", shape.vocab, units)),
    }


def _norm_passes(
    shape: Mamba2Shape, units: LayerUnits, lengths: list[int]
) -> list[tuple[int, int]]:
    """Beats and epsilon of the norms of vectors of so many channels."""
    return [
        (length // units.lanes, epsilon_code(shape.norm_eps, length, units.norm.i))
        for length in lengths
    ]


def _sections(target: Target, rows: int, units: LayerUnits) -> list[Section]:
    """`rows` of a matrix for `target`, in whole beats, and what whole tiles add to them."""
    beats = -(-rows // units.lanes)
    padding = -(-rows // units.matvec.rows) * units.matvec.rows // units.lanes - beats
    sections = [Section(target, beats)]
    return sections + [Section("dropped", padding)] * (padding > 0)


def _targets(sections: Sequence[Section]) -> list[tuple[int, int]]:
    ports = {target: at for at, target in enumerate([*TARGETS, "dropped"])}
    return [(ports[section.target], section.beats) for section in sections]


def _words(steps: Steps, units: LayerUnits) -> Words:
    words, fed = {}, units.fed
    for name, each in steps.items():
        first, second = (field.name for field in fed[name].fields)
        firsts, seconds = zip(*each, strict=True)
        words[name] = fed[name].pack(**{first: firsts, second: seconds})
    return words
