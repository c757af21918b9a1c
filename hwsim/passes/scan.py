"""The scan of a layer: when its last tile is begun, and what the port waits for meanwhile."""

from typing import NamedTuple

from hwsim.passes.plan import QUEUED, SERIALIZED, Case, Row
from hwsim.passes.port import Halt, Halts, caught_up, halted, taken, taken_after
from hwsim.passes.words import SHORTEST, per_word, span
from hwsim.passes.written import alone, written_back
from models.compiled import inlined

LONG = 1e18
"""Cycles beyond all times: of a memory that is never behind."""


class Begin(NamedTuple):
    """Where a layer's in_proj begins: its first word, words that were written before, the edge on
    which its vector is loaded.
    """

    word: int
    written: float
    edge: float


class Heads(NamedTuple):
    """Of a layer: cycles of a head's scan if nothing but its state in memory holds it up, and those
    from a head to the next where the port hands over a state as it is scanned.
    """

    each: float
    apart: float


@inlined
def heads_of(case: Case) -> Heads:
    """What is the same in all layers."""
    each, d = max(case.plan.head, float(case.w.state)), case.d
    if not d.spilled:
        return Heads(each, 0.0)
    if d.buffers == 1 and not d.naive:
        each = alone(d, case.u, case.w, case.port, each)
        return Heads(each, _one_buffer(case, each))
    return Heads(written_back(case.net, d, case.u, case.w, case.port, each), 0.0)


@inlined
def row_out(case: Case, halts: Halts, begin: Begin, written: float, row: Row) -> float:
    """When a row comes out of the queue behind the matvec unit."""
    word = begin.word + row.tiles * case.plan.in_proj.words + row.packets - 1
    issued = begin.edge + row.tiles * (case.plan.in_proj.cycles / case.plan.in_proj.tiles)
    issued += row.packets * case.plan.starved
    issued = max(issued, taken(case.port, halts, word, written) + QUEUED)
    return issued + _to_row(case, row)


@inlined
def _to_row(case: Case, row: Row) -> int:
    """Edges from a tile's last weights to a row's way out of the queue."""
    return case.u.matvec + SERIALIZED + row.beat + QUEUED


@inlined
def scanned(case: Case, heads: Heads, halts: Halts, begin: Begin) -> tuple[float, Halts]:
    """When the last tile of a layer's scan is begun.

    The scan is behind in_proj, which computes what it needs, or in_proj behind the scan.
    """
    net, d, w = case.net, case.d, case.w
    if d.naive:
        x, end = _naive(case, halts, begin)
    else:
        most = max(begin.written, begin.written + (net.heads - 2) * w.state)
        x = row_out(case, halts, begin, begin.written, case.plan.first) + case.plan.path
        begun = row_out(case, halts, begin, most, case.plan.begun)
        ended = row_out(case, halts, begin, most, case.plan.ended)
        end = case.plan.path + max(begun + case.plan.head - 1, ended + case.plan.beat - 1)
    end = max(end, x + (net.heads - 1) * case.plan.each + heads.each - 1)
    if not d.spilled:
        return end, halts
    return _spilled(case, heads, halts, begin, x, end)


@inlined
def _naive(case: Case, halts: Halts, begin: Begin) -> tuple[float, float]:
    """The first tile and, if the scan is not behind, the last, where x waits for the time steps:
    they come tile by tile, and with the last tile's those of so many heads.
    """
    net, d, u, w, in_proj = case.net, case.d, case.u, case.w, case.plan.in_proj
    known = u.head_latency + u.discretize
    x = row_out(case, halts, begin, begin.written, case.plan.first) + known
    heads = (case.plan.first.beat * d.lanes + net.heads - 1) % d.rows + 1
    last = Row(w.first, 0, 0 if net.heads > heads else case.plan.first.beat)
    end = row_out(case, halts, begin, begin.written, last) + known
    end += min(net.heads, heads) * case.plan.head - 1
    if d.spilled:
        # Words of state come behind in_proj's, of which so many wait.
        word = begin.word + w.first * in_proj.words
        behind = begin.edge + in_proj.cycles * w.first / w.in_tiles - in_proj.tail
        x = max(x, behind, taken(case.port, halts, word, begin.written) + QUEUED)
    return x, end


