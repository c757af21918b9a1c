"""The clock: all parts on one edge after the other."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim import parts
from hwsim.parts import (
    Integers,
    Machine,
    Wires,
    memory,
    pipelines,
    routing,
    scan,
    sequence,
    units,
    words,
)
from models.compiled import compiled, inlined


@intrinsic
def unowned(_: Any, arrays: Any) -> Any:
    """The same arrays without their owners, whose references numba would count all the time.

    `arrays` are tuples, of tuples in turn, that the caller of compiled code keeps.
    """

    def disown(context: Any, builder: Any, kind: Any, value: Any) -> Any:
        if isinstance(kind, types.Array):
            struct = cgutils.create_struct_proxy(kind)(context, builder, value=value)
            struct.meminfo = cgutils.get_null_value(struct.meminfo.type)
            return struct._getvalue()
        if isinstance(kind, Iterable):
            for at, each in enumerate(kind):
                member = disown(context, builder, each, builder.extract_value(value, at))
                value = builder.insert_value(value, member, at)
        return value

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return disown(context, builder, arrays, arguments[0])

    return arrays(arrays), build


@inlined
def _offer(each: int, m: Machine, w: Wires) -> None:
    kind, io, p, s = m.kinds[each], m.io[each], m.p[each], m.s[each]
    if kind == parts.FORK:
        routing.fork_offer(io, p, s, w)
    elif kind == parts.SWITCH:
        routing.switch_offer(io, p, s, w, m.tables)
    elif kind == parts.SELECT:
        routing.select_offer(io, p, s, w, m.tables)
    elif kind == parts.WIDEN:
        routing.widen_offer(io, p, s, w)
    elif kind == parts.NARROW:
        routing.narrow_offer(io, w)
    else:
        words.fetch_offer(io, p, s, w, m.tables)


@inlined
def _step(each: int, m: Machine, w: Wires, edge: int) -> int:
    kind, io, p, s = m.kinds[each], m.io[each], m.p[each], m.s[each]
    if kind == parts.PIPE:
        return pipelines.pipe(io, p, s, w)
    if kind == parts.FORK:
        return routing.fork(io, p, s, w)
    if kind == parts.SWITCH:
        return routing.switch(io, p, s, w, m.tables)
    if kind == parts.SELECT:
        return routing.select(io, p, s, w, m.tables)
    if kind == parts.WIDEN:
        return routing.widen(io, p, s, w)
    if kind == parts.NARROW:
        return routing.narrow(io, p, s, w, m.tables)
    if kind == parts.SERIALIZE:
        return pipelines.serialize(io, p, s, w)
    if kind == parts.FETCH:
        return words.fetch(io, p, s, w, m.tables)
    if kind == parts.NORM:
        return units.norm(io, p, s, w, m.tables)
    if kind == parts.HADAMARD:
        return units.hadamard(io, p, s, w, m.tables)
    if kind == parts.MATVEC:
        return units.matvec(io, p, s, w, m.tables)
    if kind == parts.DISCRETIZE:
        return scan.discretize(io, p, s, w)
    if kind == parts.UPDATE:
        return scan.update(io, p, s, w)
    if kind == parts.READ_OUT:
        return scan.read_out(io, p, s, w)
    if kind == parts.SPILL:
        return words.spill(io, p, s, w, m.tables)
    if kind == parts.READER:
        return memory.reader(io, p, s, w, m.memory, m.bursts[0], m.reads, edge)
    if kind == parts.WRITER:
        return memory.writer(io, p, s, w, m.memory, m.bursts[1], m.tables, edge)
    return sequence.sequence(io, p, s, w, m.tables, m.reads, edge)


@inlined
def _settle(each: int, m: Machine, w: Wires) -> int:
    kind, io, p, s = m.kinds[each], m.io[each], m.p[each], m.s[each]
    if kind == parts.QUEUE:
        return routing.queue(io, p, s, w)
    return pipelines.gather(io, p, s, w)


@compiled(error_model="numpy")
def run(
    m: Machine,
    w: Wires,
    ends: tuple[int, int],
    counts: Integers,
    events: Integers,
    watched: int,
    patience: int,
) -> tuple[int, Integers, Integers]:
    """Clock the machine until the run is done, or nothing was busy for `patience` edges.

    ends = (part that is the sequence, channel of the tokens). `counts` (units, activities) are
    added up. Returns the edge of done (-1: stuck), those of all tokens, and events (edge, unit,
    activity) where an activity begins while token `watched` is computed.
    """
    m, w = unowned(m), unowned(w)
    sequencer, tokens = ends
    activities = np.zeros(len(counts), np.int64)
    shown = np.full(len(counts), -1, np.int64)
    token_edges = np.zeros(m.p[sequencer, 0], np.int64)
    through = moved = edge = used = 0
    while edge - moved < patience:
        for each in m.offering:
            _offer(each, m, w)
        for each in m.stepping:
            at = _step(each, m, w, edge)
            if m.units[each] >= 0:
                activities[m.units[each]] = at
        for each in m.registered:
            at = _settle(each, m, w)
            if m.units[each] >= 0:
                activities[m.units[each]] = at
        if through == watched and edge:
            for unit in range(len(counts)):
                if activities[unit] != shown[unit]:
                    shown[unit] = activities[unit]
                    if used == len(events):
                        events = np.concatenate((events, np.zeros_like(events)))
                    events[used, 0], events[used, 1], events[used, 2] = edge, unit, shown[unit]
                    used += 1
        if w.valid[tokens] and w.ready[tokens]:
            token_edges[through] = edge
            through += 1
        if m.s[sequencer, sequence.DONE]:
            return edge, token_edges, events[:used]
        for unit in range(len(counts)):
            counts[unit, activities[unit]] += 1
            if activities[unit] == parts.BUSY:
                moved = edge
        for channel in range(len(w.valid)):
            w.valid[channel] = w.then_valid[channel]
            w.ready[channel] = w.then_ready[channel]
        edge += 1
    return -1, token_edges[:through], events[:used]
