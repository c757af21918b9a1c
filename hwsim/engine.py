"""The engine: every cycle of a run of the accelerator, predicted without a value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim import parts
from hwsim.accelerator import accelerator
from hwsim.memory import MemoryModel
from hwsim.parts.clock import FULL, STUCK, run
from hwsim.parts.leaps import past
from hwsim.parts.record import EDGE, EVENTS, LEAPT, THROUGH, record
from hwsim.parts.wires import Integers
from models.counters import Activity
from models.networks.machine import MachineConfig

LEAST = 1024
"""Edges of a period that is leapt over, and beats of weights between two looks, at least: in a
short one, an edge more or less counts.
"""
REFRESHES = 64
"""Of the memory, in a period at least: one more or less in it is told for all."""

Interval = tuple[str, int, int]
"""Word of an activity, the first cycle of it and the one after its last."""


@dataclass(frozen=True)
class Prediction:
    """What a run takes, in cycles; edges count from the one on which the hardware sees its start.

    `token_edges` are those on which each token leaves. `units` are the cycles of each word of
    `models.counters.Activity`, by unit: they add up to `cycles` for each. `per_token` are those of
    each token: from the edge after the one on which the token before it leaves, or edge 1, to that
    of its own. `stepped` of the cycles were stepped through; the others were leapt over.
    """

    cycles: int
    stepped: int
    token_edges: list[int]
    units: dict[str, dict[str, int]]
    per_token: list[dict[str, dict[str, int]]]
    timeline: dict[str, list[Interval]]


def predict(
    machine: MachineConfig,
    prompt_tokens: int,
    new_tokens: int,
    memory: MemoryModel,
    *,
    timeline_token: int | None = None,
    tokens: Sequence[int] | None = None,
    leap: bool = False,
) -> Prediction:
    """A run that takes `prompt_tokens` and writes `new_tokens` behind them.

    The memory answers without its gaps and jitter, which are for tests. `timeline_token` is the
    token, counted from 0, during which `timeline` says what each unit is at: from the edge after
    the one on which the token before it leaves, or edge 1, to that of its own. `tokens` are those
    that are read, of the prompt and then written ones, where they are known: a row of the embedding
    may or may not cross from one burst into the next. Without them, none does. With `leap`, what
    repeats is not stepped through, as `hwsim.parts.leaps` has it, and there must be no timeline.

    Raises RuntimeError when the accelerator would stand still for ever.
    """
    assert not (leap and timeline_token is not None), "a timeline shows every edge"
    count = prompt_tokens + new_tokens - 1
    read = [0] * count if tokens is None else list(tokens[:count])
    netlist = accelerator(machine, prompt_tokens, read)
    units = machine.units.counted
    each = netlist.machine(list(units), _server(memory), machine.port.outstanding)
    sequencer, matvec = map(each.kinds.tolist().index, (parts.SEQUENCE, parts.MATVEC))
    ends = sequencer, netlist.channels["tokens"], matvec
    wires, seen = netlist.wires(), record(len(units), count)
    history = past(each, netlist.beside_memory(), seen.counts.shape)
    watched = -1 if timeline_token is None else timeline_token
    least = max(LEAST, REFRESHES * memory.refresh_interval) if leap else 0
    patience = _patience(memory)
    while (end := run(each, wires, seen, history, ends, watched, patience, least)) == FULL:
        seen = seen._replace(events=np.concatenate((seen.events, np.zeros_like(seen.events))))
    if end == STUCK:
        raise RuntimeError(
            f"the accelerator stands still: nothing moves any more behind token "
            f"{seen.at[THROUGH]} of {count}"
        )
    events = seen.events[: seen.at[EVENTS]]
    return Prediction(
        cycles=int(seen.at[EDGE] + seen.at[LEAPT]),
        stepped=int(seen.at[EDGE]),
        token_edges=seen.token_edges.tolist(),
        units=_by_unit(units, seen.counts),
        per_token=[_by_unit(units, counts) for counts in np.diff(seen.tokens, axis=0)],
        timeline={}
        if timeline_token is None
        else _timeline(units, events, int(seen.token_edges[timeline_token]) + 1),
    )


def _by_unit(
    units: Mapping[str, tuple[Activity, ...]], counts: Integers
) -> dict[str, dict[str, int]]:
    return {
        unit: {at.word: int(counts[index, at]) for at in activities}
        for index, (unit, activities) in enumerate(units.items())
    }


def _server(memory: MemoryModel) -> list[int]:
    """The memory as `hwsim.parts.memory` has it."""
    scale, cost = memory.rate.as_integer_ratio()
    return [
        memory.latency, scale, cost, memory.refresh_interval, memory.refresh_cycles,
        memory.outstanding, 0,
    ]  # fmt: skip


def _patience(memory: MemoryModel) -> int:
    """Edges in which something must get busy: no wait is longer, unless it has no end."""
    scale, cost = memory.rate.as_integer_ratio()
    return 10_000 + 4 * (memory.latency + memory.refresh_cycles + cost // scale)


def _timeline(units: Iterable[str], events: Integers, end: int) -> dict[str, list[Interval]]:
    """The intervals of each unit from its events, in the order of time."""
    timeline: dict[str, list[Interval]] = {}
    for index, unit in enumerate(units):
        edges, _, activities = events[events[:, 1] == index].T
        ends = np.append(edges[1:], end)
        timeline[unit] = [
            (Activity(at).word, int(start), int(stop))
            for at, start, stop in zip(activities, edges, ends, strict=True)
        ]
    return timeline
