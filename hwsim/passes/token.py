"""A token: layer after layer and the head, from the edge on which the token before leaves."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.passes.plan import BEGUN, QUEUED, Case, Room, norm_places, plan_of
from hwsim.passes.port import Halt, Halts, Port, halted, later, port_of, refreshed_period, taken
from hwsim.passes.scan import Begin, Heads, heads_of, row_out, scanned
from hwsim.passes.words import Words, per_word, span, up, words_of
from models.compiled import compiled, inlined

RUN_IN = 3
"""Layers after which, and before the last, all are alike: the others are not computed one by one.
"""


@inlined
def _normalized(case: Case, beats: int) -> int:
    """Edges from a vector's last beat into the norm to the last of its matvec unit's vector."""
    return case.u.norm_root + beats + case.u.norm_latency + case.u.quantize


@inlined
def _first_normed(net: Any, d: Any, u: Any, w: Words, port: Port) -> float:
    """When the last beat of the embedding enters the norm."""
    several, words = per_word(u.embedding, w.width), span(u.embedding, w.width)
    beats, bursts = net.d_model // d.lanes, up(port.row, port.burst)
    hops = (bursts - 1) // port.outstanding
    behind = port.row - hops * port.outstanding * port.burst - 1
    last = max((port.row - 1) / port.rate, hops * port.period + behind / port.rate)
    return port.begin + max(last + QUEUED + (beats - 1) % several, 1.0 + words + beats)


@inlined
def _layer(
    case: Case, heads: Heads, room: Room, halts: Halts, base: int, written: float, normed: float
) -> tuple[float, Halts]:
    """When the last beat of the next residual stream enters the norm, if this one's does so on
    `normed`; the layer's words begin at `base`.
    """
    port, in_proj = case.port, case.plan.in_proj
    after = written + case.net.heads * case.w.state
    vector = normed + _normalized(case, case.plan.model)
    halts = halted(port, halts, base + room.in_proj, written, vector + BEGUN + case.plan.several)
    start = base + case.plan.start
    vector = max(vector, taken(port, halts, start + in_proj.scales, written) + BEGUN)
    begin = Begin(start, written, vector)
    tile, halts = scanned(case, heads, halts, begin)
    freed, gated = _gated(case, halts, begin, tile)

    last = start + in_proj.tiles * in_proj.words + case.net.heads * case.w.state_packet - 1
    halts = halted(port, halts, last, after, freed)
    if room.norm >= 0:
        begun = gated - case.plan.vector * case.net.groups - case.u.norm_latency - case.u.quantize
        halts = halted(port, halts, base + room.norm, after, begun)
    if room.out_proj >= 0:
        word = base + room.out_proj
        halts = halted(port, halts, word, after, gated + BEGUN + case.plan.several)
    return _updated(case, halts, base, after, gated)


@inlined
def _gated(case: Case, halts: Halts, begin: Begin, tile: float) -> tuple[float, float]:
    """When there is room for in_proj's last word, and when out_proj's vector is loaded; the scan
    ends with `tile`.
    """
    net, d, u, w = case.net, case.d, case.u, case.w
    most = max(begin.written, begin.written + (net.heads - 1) * w.state)
    rows = row_out(case, halts, begin, most, case.plan.z)
    ended = rows + d.rows // d.lanes - 1 - case.plan.z.beat - case.plan.cleared
    group, tail = case.plan.head * net.heads, case.plan.in_proj.tail
    freed = ended - tail
    if not d.naive:
        # What waits in front of scan and gate bounds how far in_proj runs ahead of them.
        before_gate = u.rows_queue + u.silu + u.quantize + u.z_queue
        before_scan = u.rows_queue + case.plan.path - QUEUED + u.activated_queue
        y = tile + case.plan.gate_path - QUEUED - u.quantize - before_gate * case.plan.beat
        x = tile - before_scan * case.plan.beat
        held = max(y, x) - case.plan.cleared
        of_head = 2 * net.head_dim / d.rows * case.plan.in_proj.cycles / case.plan.in_proj.tiles
        ended, freed = (
            max(ended, held),
            max(freed, held - tail * max(1.0, case.plan.each / of_head)),
        )
        group = ended - begin.edge
    last = tile + case.plan.gate_path
    if not d.naive:
        last = max(last, rows + u.silu + u.quantize + QUEUED)
    return freed, _regrouped(case, ended, last + u.gate + QUEUED, group / net.groups)


@inlined
def _regrouped(case: Case, ended: float, last: float, each: float) -> float:
    """When the gated norm's groups are scaled, one after the other, the `last` of which is there
    then, `each` cycles behind the one before; the first waits, scaled in part, for in_proj's end.
    """
    u, beats, groups = case.u, case.plan.vector, case.net.groups
    latency = u.norm_latency + u.quantize
    scaled = last - (groups - 1) * each + u.norm_root + beats
    if groups > 1:
        scaled = max(scaled, ended + QUEUED + beats - latency)
    for at in range(1, groups):
        there = last - (groups - 1 - at) * each
        scaled = max(scaled + 1 + beats, there) + u.norm_root + beats
    return scaled + latency + u.hadamard


@inlined
def _updated(
    case: Case, halts: Halts, base: int, written: float, gated: float
) -> tuple[float, Halts]:
    """When a layer's last beat enters the norm, if out_proj's vector is loaded on `gated`."""
    d, port, out_proj, end = case.d, case.port, case.plan.out_proj, base + case.w.layer
    first = base + case.plan.out + out_proj.scales
    gated = max(gated, taken(port, halts, first, written) + BEGUN)
    ended = max(gated + out_proj.cycles, taken(port, halts, end - 1, written) + QUEUED)
    dropped = (out_proj.tiles * d.rows - case.net.d_model) // d.lanes
    updated = ended + case.plan.cleared - dropped + case.u.residual + QUEUED
    return updated, halted(port, halts, end - 1, written, ended - out_proj.tail)


@inlined
def _head(case: Case, halts: Halts, base: int, written: float, normed: float) -> float:
    """When the next token leaves, counted as if the next row came right behind it."""
    d, w, port, of = case.d, case.w, case.port, case.plan.head_pass
    start = base + w.head_prefix + w.head_begin
    end = start + of.tiles * of.words
    prefix = up(end, port.burst) * port.burst
    vector = normed + _normalized(case, case.plan.model)
    halts = _ahead_of_head(case, halts, start, prefix, written, vector)
    vector = max(vector, taken(port, halts, start + of.scales, written) + BEGUN)
    ended = max(vector + of.cycles, taken(port, halts, end - 1, written) + QUEUED)
    halts = halted(port, halts, end - 1, written, ended - of.tail)
    dropped = of.tiles * d.rows // d.lanes - up(case.net.vocab, d.lanes)
    token = ended + case.plan.cleared - dropped + case.u.argmax
    # The next row's burst comes behind the prefix.
    following = up(prefix + w.prefix, port.burst) * port.burst
    row = taken(port, halts, following, written, following - end - w.prefix)
    return token + max(0.0, row - token - port.begin)


@inlined
def _ahead_of_head(
    case: Case, halts: Halts, start: int, prefix: int, written: float, vector: float
) -> Halts:
    """What finds no room before the head begins on `vector`: its own weights, or, if they all do,
    the norm's of the next prefix.
    """
    weights = case.plan.head_pass.words - case.plan.head_pass.scales
    ahead, room = case.port.room // weights, case.port.room
    if ahead < case.plan.head_pass.tiles:
        word = start + room + (ahead + 1) * case.plan.head_pass.scales
        return halted(case.port, halts, word, written, vector + BEGUN + case.plan.several)
    free, words, whole = norm_places(case.net, case.d, case.u, case.w)
    free += whole - up(case.plan.model, per_word(case.u.norm, case.w.width))
    if free >= whole:
        return halts
    word = prefix + case.w.before_norm + 1 + max(0, free) * words
    begun = vector - case.plan.model - case.u.norm_latency - case.u.quantize
    return halted(case.port, halts, word, written, begun)


@inlined
def _token(case: Case) -> float:
    """Cycles from a token to the next."""
    net, w, port, heads = case.net, case.w, case.port, heads_of(case)
    none = Halt(w.prefix, 0.0, 0.0, port.begin + (w.row - w.prefix) / port.rate, False)
    halts = none, none
    normed, before = _first_normed(net, case.d, case.u, w, port), 0.0
    base, written, layer = 0, 0.0, 0
    state = float(net.heads * w.state)
    while layer < net.layers:
        if layer == RUN_IN - 1 and net.layers > RUN_IN:
            more = net.layers - RUN_IN
            cycles, words = (normed - before) * more, w.layer * more
            halts = (
                later(port, halts[0], words, state * more, cycles),
                later(port, halts[1], words, state * more, cycles),
            )
            normed, base, written = normed + cycles, base + words, written + state * more
            layer += more
        before = normed
        room = case.plan.last if layer == net.layers - 1 else case.plan.middle
        normed, halts = _layer(case, heads, room, halts, base, written, normed)
        base, written, layer = base + w.layer, written + state, layer + 1
    return _head(case, halts, base, written, normed)


@inlined
def _bounds(net: Any, d: Any, w: Words) -> tuple[float, float, float]:
    """Cycles that a token needs at least on the port, on the multipliers and in the scan."""
    written, rate = net.layers * net.heads * w.state, d.rate
    if d.refresh_interval:
        rate *= 1 - d.refresh_cycles / d.refresh_interval
    narrow, wide = net.d_model // d.columns, net.inner // d.columns
    multiplied = net.layers * (w.in_tiles * narrow + w.out_tiles * wide) + w.head_tiles * narrow
    states = net.layers * net.inner * net.state // (d.channels * d.states)
    return (w.read + written) / rate, float(multiplied), float(states)


@compiled(error_model="numpy")
def tokens(
    net: Any, designs: Any, units: Any, which: Any, refreshed: Any, told: NDArray[np.float64]
) -> None:
    """Fill `told` (designs, 6): cycles of a token, those that it needs at least on the port, on the
    multipliers and in the scan, words that are read and written.

    The other arguments are records, `hwsim.passes`: of a shape (1,), of designs, and
    of their units, where `which` (designs,) are those of each. `refreshed` (designs,) are as
    `refreshed_periods` fills them in, of no account where a memory has no refreshes.
    """
    shape = net[0]
    for at in range(len(designs)):
        d, u = designs[at], units[which[at]]
        if not u.fits:
            told[at, :4] = np.nan
            continue
        w = words_of(shape, d, u)
        port = port_of(shape, d, u, w, refreshed[at])
        case = Case(shape, d, u, w, port, plan_of(shape, d, u, w, port))
        bounds = _bounds(shape, d, w)
        told[at, 0] = max(_token(case), bounds[0], bounds[1], bounds[2])
        told[at, 1], told[at, 2], told[at, 3] = bounds
        told[at, 4], told[at, 5] = w.read, shape.layers * shape.heads * w.state


@compiled(error_model="numpy")
def refreshed_periods(ports: Any, periods: NDArray[np.float64]) -> None:
    """Fill `periods` with `hwsim.passes.port.refreshed_period` of records of designs."""
    for at in range(len(ports)):
        periods[at] = refreshed_period(ports[at])
