"""Passes: when a token's layers and head are through on a design, without stepping its clock.

The engine's model in closed form. A word of the stream is taken when the memory can have it there
and the queues have room for it; a pass begins when its vector is there and ends when its weights
are through and what it feeds has kept up. So times are sums and maxima over a few words of each
pass. Times are edges from the one on which the token before leaves, words are counted from the
beginning of the stream, the prefix. Names of `hwsim.units` and `models.networks` keep their sense.

All of it is in one file, for numba compiles it as a whole, and again when this file has changed.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_inlined = njit(error_model="numpy")

RUN_IN = 3
"""Layers after which, and before the last, all are alike: the others are not computed one by one.
"""


class Words(NamedTuple):
    """Words of the port, and tiles, of the parts of a token's stream.

    Of a layer's prefix: those before the steps of `targets`, and before the norm's weights. Of a
    tile: scales, weights. Of a state: packet, and its payload alone, which is written back. The
    places of a head's state are behind `first` and `last` tiles of in_proj.
    """

    row: int
    steps: int
    before_norm: int
    prefix: int
    head_prefix: int
    in_tiles: int
    in_begin: int
    in_scales: int
    in_weights: int
    out_tiles: int
    out_begin: int
    out_scales: int
    out_weights: int
    head_tiles: int
    head_begin: int
    state_packet: int
    state: int
    first: int
    last: int
    layer: int
    read: int


class Port(NamedTuple):
    """The memory behind a port: words in a cycle, words of a burst, bursts outstanding.

    `per_word` are the cycles of a word, and `size` the binary logarithm of a burst's. `hop` is the
    time from a burst's last word to the first of the burst that had to wait for it, `period` that
    between such bursts, and `hops` whether the memory idles meanwhile; `written` is what a written
    word holds up bursts that hop. `room` are the words of weights that can wait, `begin` is the
    edge of a token's first word.
    """

    rate: float
    per_word: float
    burst: int
    size: int
    outstanding: int
    share: float
    hops: bool
    hop: float
    period: float
    written: float
    room: int
    begin: float
    row: int
    prefix: int


class Halt(NamedTuple):
    """`word` could not be taken before `edge`, when `written` words had been written.

    `line` is when the memory would have served word 0, as those before say; a token begins with no
    halt, `there` False.
    """

    word: int
    edge: float
    written: float
    line: float
    there: bool


Halts = tuple[Halt, Halt]
"""The last halt of the port, and the one before."""


@_inlined
def _up(count: int, size: int) -> int:
    return -(-count // size)


@_inlined
def _beats(count: int, bits: int, port_bits: int) -> int:
    """As `models.units.fetch.FetchConfig.words`."""
    return _up(count, max(1, port_bits // bits)) * _up(bits, port_bits)


@_inlined
def _single(count: int, bits: int, port_bits: int) -> int:
    return 1 + _beats(count, bits, port_bits)


@_inlined
def _words(net: Any, d: Any, u: Any) -> Words:
    """As `models.networks.stream` lays out packets."""
    port, lanes, rows = d.port_bits, d.lanes, d.rows
    padded = _up(net.heads, lanes) * lanes
    in_rows = 2 * net.inner + 2 * net.groups * net.state + padded
    in_tiles, out_tiles = _up(in_rows, rows), _up(net.d_model, rows)
    head_tiles = _up(net.vocab, rows)
    dropped = (in_tiles * rows > in_rows) + (out_tiles * rows > net.d_model)
    targets = (5 if d.naive else 3 + 2 * net.heads) + 1 + dropped
    steps = 2 * _single(1, u.step, port) + _single(2, u.step, port)
    steps += _single(1 + net.groups, u.norm_pass, port) + _single(2, u.matvec_pass, port)
    before = steps + _single(targets, u.step, port) + _single(3, u.step, port)
    prefix = before + _single((net.d_model + net.inner) // lanes, u.norm, port)
    prefix += _single((net.inner + 2 * net.groups * net.state) // lanes, u.conv, port)
    prefix += _single(padded // lanes, u.heads, port)
    logits = 1 + (head_tiles * rows // lanes > _up(net.vocab, lanes))
    head_prefix = 3 * _single(1, u.step, port) + _single(1, u.norm_pass, port)
    head_prefix += _single(1, u.matvec_pass, port) + _single(logits, u.step, port)
    head_prefix += _single(net.d_model // lanes, u.norm, port)
    scales_in = _beats(_up(net.d_model, u.weight_group), u.scales, port)
    scales_out = _beats(_up(net.inner, u.weight_group), u.scales, port)
    weights_in = _beats(net.d_model // d.columns, u.weights, port)
    weights_out = _beats(net.inner // d.columns, u.weights, port)
    first, last = _tiles_before(net, d, padded, in_rows)
    chunks, state, packet = 1, 0, 0
    if d.spilled:
        beats = net.head_dim // d.channels * (net.state // d.states)
        most = min(65535, 65535 // _up(u.state, port))
        state = _beats(beats, u.state, port)
        packet = state + _up(beats, most) * _single(1, u.spills, port)
        chunks = 1 if d.naive else min(net.heads, last - first + 1)
        chunks += last < in_tiles
    bias_in, bias_out, bias_head = 0, 0, 0
    if net.proj_bias:
        bias_in, bias_out = _single(in_tiles, u.bias, port), _single(out_tiles, u.bias, port)
        bias_head = _single(head_tiles, u.bias, port)
    layer = prefix + bias_in + chunks + in_tiles * (scales_in + weights_in)
    layer += net.heads * packet + bias_out + 1 + out_tiles * (scales_out + weights_out)
    head = head_prefix + bias_head + 1 + head_tiles * (scales_in + weights_in)
    row = _single(net.d_model // lanes, u.embedding, port)
    return Words(
        row, steps, before, prefix, head_prefix,
        in_tiles, bias_in + chunks, scales_in, weights_in,
        out_tiles, bias_out + 1, scales_out, weights_out, head_tiles, bias_head + 1,
        packet, state, first, last, layer, row + net.layers * layer + head,
    )  # fmt: skip


@_inlined
def _tiles_before(net: Any, d: Any, padded: int, in_rows: int) -> tuple[int, int]:
    """As `models.networks.order.tiles_before_heads`, for the first head and the last."""
    if d.naive:
        last = (in_rows - padded + net.heads - 1) // d.rows + 1
        return last, last
    before = padded + 2 * net.groups * net.state - 1
    last = before + (2 * net.heads - 1) * net.head_dim
    return (before + net.head_dim) // d.rows + 1, last // d.rows + 1


@_inlined
def _port(net: Any, d: Any, u: Any, w: Words) -> Port:
    """The port's constants, with a refresh as often and as long as it is on average."""
    rate, refresh, latency = d.rate, 0.0, float(d.latency)
    if d.refresh_interval:
        refresh = d.refresh_cycles / d.refresh_interval
        latency += refresh * (d.refresh_cycles + 1) / 2
    active = rate * (1 - refresh)
    outstanding = min(d.outstanding, d.memory_outstanding)
    # A master asks 2 edges after a burst is over, a memory that is full takes what waits after 1.
    hop = latency + (1 if d.memory_outstanding < d.outstanding else 2)
    period = hop + np.ceil((d.burst - 1) / rate) * (1 + refresh)
    size, written = 0, 0.0
    while 1 << size < d.burst:
        size += 1
    if d.spilled:
        # A written burst is served whole: later bursts wait for what exceeds the memory's gap.
        bursts = 1 + (w.state - 1) / d.burst
        gap, each = max(0.0, period - outstanding * d.burst / active), w.state / bursts / active
        wait = max(0.0, each - gap) + min(gap, each) ** 2 / (2 * period)
        written = wait * bursts / w.state
    return Port(
        active, 1 / active, d.burst, size, outstanding, 1 / outstanding,
        period > outstanding * d.burst / active, hop, period, written, _room(net, d, u),
        5.0 + d.latency, w.row, w.prefix,
    )  # fmt: skip


