"""The plan of a token: what is the same in each of its layers."""

from typing import Any, NamedTuple

from hwsim.passes.port import Port
from hwsim.passes.words import SHORTEST, Words, per_word, span, up
from models.compiled import inlined

QUEUED = 2
"""Edges in an empty queue."""
SERIALIZED = 1
"""Edge on which a tile's first beat leaves, behind the one on which the matvec unit hands it on."""
BEGUN = 1
"""Edge from a vector's last beat to the first weights."""


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
    """What each layer has to do, and with what.

    start, out    first words of the tiles of in_proj and out_proj, from that of the layer
    middle, last  what has no room, in the last layer and in those before
    first ... z   rows that the scan and the gate wait for: the first of x (or of the time steps,
                  where x waits for them), the first and the last of the last head's x, the last
    path          edges from a row of x to the tile that the scan begins with it
    gate_path     edges from a tile of the scan to the beat of y that waits for z
    beat, head    cycles of the scan for a beat of x, and for a head
    each          cycles from a head to the next, when the scan is behind
    vector, model beats of a group of the gated norm, of the residual stream
    several       beats of weights in a word
    cleared       edges from a tile's last weights to its last beat
    starved       cycles without weights for a word of state that comes among them
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
    gate_path: int
    beat: float
    head: float
    each: float
    vector: int
    model: int
    several: int
    cleared: int
    starved: float


class Case(NamedTuple):
    """A network on a design, with what follows from both."""

    net: Any
    d: Any
    u: Any
    w: Words
    port: Port
    plan: Plan


@inlined
def plan_of(net: Any, d: Any, u: Any, w: Words, port: Port) -> Plan:
    """The plan of all layers of a token."""
    in_proj = _pass(d, u, port, w, net.d_model, w.in_tiles, w.in_scales, w.in_weights)
    out_proj = _pass(d, u, port, w, net.inner, w.out_tiles, w.out_scales, w.out_weights)
    head_pass = _pass(d, u, port, w, net.d_model, w.head_tiles, w.in_scales, w.in_weights)
    start = w.prefix + w.in_begin
    out = start + w.in_tiles * in_proj.words + net.heads * w.state_packet + w.out_begin
    passes = in_proj, out_proj, head_pass
    middle = _middle_room(net, d, u, w, port, passes, start, out)
    last = _last_room(net, d, u, w, port, passes, start, out)
    first, begun, ended, z = _rows(net, d, w)
    tiles = d.lanes // d.channels * (net.state // d.states)
    beats = net.head_dim // d.lanes
    path = 2 * u.quantize + u.conv1d + u.silu + QUEUED + u.discretize
    gate_path = u.update + u.scan_quantize + u.read_out + u.quantize + QUEUED
    each = max(float(tiles * beats), float(w.state))
    each = max(each, _held(d, u, tiles, beats, path + gate_path))
    return Plan(
        in_proj, out_proj, head_pass, start, out, middle, last,
        first, begun, ended, z, path, gate_path, float(tiles), float(tiles * beats), each,
        net.inner // net.groups // d.lanes, net.d_model // d.lanes, per_word(u.weights, w.width),
        d.rows // d.lanes + u.matvec + QUEUED, _starved(d, w, port, in_proj),
    )  # fmt: skip


@inlined
def _pass(
    d: Any, u: Any, port: Port, w: Words, columns: int, tiles: int, scales: int, weights: int
) -> Pass:
    beats, words = columns // d.columns, scales + weights
    tile = max(beats, d.rows // d.lanes)
    # Bursts that hop are bridged by those behind them and by the words that wait, until the queue
    # is empty.
    bridged = (port.outstanding - 1) * port.burst + port.room * words / weights
    lost = max(0.0, port.hop + QUEUED - bridged * tile / words)
    cycles = tiles * tile + lost * tiles * words / (port.outstanding * port.burst)
    waiting = port.room // span(u.weights, w.width) * per_word(u.weights, w.width)
    return Pass(tiles, words, scales, cycles, waiting * tile / beats)


@inlined
def _starved(d: Any, w: Words, port: Port, in_proj: Pass) -> float:
    """Cycles of the multipliers that a word of state costs which is read ahead of its scan.

    While a head's state is read, they have the weights that wait; one that is not read ahead is
    scanned meanwhile, see `hwsim.passes.scan`.
    """
    if not d.spilled or d.naive or d.buffers == 1:
        return 0.0
    read = w.state_packet * port.per_word
    if port.hops:
        read = w.state_packet * port.period * port.share / port.burst + w.state * port.written
    return max(0.0, read - in_proj.tail) / w.state_packet


@inlined
def _rows(net: Any, d: Any, w: Words) -> tuple[Row, Row, Row, Row]:
    """Of `Plan`: first, begun, ended, z, as `models.networks.order` has them."""
    shared = up(net.heads, d.lanes) * d.lanes + 2 * net.groups * net.state
    first = 2 * net.inner + 2 * net.groups * net.state if d.naive else shared
    begun = shared + (2 * net.heads - 2) * net.head_dim
    ended, z = begun + net.head_dim - 1, 2 * net.inner + shared - 1
    before = (net.heads - 1) * w.state_packet
    return (
        Row(first // d.rows + 1, 0, _beat(d, first)),
        Row(begun // d.rows + 1, before, _beat(d, begun)),
        Row(w.last, before, _beat(d, ended)),
        Row(w.in_tiles, before + w.state_packet, _beat(d, z)),
    )


@inlined
def _beat(d: Any, row: int) -> int:
    """Place of a row's beat in its tile."""
    return row // d.lanes % (d.rows // d.lanes)