@inlined
def _spilled(
    case: Case, heads: Heads, halts: Halts, begin: Begin, x: float, end: float
) -> tuple[float, Halts]:
    """The same where the state comes from memory and goes back.

    x is the first tile, `end` the last one if nothing waited for memory.
    """
    d, u, w, port, count = case.d, case.u, case.w, case.port, case.net.heads
    several = per_word(u.state, w.width)
    halts = _first_state(case, halts, begin)
    most = max(begin.written, begin.written + (count - 1) * w.state)
    if d.buffers > 1:
        waiting, left = d.buffers * w.state, d.buffers * heads.each
    else:
        waiting, left = SHORTEST * span(u.state, w.width), SHORTEST * float(several)
    if d.naive and waiting < count * w.state:
        word = begin.word + w.first * case.plan.in_proj.words + w.state_packet - w.state + waiting
        halts = halted(port, halts, word, begin.written, x + several)
    last = begin.word + w.last * case.plan.in_proj.words + count * w.state_packet - 1
    end = max(end, taken(port, halts, last, most) + QUEUED, x + count * heads.each)
    if d.buffers == 1 and not d.naive:
        # Of the first head, all of x comes before its state.
        rest = row_out(case, halts, begin, begin.written, Row(w.first, 0, case.plan.ended.beat))
        begun = max(x + heads.each, rest + case.plan.path + _last_beats(case))
        end = max(end, begun + (count - 1) * heads.apart)
    return end, halted(port, halts, last, most, end - left)


@inlined
def _first_state(case: Case, halts: Halts, begin: Begin) -> Halts:
    """The same halts when the port comes to the first state: the memory has idled, where words
    found no room or bursts hopped.
    """
    w, in_proj = case.w, case.plan.in_proj
    word = begin.word + w.first * in_proj.words
    multiplied = begin.edge + in_proj.cycles * w.first / w.in_tiles - in_proj.tail
    return caught_up(case.port, halts, word, begin.written, multiplied)


@inlined
def _last_beats(case: Case) -> float:
    """Cycles of the scan for what comes last of a head's x: a tile's rows, or a whole group.

    Of the states that it meets, some wait in a queue, the others come word by word.
    """
    net, d, u = case.net, case.d, case.u
    tiles = min(net.head_dim, max(d.rows, u.group)) // d.lanes * case.plan.beat
    waiting = SHORTEST + 1
    return tiles + max(0.0, tiles - waiting) * (span(u.state, case.w.width) - 1)


@inlined
def _one_buffer(case: Case, each: float) -> float:
    """Cycles from a head's last word of state to the next one's, which the port hands over as it is
    scanned: meanwhile no weights come, and those before it are multiplied.
    """
    w, port, in_proj = case.w, case.port, case.plan.in_proj
    tiles = 2 * case.net.head_dim / case.d.rows
    words = w.prefix + int(tiles * in_proj.words)
    multiplied = tiles * (in_proj.cycles / in_proj.tiles)
    freed = Halt(w.prefix, 0.0, 0.0, -LONG, True)
    # Half a burst, the last one that is written, is served before those that are asked for then.
    last = min(float(w.state), (port.burst + 1) / 2)
    weights = taken_after(port, freed, words, last, 0)
    if port.hops and words >> port.size >= (w.prefix >> port.size) + port.outstanding:
        weights += last * (port.per_word - port.written)
    state = taken_after(port, freed, words + w.state_packet, float(w.state), 0)
    x = max(multiplied, weights) + _to_row(case, case.plan.ended)
    x += case.plan.path + _last_beats(case)
    return max(x, max(weights, multiplied - in_proj.tail) + each, state)
