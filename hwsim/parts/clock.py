"""The clock: all parts on one edge after the other."""

from collections.abc import Iterable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim import parts
from hwsim.parts import (
    Machine,
    leaps,
    memory,
    pipelines,
    routing,
    scan,
    sequence,
    units,
    words,
)
from hwsim.parts.leaps import Past
from hwsim.parts.record import (
    BUSY,
    EDGE,
    EVENTS,
    FRESH,
    LAST_BUSY,
    LEAPT,
    LEFT,
    THROUGH,
    Record,
    count,
    note,
)
from hwsim.parts.wires import Wires, turn
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


@intrinsic
def lowest(_: Any, mask: Any) -> Any:
    """The lowest bit that is set in a mask, which is not 0."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return mask(mask), build


@intrinsic
def highest(_: Any, mask: Any) -> Any:
    """The highest bit that is set in a mask of 64, which is not 0."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        above = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(ir.IntType(64), 63), above)

    return mask(mask), build


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


DONE, STUCK, FULL = range(3)


@inlined
def _edge(m: Machine, w: Wires, r: Record, edge: int) -> bool:
    """The three rounds of an edge, for the parts that are awake; whether a unit is at something
    else than before.
    """
    at, changed = -1, False
    while True:
        ahead = w.awake[0] & m.offering & (-1 << (at + 1))
        if ahead == 0:
            break
        at = lowest(ahead)
        _offer(at, m, w)
    at = m.moving
    while True:
        ahead = w.awake[0] & ((1 << at) - 1)
        if ahead == 0:
            break
        at = highest(ahead)
        w.awake[0] ^= 1 << at
        does = _step(at, m, w, edge)
        w.awake[0] |= (does & parts.MOVED) // parts.MOVED << at
        changed |= note(at, does & ~parts.MOVED, m, r, edge)
    ahead = w.awake[1]
    w.awake[1] = 0
    while ahead:
        at = lowest(ahead)
        ahead ^= 1 << at
        does = _settle(m.moving + at, m, w)
        w.awake[1] |= (does & parts.MOVED) // parts.MOVED << at
        changed |= note(m.moving + at, does & ~parts.MOVED, m, r, edge)
    return changed


@inlined
def _look(m: Machine, w: Wires, r: Record, past: Past, matvec: int, least: int, edge: int) -> None:
    """Look for a leap at the end of a layer, and of each tile after which rows are alike."""
    s = m.s[matvec]
    left, row = s[units.TILES_LEFT], m.p[matvec, 4] + 3 * s[units.PASS]
    if left:
        words, alike = m.tables[row], m.tables[row + 2]
        at, due = leaps.TILES, left % (alike * -(-least // (alike * words))) == 0
    else:
        past.looks[leaps.TILES] = 0
        at, due = leaps.LAYERS, s[units.PASS] % 2 == 0
    if due:
        count(r, edge)
        r.at[LEAPT] += leaps.look(m, w, past, r.counts, edge + r.at[LEAPT], at, least)
    r.at[LEFT] = s[units.TILES_LEFT]


@compiled(error_model="numpy")
def run(
    m: Machine,
    w: Wires,
    r: Record,
    past: Past,
    ends: tuple[int, int, int],
    watched: int,
    patience: int,
    least: int,
) -> int:
    """Clock the machine until the run is DONE, or STUCK: nothing was busy for `patience` edges.

    ends = (part that is the sequence, channel of the tokens, part that is the multipliers). While
    token `watched` is computed, events are kept; where there may be no place for those of another
    edge, FULL is returned, and the run goes on when it is called with more. With `least` it leaps:
    so many beats of weights are between two looks at least, so many edges in a period.
    """
    m, w, r, past = unowned(m), unowned(w), unowned(r), unowned(past)
    sequencer, tokens, matvec = ends
    while r.at[EDGE] - r.at[LAST_BUSY] < patience:
        if r.at[EVENTS] + len(r.now[0]) > len(r.events):
            return FULL
        edge = r.at[EDGE]
        changed = _edge(m, w, r, edge)
        if changed or r.at[FRESH]:
            r.at[BUSY] = 0
            for unit in range(len(r.shown)):
                now = r.now[0, unit]
                r.at[BUSY] |= now == parts.BUSY
                if r.at[THROUGH] == watched and edge and now != r.shown[unit]:
                    event = r.events[r.at[EVENTS]]
                    event[0], event[1], event[2] = edge, unit, now
                    r.shown[unit] = now
                    r.at[EVENTS] += 1
        r.at[FRESH] = edge == 0
        if edge == 0:
            count(r, edge)
            r.tokens[0] = r.counts
        if w.valid[tokens] and w.ready[tokens]:
            r.token_edges[r.at[THROUGH]] = edge + r.at[LEAPT]
            r.at[THROUGH] += 1
            count(r, edge)
            r.tokens[r.at[THROUGH]] = r.counts
            r.at[FRESH] = 1
        if m.s[sequencer, sequence.DONE]:
            count(r, edge - 1)
            return DONE
        if r.at[BUSY]:
            r.at[LAST_BUSY] = edge
        turn(w)
        if least and m.s[matvec, units.TILES_LEFT] != r.at[LEFT]:
            _look(m, w, r, past, matvec, least, edge)
        r.at[EDGE] += 1
    return STUCK