@inlined
def _behind(room: int, begin: int, of: Pass) -> tuple[int, int]:
    """The word behind the first `room` words of weights of a matrix, and how many it lacks."""
    weights = of.words - of.scales
    ahead = room // weights
    word = begin + ahead * of.words + of.scales + room - ahead * weights
    return word, room - of.tiles * weights


@inlined
def _middle_room(
    net: Any,
    d: Any,
    u: Any,
    w: Words,
    port: Port,
    passes: tuple[Pass, Pass, Pass],
    start: int,
    out: int,
) -> Room:
    """Of a layer that another follows."""
    in_proj, out_proj, _ = passes
    before, more = _behind(port.room, start, in_proj)
    if more >= 0:
        before, more = _behind(more, out, out_proj)
        if more >= 0:
            before = w.layer + w.steps
    elif before > start + w.first * in_proj.words:
        before += w.state_packet
    behind, more = _behind(port.room, out, out_proj)
    if more >= 0:
        behind, more = _behind(more, w.layer + start, in_proj)
    free, words, whole = norm_places(net, d, u, w)
    free += net.d_model // d.lanes // per_word(u.norm, w.width)
    norm = w.layer + w.before_norm + 1 + max(0, free) * words
    return Room(before, behind, -1 if free >= whole or 0 <= behind <= norm else norm)


@inlined
def _last_room(
    net: Any,
    d: Any,
    u: Any,
    w: Words,
    port: Port,
    passes: tuple[Pass, Pass, Pass],
    start: int,
    out: int,
) -> Room:
    """Of the last layer, behind which come the head and, as another read, the next prefix."""
    in_proj, out_proj, head = passes
    begin = w.layer + w.head_prefix + w.head_begin
    end = begin + head.tiles * head.words
    layers = (net.layers - 1) * w.layer
    prefix = up(layers + end, port.burst) * port.burst - layers
    before, more = _behind(port.room, start, in_proj)
    if more >= 0:
        before, more = _behind(more, out, out_proj)
        if more >= 0:
            before, more = _behind(more, begin, head)
        if more >= 0:
            before = prefix + w.steps
    elif before > start + w.first * in_proj.words:
        before += w.state_packet
    behind, more = _behind(port.room, out, out_proj)
    if more >= 0:
        behind, more = _behind(more, begin, head)
        if more >= 0:
            behind = -1
    free, words, whole = norm_places(net, d, u, w)
    beats, several = net.d_model // d.lanes, per_word(u.norm, w.width)
    free += beats // several - up(beats, several)
    norm = prefix + w.before_norm + 1 + max(0, free) * words
    return Room(before, behind, -1 if free >= whole or behind >= 0 else norm)


@inlined
def norm_places(net: Any, d: Any, u: Any, w: Words) -> tuple[int, int, int]:
    """Places in the queue of the norm's weights that a layer's leave; words of one; a layer's."""
    several = per_word(u.norm, w.width)
    whole = up((net.d_model + net.inner) // d.lanes, several)
    return max(SHORTEST, whole + (several > 1)) - whole, span(u.norm, w.width), whole


@inlined
def _held(d: Any, u: Any, tiles: int, beats: int, path: int) -> float:
    """Cycles of a head whose z holds up the next one's x, since it waits for its own y.

    z waits in the pipeline of its activation, two banks of whole groups, the quantizer's pipeline
    and a queue; in_proj goes on when the rest has found room. 0 where all of z does.
    """
    group, queued = max(1, u.group // d.lanes), u.rows_queue + u.z_queue
    banks = 0
    if group > 1:
        banks = group + (group - queued % group if queued % group else group)
    outside = beats - u.silu - queued - banks
    if d.naive or outside <= 0:
        return 0.0
    return float(up(outside, group) * group * tiles + path)