@_inlined
def _room(net: Any, d: Any, u: Any) -> int:
    """Words of weights that can wait, as `models.networks.machine` gives them places."""
    several, span = max(1, d.port_bits // u.weights), _up(u.weights, d.port_bits)
    most = 0
    for columns in (net.d_model, net.inner):
        tile = columns // d.columns
        rest = _up(d.prefetch % tile, several)
        most = max(most, d.prefetch // tile * _up(tile, several) + rest)
    return max(3, most + (several > 1)) * span


@_inlined
def _hops(port: Port, bursts: int) -> int:
    """Times that the last of so many bursts waited for one before."""
    return int((bursts + 0.5) * port.share)


@_inlined
def _from_begin(port: Port, word: int, written: float, hole: int) -> float:
    """When `word` is there, for the bursts that had to wait for each other since the row's."""
    size, most = port.size, port.outstanding
    row_bursts = (port.row + port.burst - 1) >> size
    at = (word >> size) - (port.prefix >> size) + row_bursts
    hops = _hops(port, at)
    if hops == 0:
        return 0.0
    first = min(port.row, port.burst)
    behind = first + ((at - hops * most) << size) - port.burst + (word & (port.burst - 1))
    if most == 1:
        behind -= port.prefix & (port.burst - 1)
        behind -= (row_bursts << size) - port.row if row_bursts > 1 else 0
    if hole and (most == 1 or _hops(port, at - ((port.prefix + port.burst - 1) >> size)) == hops):
        behind -= hole
    return port.begin + hops * port.period + behind * port.per_word + port.written * written


@_inlined
def _after(port: Port, halt: Halt, word: int, written: float, hole: int) -> float:
    """When `word` is there, for the halt before it and the memory's rate."""
    served = halt.line + (word - hole + written) * port.per_word
    if not halt.there:
        return served
    burst, size, most = port.burst, port.size, port.outstanding
    taken = halt.edge + word - hole - halt.word
    asked = ((halt.word >> size) + most) << size
    if word < asked:
        return max(served, taken)
    # Bursts behind those that were outstanding: asked for when the halted one is over.
    news = written - halt.written
    over = halt.edge + burst - (halt.word & (burst - 1)) - 1 + port.hop
    after = over + (word - hole + news - asked) * port.per_word
    if not port.hops:
        return max(served, taken, after)
    at = (word >> size) - (halt.word >> size)
    hops = _hops(port, at)
    rest = ((at - hops * most) << size) + (word & (burst - 1))
    if hole and (most == 1 or _hops(port, at - ((port.prefix + burst - 1) >> size)) == hops):
        rest -= hole
    behind = (hops - 1) * port.period + rest * port.per_word + port.written * news
    return max(served, taken, after, over + behind)


@_inlined
def _taken(port: Port, halts: Halts, word: int, written: float, hole: int = 0) -> float:
    """The edge on which `word` is taken, where nothing but what is in `halts` keeps it waiting.

    `hole` are the words that the last bursts of the reads before lack to whole ones.
    """
    halt = halts[0] if word >= halts[0].word else halts[1]
    since = _after(port, halt, word, written, hole)
    if not port.hops:
        return since
    return max(_from_begin(port, word, written, hole), since)


@_inlined
def _halt(port: Port, halts: Halts, word: int, written: float, edge: float) -> Halts:
    """The port cannot take `word` before `edge`."""
    if edge <= _taken(port, halts, word, written):
        return halts
    before = halts[0]
    line = before.line
    asked = ((before.word >> port.size) + port.outstanding) << port.size
    if before.there and word >= asked:
        over = before.edge + port.burst - (before.word & (port.burst - 1)) - 1
        line = max(line, over + port.hop - (asked + before.written) * port.per_word)
    return Halt(word, edge, written, line, True), before


class Pass(NamedTuple):
    """A reading of a matrix: its tiles, and of each the words, of which `scales` come first.

    `cycles` it takes unless it waits for a word; its last word can be taken `tail` before its end.
    """

    tiles: int
    words: int
    scales: int
    cycles: float
    tail: float


class Row(NamedTuple):
    """A row of in_proj: tiles up to its own, packets of states before it, its beat in the tile."""

    tiles: int
    packets: int
    beat: int


class Room(NamedTuple):
    """Words of a layer, from its first, that find no room: when in_proj begins, and out_proj, and
    among the norm's weights of what follows, until the gated norm has taken its own; -1 for none.
    """

    in_proj: int
    out_proj: int
    norm: int


class Plan(NamedTuple):
    """What is the same in each layer of a token.

    start, out    first words of the tiles of in_proj and out_proj, from that of the layer
    middle, last  what has no room, in the last layer and in those before
    first ... z   rows that the scan and the gate wait for: the first of x (or of the time steps,
                  where x waits for them), the first and the last of the last head's x, the last
    path          edges from a row of x to the tile that the scan begins with it
    beat, head    cycles of the scan for a beat of x, and for a head
    each          cycles from a head to the next, when the scan is behind
    """

    in_proj: Pass
    out_proj: Pass
    head_pass: Pass
    start: int
    out: int
    middle: Room
    last: Room
    first: Row
    begun: Row
    ended: Row
    z: Row
    path: int
    beat: float
    head: float
    each: float
    vector: int
    model: int
    several: int
    cleared: int


@_inlined
def _pass(
    net: Any, d: Any, u: Any, port: Port, columns: int, tiles: int, scales: int, weights: int
) -> Pass:
    beats, words = columns // d.columns, scales + weights
    tile = max(beats, d.rows // d.lanes)
    cycles = float(tiles * tile)
    # Bursts that hop are bridged by those behind them and by the words that wait.
    bridged = (port.outstanding - 1) * port.burst + port.room * words / weights
    lost = max(0.0, port.hop - bridged * tile / words)
    waiting = port.room // _up(u.weights, d.port_bits) * max(1, d.port_bits // u.weights)
    cycles += lost * tiles * words / (port.outstanding * port.burst)
    return Pass(tiles, words, scales, cycles, waiting * tile / beats)


@_inlined
def _behind(room: int, begin: int, of: Pass) -> tuple[int, int]:
    """The word behind the first `room` words of weights of a matrix, and how many it lacks."""
    weights = of.words - of.scales
    ahead = room // weights
    word = begin + ahead * of.words + of.scales + room - ahead * weights
    return word, room - of.tiles * weights


@_inlined
def _plan(net: Any, d: Any, u: Any, w: Words, port: Port) -> Plan:
    in_proj = _pass(net, d, u, port, net.d_model, w.in_tiles, w.in_scales, w.in_weights)
    out_proj = _pass(net, d, u, port, net.inner, w.out_tiles, w.out_scales, w.out_weights)
    head_pass = _pass(net, d, u, port, net.d_model, w.head_tiles, w.in_scales, w.in_weights)
    start = w.prefix + w.in_begin
    out = start + w.in_tiles * in_proj.words + net.heads * w.state_packet + w.out_begin
    # Behind the last layer come the head and the next prefix, which begins another read.
    tiles = w.layer + w.head_prefix + w.head_begin
    stop = (net.layers - 1) * w.layer + tiles + w.head_tiles * in_proj.words
    prefix = _up(stop, port.burst) * port.burst - (net.layers - 1) * w.layer
    middle = _room_of(net, d, u, w, port, in_proj, out_proj, in_proj, start, out, False)
    last = _room_of(net, d, u, w, port, in_proj, out_proj, head_pass, start, out, True)
    if last.in_proj >= tiles + w.head_tiles * in_proj.words:
        last = Room(prefix + w.steps, last.out_proj, last.norm)
    if last.norm >= 0:
        last = Room(last.in_proj, last.out_proj, last.norm - w.layer + prefix)

    beat = d.lanes // d.channels * (net.state // d.states)
    beats = net.head_dim // d.lanes
    path = 2 * u.quantize + u.conv1d + u.silu + 2 + u.discretize
    heads = _up(net.heads, d.lanes) * d.lanes
    shared = heads + 2 * net.groups * net.state
    packets = (net.heads - 1) * w.state_packet
    row = shared + (2 * net.heads - 2) * net.head_dim
    out_beats = d.rows // d.lanes
    first = Row(shared // d.rows + 1, 0, shared // d.lanes % out_beats)
    if d.naive:
        steps = 2 * net.inner + 2 * net.groups * net.state
        first = Row(w.first, 0, steps // d.lanes % out_beats)
    z = 2 * net.inner + shared - 1
    each = float(beat * beats)
    if d.spilled:
        each = max(each, float(w.state))
    return Plan(
        in_proj, out_proj, head_pass, start, out, middle, last, first,
        Row(row // d.rows + 1, packets, row // d.lanes % out_beats),
        Row(w.last, packets, (row + net.head_dim - 1) // d.lanes % out_beats),
        Row(w.in_tiles, packets + w.state_packet, z // d.lanes % out_beats),
        path, float(beat), float(beat * beats), max(each, _held(net, d, u, beat, beats, path)),
        net.inner // net.groups // d.lanes, net.d_model // d.lanes,
        max(1, d.port_bits // u.weights), out_beats + u.matvec + 2,
    )  # fmt: skip


@_inlined
def _room_of(
    net: Any,
    d: Any,
    u: Any,
    w: Words,
    port: Port,
    in_proj: Pass,
    out_proj: Pass,
    following: Pass,
    start: int,
    out: int,
    last: bool,
) -> Room:
    """As if the next prefix came right behind the layer."""  # fmt: skip
    begin = w.layer + (w.head_prefix + w.head_begin if last else start)
    end = begin + following.tiles * following.words
    before, more = _behind(port.room, start, in_proj)
    if more >= 0:
        before, more = _behind(more, out, out_proj)
        if more >= 0 and last:
            before, more = _behind(more, begin, following)
        if more >= 0:
            before = end if last else w.layer + w.steps
    elif before > start + w.first * in_proj.words:
        before += w.state_packet
    behind, more = _behind(port.room, out, out_proj)
    if more >= 0:
        behind, more = _behind(more, begin, following)
        if more >= 0 and last:
            behind = -1
    free, span, whole = _norm_places(net, d, u)
    free += net.d_model // d.lanes // max(1, d.port_bits // u.norm)
    if last:
        free -= _up(net.d_model // d.lanes, max(1, d.port_bits // u.norm))
    norm = w.layer + w.before_norm + 1 + max(0, free) * span
    if free >= whole or (not last and behind >= 0 and norm >= behind):
        norm = -1
    if last and behind >= 0:
        norm = -1
    return Room(before, behind, norm)


@_inlined
def _norm_places(net: Any, d: Any, u: Any) -> tuple[int, int, int]:
    """Places in the queue of the norm's weights that a layer's leave; words of one; a layer's."""
    several, span = max(1, d.port_bits // u.norm), _up(u.norm, d.port_bits)
    whole = _up((net.d_model + net.inner) // d.lanes, several)
    return max(3, whole + (several > 1)) - whole, span, whole


@_inlined
def _held(net: Any, d: Any, u: Any, beat: int, beats: int, path: int) -> float:
    """Cycles of a head whose z holds up the next one's x, since it waits for its own y.

    z waits in the pipeline of its activation, two banks of whole groups, the quantizer's pipeline
    and a queue; in_proj goes on when the rest has found room. 0 where all of z does.
    """
    group, queued = max(1, u.group // d.lanes), 3 + 3
    banks = 0
    if group > 1:
        banks = group + (group - queued % group if queued % group else group)
    outside = beats - u.silu - queued - banks
    if d.naive or outside <= 0:
        return 0.0
    gated = u.update + u.scan_quantize + u.read_out + u.quantize + 2
    return float(_up(outside, group) * group * beat + gated + path)


@_inlined
def _row(
    u: Any,
    plan: Plan,
    port: Port,
    halts: Halts,
    start: int,
    written: float,
    vector: float,
    row: Row,
) -> float:
    """When a row comes out of the queue behind the matvec unit; in_proj begins on `vector`."""
    word = start + row.tiles * plan.in_proj.words + row.packets - 1
    issued = vector + row.tiles * (plan.in_proj.cycles / plan.in_proj.tiles)
    issued = max(issued, _taken(port, halts, word, written) + 2)
    return issued + u.matvec + 1 + row.beat + 2


@_inlined
def _scanned(
    net: Any,
    d: Any,
    u: Any,
    w: Words,
    plan: Plan,
    port: Port,
    halts: Halts,
    start: int,
    written: float,
    vector: float,
) -> tuple[float, Halts]:
    """When the last tile of a layer's scan is begun.

    The scan is behind in_proj, which computes what it needs, or in_proj behind the scan.
    """  # fmt: skip
    most = max(written, written + (net.heads - 2) * w.state)
    x = _row(u, plan, port, halts, start, written, vector, plan.first)
    if d.naive:
        x += u.head_latency + u.discretize
        end = x
    else:
        x += plan.path
        begun = _row(u, plan, port, halts, start, most, vector, plan.begun)
        ended = _row(u, plan, port, halts, start, most, vector, plan.ended)
        end = plan.path + max(begun + plan.head - 1, ended + plan.beat - 1)
    each = max(plan.head, float(w.state))
    end = max(end, x + (net.heads - 1) * plan.each + each - 1)
    if not d.spilled:
        return end, halts
    return _spilled(net, d, u, w, plan, port, halts, start, written, (x, end, each))


@_inlined
def _spilled(
    net: Any,
    d: Any,
    u: Any,
    w: Words,
    plan: Plan,
    port: Port,
    halts: Halts,
    start: int,
    written: float,
    scan: tuple[float, float, float],
) -> tuple[float, Halts]:
    """The same where the state comes from memory and goes back.

    scan = (first tile, last one if nothing waited for memory, cycles of a head).
    """  # fmt: skip
    x, end, each = scan
    heads, several = net.heads, max(1, d.port_bits // u.state)
    most = max(written, written + (heads - 1) * w.state)
    if d.buffers > 1:
        waiting, left = 2 * w.state, 2 * each
    else:
        waiting, left = 3 * _up(u.state, d.port_bits), 3.0 * several
    if d.naive and waiting < heads * w.state:
        word = start + w.first * plan.in_proj.words + w.state_packet - w.state + waiting
        halts = _halt(port, halts, word, written, x + several)
    last = start + w.last * plan.in_proj.words + heads * w.state_packet - 1
    end = max(end, _taken(port, halts, last, most) + 2)
    # Bursts of a head's words that go back, each with the time to its response.
    bursts = heads * (1 + (w.state - 1) / port.burst) - port.outstanding
    words = heads * w.state - port.outstanding * port.burst
    back = bursts * (d.latency + 3) + words * (1 + port.per_word)
    end = max(end, x + max(float(heads * w.state), back * port.share))
    if d.buffers == 1 and not d.naive:
        end = max(end, x + each + (heads - 1) * _one_buffer(net, d, u, w, plan, port, each))
    return end, _halt(port, halts, last, most, end - left)


@_inlined
def _one_buffer(net: Any, d: Any, u: Any, w: Words, plan: Plan, port: Port, each: float) -> float:
    """Cycles of a head whose state the port hands over word by word: it waits for the head's x,
    and then for its scan, while what is outstanding comes.
    """
    tiles = 2 * net.head_dim / d.rows
    total = tiles * plan.in_proj.words + w.state_packet + w.state
    multiplied = tiles * max(float(plan.in_proj.words), plan.in_proj.cycles / plan.in_proj.tiles)
    wait = float(u.matvec + 3 + plan.path)
    most = port.outstanding * port.burst
    per_word = max(port.per_word, port.period / most)
    return max(multiplied + wait + each, total * per_word, wait + (total - most) * per_word)


@_inlined
def _gated(
    net: Any, d: Any, u: Any, plan: Plan, ended: float, scanned: float, rows: float, group: float
) -> float:
    """When out_proj's vector is loaded.

    `ended`: in_proj's pass; `scanned`: the last tile; `rows`: the last z; `group`: cycles between
    the last beats of two groups.
    """
    y = scanned + u.update + u.scan_quantize + u.read_out + u.quantize + 2
    last = y if d.naive else max(y, rows + u.silu + u.quantize + 2)
    last += u.gate + 2
    beats, latency = plan.vector, u.norm_latency + u.quantize
    scaled = last - (net.groups - 1) * group + u.norm_root + beats
    if net.groups > 1:
        # The first group waits, scaled in part, until in_proj is through.
        scaled = max(scaled, ended + 2 + beats - latency)
    for at in range(1, net.groups):
        there = last - (net.groups - 1 - at) * group
        scaled = max(scaled + 1 + beats, there) + u.norm_root + beats
    return scaled + latency + u.hadamard


@_inlined
def _layer(
    net: Any,
    d: Any,
    u: Any,
    w: Words,
    plan: Plan,
    room: Room,
    port: Port,
    halts: Halts,
    base: int,
    written: float,
    normed: float,
) -> tuple[float, Halts]:
    """When the last beat of the next residual stream enters the norm, if this one's does so on
    `normed`; the layer's words begin at `base`.
    """  # fmt: skip
    in_proj, out_proj = plan.in_proj, plan.out_proj
    start, out, end = base + plan.start, base + plan.out, base + w.layer
    after = written + net.heads * w.state

    vector = normed + u.norm_root + plan.model + u.norm_latency + u.quantize
    halts = _halt(port, halts, base + room.in_proj, written, vector + 1 + plan.several)
    vector = max(vector, _taken(port, halts, start + in_proj.scales, written) + 1)
    scanned, halts = _scanned(net, d, u, w, plan, port, halts, start, written, vector)
    most = max(written, after - w.state)
    rows = _row(u, plan, port, halts, start, most, vector, plan.z)
    ended = rows + d.rows // d.lanes - 1 - plan.z.beat - plan.cleared
    group = plan.head * net.heads
    if not d.naive:
        # What waits in front of scan and gate bounds how far in_proj runs ahead of them.
        y = scanned + u.update + u.scan_quantize + u.read_out - (9 + u.quantize) * plan.beat
        x = scanned - (19 + 2 * u.quantize) * plan.beat
        ended = max(ended, max(y, x) - plan.cleared)
        group = ended - vector
    gated = _gated(net, d, u, plan, ended, scanned, rows, group / net.groups)

    last = start + in_proj.tiles * in_proj.words + net.heads * w.state_packet - 1
    halts = _halt(port, halts, last, after, ended - in_proj.tail)
    if room.norm >= 0:
        begun = gated - plan.vector * net.groups - u.norm_latency - u.quantize
        halts = _halt(port, halts, base + room.norm, after, begun)
    if room.out_proj >= 0:
        halts = _halt(port, halts, base + room.out_proj, after, gated + 1 + plan.several)
    gated = max(gated, _taken(port, halts, out + out_proj.scales, after) + 1)
    ended = max(gated + out_proj.cycles, _taken(port, halts, end - 1, after) + 2)
    dropped = (out_proj.tiles * d.rows - net.d_model) // d.lanes
    updated = ended + plan.cleared - dropped + u.residual + 2
    return updated, _halt(port, halts, end - 1, after, ended - out_proj.tail)


@_inlined
def _first_normed(net: Any, d: Any, u: Any, port: Port) -> float:
    """When the last beat of the embedding enters the norm."""
    several, span = max(1, d.port_bits // u.embedding), _up(u.embedding, d.port_bits)
    beats, bursts = net.d_model // d.lanes, _up(port.row, port.burst)
    hops = (bursts - 1) // port.outstanding
    words = port.row - hops * port.outstanding * port.burst - 1
    last = max((port.row - 1) / port.rate, hops * port.period + words / port.rate)
    return port.begin + max(last + 2 + (beats - 1) % several, 1.0 + span + beats)


@_inlined
def _head(
    net: Any,
    d: Any,
    u: Any,
    w: Words,
    plan: Plan,
    port: Port,
    halts: Halts,
    base: int,
    written: float,
    normed: float,
) -> float:
    """When the next token leaves, counted as if the next row came right behind it."""  # fmt: skip
    of = plan.head_pass
    start = base + w.head_prefix + w.head_begin
    end = start + of.tiles * of.words
    prefix = _up(end, port.burst) * port.burst
    vector = normed + u.norm_root + plan.model + u.norm_latency + u.quantize
    word, more = _behind(port.room, start, of)
    if more < 0:
        halts = _halt(port, halts, word, written, vector + 1 + plan.several)
    else:
        free, span, whole = _norm_places(net, d, u)
        free += whole - _up(plan.model, max(1, d.port_bits // u.norm))
        if free < whole:
            word = prefix + w.before_norm + 1 + max(0, free) * span
            begun = vector - plan.model - u.norm_latency - u.quantize
            halts = _halt(port, halts, word, written, begun)
    vector = max(vector, _taken(port, halts, start + of.scales, written) + 1)
    ended = max(vector + of.cycles, _taken(port, halts, end - 1, written) + 2)
    halts = _halt(port, halts, end - 1, written, ended - of.tail)
    dropped = of.tiles * d.rows // d.lanes - _up(net.vocab, d.lanes)
    token = ended + plan.cleared - dropped + u.argmax
    # The next row's burst comes behind the prefix.
    following = _up(prefix + w.prefix, port.burst) * port.burst
    row = _taken(port, halts, following, written, following - end - w.prefix)
    return token + max(0.0, row - token - port.begin)


@_inlined
def _later(port: Port, halt: Halt, words: int, written: float, cycles: float) -> Halt:
    """The same halt `words` further on in the stream."""
    line = halt.line + cycles - (words + written) * port.per_word
    if not halt.there:
        return Halt(halt.word, halt.edge, halt.written, line, False)
    return Halt(halt.word + words, halt.edge + cycles, halt.written + written, line, True)


@_inlined
def _token(net: Any, d: Any, u: Any, w: Words) -> float:
    """Cycles from a token to the next."""
    port = _port(net, d, u, w)
    plan = _plan(net, d, u, w, port)
    none = Halt(w.prefix, 0.0, 0.0, port.begin + (w.row - w.prefix) / port.rate, False)
    halts = none, none
    normed, before = _first_normed(net, d, u, port), 0.0
    base, written, layer = 0, 0.0, 0
    state = float(net.heads * w.state)
    while layer < net.layers:
        if layer == RUN_IN - 1 and net.layers > RUN_IN:
            more = net.layers - RUN_IN
            cycles = (normed - before) * more
            words = w.layer * more
            halts = (
                _later(port, halts[0], words, state * more, cycles),
                _later(port, halts[1], words, state * more, cycles),
            )
            normed, base, written = normed + cycles, base + words, written + state * more
            layer += more
        before = normed
        room = plan.last if layer == net.layers - 1 else plan.middle
        normed, halts = _layer(net, d, u, w, plan, room, port, halts, base, written, normed)
        base, written, layer = base + w.layer, written + state, layer + 1
    return _head(net, d, u, w, plan, port, halts, base, written, normed)


@njit(cache=True, error_model="numpy")
def tokens(net: Any, designs: Any, units: Any, which: Any, told: NDArray[np.float64]) -> None:
    """Fill `told` (designs, 6): cycles of a token, those that it needs at least on the port, on the
    multipliers and in the scan, words that are read and written.

    The other arguments are records, as `hwsim.closed_form` makes them: of a shape (1,), of designs,
    and of their units, where `which` (designs,) are those of each.
    """
    shape = net[0]
    for at in range(len(designs)):
        d, u = designs[at], units[which[at]]
        if not u.fits:
            told[at, :4] = np.nan
            continue
        w = _words(shape, d, u)
        written = shape.layers * shape.heads * w.state
        rate = d.rate
        if d.refresh_interval:
            rate *= 1 - d.refresh_cycles / d.refresh_interval
        layer = w.in_tiles * (shape.d_model // d.columns)
        layer += w.out_tiles * (shape.inner // d.columns)
        told[at, 1] = (w.read + written) / rate
        told[at, 2] = shape.layers * layer + w.head_tiles * (shape.d_model // d.columns)
        told[at, 3] = shape.layers * shape.inner * shape.state // (d.channels * d.states)
        bound = max(told[at, 1], told[at, 2], told[at, 3])
        told[at, 0] = max(_token(shape, d, u, w), bound)
        told[at, 4], told[at, 5] = w.read, written
