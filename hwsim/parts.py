"""The parts that an accelerator's time is made of, compiled: what each does on a clock edge.

Parts are joined by channels, each with a producer and a consumer. On an edge, a channel is `valid`
when its producer offers a beat and `ready` when its consumer would take it; both together move a
beat. Beats have no content. What a part knows about them (which output a step names, how many
beats a pass has) lies in `tables`, the same for every token.

All of it is in one file, for numba compiles it as a whole, and again when this file has changed.

An edge has three rounds:

1. `offer`: parts without a register at their output pass `valid` on, producers first;
2. `step`: parts whose `ready` follows their output's, consumers first, move their beats and set
   their registers; valid of a registered output changes after the edge (`then_valid`);
3. queues and gathering banks, whose `valid` and `ready` both come from registers.

A part's function takes its channels `io` (those it takes from, gives to, and only looks at), its
constants `p`, its registers `s` and the wires, and returns its activity.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from models.compiled import compiled, inlined
from models.counters import Activity

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

BUSY, INPUT, OUTPUT, MEMORY_READ, MEMORY_WRITE, STATE, FILL = (int(each) for each in Activity)

KINDS = (
    "fork", "switch", "select", "widen", "narrow", "fetch",
    "pipe", "serialize", "norm", "matvec", "discretize", "update", "read_out",
    "hadamard", "spill", "reader", "writer", "sequence", "queue", "gather",
)  # fmt: skip
(
    FORK, SWITCH, SELECT, WIDEN, NARROW, FETCH,
    PIPE, SERIALIZE, NORM, MATVEC, DISCRETIZE, UPDATE, READ_OUT,
    HADAMARD, SPILL, READER, WRITER, SEQUENCE, QUEUE, GATHER,
) = range(len(KINDS))  # fmt: skip
OFFERING = (FORK, SWITCH, SELECT, WIDEN, NARROW, FETCH)
"""Kinds that take part in the first round."""
REGISTERED = (QUEUE, GATHER)
"""Kinds of the third round, instead of the second."""
REGISTERS = 64
"""Of each part, at most."""


class Wires(NamedTuple):
    """The handshakes of all channels, on this edge and after it."""

    valid: Flags
    ready: Flags
    then_valid: Flags
    then_ready: Flags


@intrinsic
def _unowned(context: Any, array: Any) -> Any:
    """The same array without its owner, whose references numba would count all the time.

    For what the caller of compiled code keeps.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        struct = cgutils.create_struct_proxy(array)(context, builder, value=arguments[0])
        struct.meminfo = cgutils.get_null_value(struct.meminfo.type)
        return struct._getvalue()

    return array(array), build


# Routing.


@inlined
def _fork_offer(io: Integers, p: Integers, s: Integers, w: Wires) -> None:
    """Each output takes a beat when it can; p: outputs, s: has each taken."""
    for at in range(p[0]):
        w.valid[io[1 + at]] = w.valid[io[0]] and not s[at]


@inlined
def _fork(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    if w.valid[io[0]]:
        through = True
        for at in range(p[0]):
            s[at] |= w.ready[io[1 + at]]
            through = through and s[at] == 1
        if through:
            w.ready[io[0]] = True
            s[: p[0]] = 0
    return INPUT


@inlined
def _switch_offer(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> None:
    """A step's beats go to the output that it names; p: steps, their count, outputs."""
    port = tables[p[0] + 2 * s[0]]
    if port < p[2]:
        w.valid[io[2 + port]] = w.valid[io[0]] and w.valid[io[1]]


@inlined
def _switch(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    if w.valid[io[0]] and w.valid[io[1]]:
        port = tables[p[0] + 2 * s[0]]
        if port >= p[2] or w.ready[io[2 + port]]:
            w.ready[io[0]] = True
            w.ready[io[1]] = _last_of_step(p, s, tables)
    return INPUT


@inlined
def _select_offer(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> None:
    """A step's beats come from the input that it names; p: steps, their count, inputs."""
    port = tables[p[0] + 2 * s[0]]
    w.valid[io[1 + p[2]]] = w.valid[io[0]] and w.valid[io[1 + port]]


@inlined
def _select(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    out = io[1 + p[2]]
    if w.valid[out] and w.ready[out]:
        w.ready[io[1 + tables[p[0] + 2 * s[0]]]] = True
        w.ready[io[0]] = _last_of_step(p, s, tables)
    return INPUT


@inlined
def _last_of_step(p: Integers, s: Integers, tables: Integers) -> bool:
    """Count a beat of the step in front; s: step, its beats so far."""
    s[1] += 1
    if s[1] < tables[p[0] + 2 * s[0] + 1]:
        return False
    s[0], s[1] = (s[0] + 1) % p[1], 0
    return True


@inlined
def _widen_offer(io: Integers, p: Integers, s: Integers, w: Wires) -> None:
    """Of `p[0]` beats one; s: beats that are kept."""
    w.valid[io[1]] = w.valid[io[0]] and s[0] == p[0] - 1


@inlined
def _widen(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    complete = s[0] == p[0] - 1
    if w.valid[io[0]] and (w.ready[io[1]] or not complete):
        w.ready[io[0]] = True
        s[0] = 0 if complete else s[0] + 1
    return INPUT


@inlined
def _narrow_offer(io: Integers, w: Wires) -> None:
    """Of a word several beats, in runs whose last word may hold fewer.

    p: beats in a word, runs (beats, repeats), their count. s: beats of the word that are gone, of
    the run in words that are, repeats that are, run.
    """
    w.valid[io[1]] = w.valid[io[0]]


@inlined
def _narrow(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    if w.valid[io[1]] and w.ready[io[1]]:
        s[0] += 1
        run = p[1] + 2 * s[3]
        ends = s[0] + s[1] == tables[run]
        if ends or s[0] == p[0]:
            w.ready[io[0]] = True
            s[0], s[1] = 0, 0 if ends else s[1] + p[0]
        if ends:
            s[2] += 1
            if s[2] == tables[run + 1]:
                s[2], s[3] = 0, (s[3] + 1) % p[2]
    return INPUT


@inlined
def _queue(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """A buffered queue: p[0] places and the register at its output; s: places in use."""
    source, out = io[0], io[1]
    writes = w.valid[source] and s[0] < p[0]
    reads = s[0] > 0 and (w.ready[out] or not w.valid[out])
    s[0] += writes
    s[0] -= reads
    w.then_valid[out] = reads or (w.valid[out] and not w.ready[out])
    w.then_ready[source] = s[0] < p[0]
    return INPUT


# Pipelines.


@inlined
def _pipe(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """A rigid pipeline; p: stages, data inputs, all inputs, inputs' beats for one of the output.

    s: a bit for each stage but the last, which is the output's register; beats of the next output.
    """
    stages, data, inputs, every = p[0], p[1], p[2], p[3]
    out = io[inputs]
    at = BUSY
    for each in range(inputs):
        if not w.valid[io[each]]:
            at = INPUT if each < data else MEMORY_READ
            break
    if w.valid[out] and not w.ready[out]:
        return OUTPUT if at == BUSY else at
    beats = s[0] << 1
    if at == BUSY:
        for each in range(inputs):
            w.ready[io[each]] = True
        s[1] += 1
        if s[1] == every:
            s[1] = 0
            beats |= 1
    w.then_valid[out] = beats >> (stages - 1) & 1
    s[0] = beats & (1 << (stages - 1)) - 1
    return at


@inlined
def _gather(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """Two banks of `p[0]` beats; s: beats that came into one, left the other, banks that are full.

    A bank is handed on when it is full.
    """
    source, out = io[0], io[1]
    at = INPUT
    full = s[2]
    if w.valid[source]:
        at = OUTPUT
        if full < 2:
            at = BUSY
            s[0] += 1
            if s[0] == p[0]:
                s[0] = 0
                s[2] += 1
    if full > 0 and w.ready[out]:
        s[1] += 1
        if s[1] == p[0]:
            s[1] = 0
            s[2] -= 1
    w.then_valid[out] = s[2] > 0
    w.then_ready[source] = s[2] < 2
    return at


@inlined
def _serialize(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """A tile leaves in `p[0]` beats; s: those that are left."""
    source, out = io[0], io[1]
    s[0] -= w.valid[out] and w.ready[out]
    if w.valid[source] and s[0] == 0:
        w.ready[source] = True
        s[0] = p[0]
    w.then_valid[out] = s[0] > 0
    return INPUT


# Units.


@inlined
def _norm(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    """One vector at a time; p: latency, cycles until the root, passes (beats), their count.

    s: phase, what is left of it, pipeline, pass.
    """
    source, begin, weights, out = io[0], io[1], io[2], io[3]
    phase = s[0]
    at = FILL
    scaled = 0
    free = w.ready[out] or not w.valid[out]
    if phase == 0:
        if w.valid[begin]:
            w.ready[begin] = True
            s[0], s[1] = 1, tables[p[2] + s[3]]
        else:
            at = MEMORY_READ
    elif phase == 1:
        at = INPUT
        if w.valid[source]:
            at = BUSY
            w.ready[source] = True
            s[1] -= 1
            if s[1] == 0:
                s[0], s[1] = 2, p[1]
    elif phase == 2:
        s[1] -= 1
        if s[1] == 0:
            s[0], s[1] = 3, tables[p[2] + s[3]]
    elif not w.valid[weights]:
        at = MEMORY_READ
    elif not free:
        at = OUTPUT
    else:
        at = BUSY
        scaled = 1
        w.ready[weights] = True
        s[1] -= 1
        if s[1] == 0:
            s[0], s[3] = 0, (s[3] + 1) % p[3]
    if free:
        beats = s[2] << 1 | scaled
        w.then_valid[out] = beats >> (p[0] - 1) & 1
        s[2] = beats & (1 << (p[0] - 1)) - 1
    return at


_BANK, _PLACE, _TURN, _READ, _COMPLETE, _FOLDS = range(6)
"""Of a Hadamard unit; from the last on, three for each fold."""


@inlined
def _hadamard(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    """Blocks are gathered in banks and read row by row; halves of rows wait in folds.

    p: banks (1: none), beats of a bank, folds (beats that each delays by, stages behind it), their
    count. s: bank and place to fill, row and place to read, whether all banks are full; for each
    fold the pipeline behind it, beats of both halves that have come, differences left to follow.
    """
    source, out = io[0], io[1]
    advance = w.ready[out] or not w.valid[out]
    willing, valid = advance, w.valid[source]
    if p[0] > 1:
        last = p[0] - 1
        willing = s[_COMPLETE] == 0 or (s[_TURN] == last and s[_PLACE] < s[_READ])
        valid = s[_COMPLETE] == 1 or (s[_BANK] == last and s[_PLACE] > s[_READ])
        if w.valid[source] and willing and _ends_block(p, s, _PLACE, _BANK):
            s[_COMPLETE] = 1
        if valid and advance and _ends_block(p, s, _READ, _TURN):
            s[_COMPLETE] = 0
    at = INPUT
    if w.valid[source]:
        at = BUSY if willing else OUTPUT
        w.ready[source] = willing
    if advance:
        for fold in range(p[3]):
            apart, stages = tables[p[2] + 2 * fold], tables[p[2] + 2 * fold + 1]
            own = s[_FOLDS + 3 * fold : _FOLDS + 3 * fold + 3]
            if apart > 0:
                comes, second, following = valid, own[1] >= apart, own[2] > 0
                valid = following or (comes and second)
                own[2] -= following
                if comes:
                    own[1] += 1
                    if own[1] == 2 * apart:
                        own[1], own[2] = 0, apart
            beats = own[0] << 1 | valid
            valid = beats >> stages & 1 == 1
            own[0] = beats & (1 << stages) - 1
        w.then_valid[out] = valid
    return at


@inlined
def _ends_block(p: Integers, s: Integers, place: int, turn: int) -> bool:
    """Go on by a place of a bank, and after the last by a turn; whether that was the last one."""
    s[place] += 1
    if s[place] < p[1]:
        return False
    s[place] = 0
    s[turn] = (s[turn] + 1) % p[0]
    return s[turn] == 0


@inlined
def _matvec(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    """A vector is loaded, then weights are multiplied; scales and biases are taken on the way.

    p: latency, stage that takes scales, beats that fill a word of the vector, words of a weight
    group, passes (words of the vector, tiles), their count. s: phase, place in the vector, beats
    or words of the group so far, tiles that are left, pass, and for each stage whether it holds the
    end of a weight group, the end of a row.
    """
    source, begin, weights, scales, bias, out = io[0], io[1], io[2], io[3], io[4], io[5]
    words = tables[p[4] + 2 * s[4]]
    scaled, biased = s[5] >> (p[1] - 1) & 1, s[6] >> (p[0] - 2) & 1
    fed = (w.valid[scales] or not scaled) and (w.valid[bias] or not biased)
    advance = fed and (w.ready[out] or not w.valid[out])
    ends_group, ends_row = False, False
    at = FILL
    if s[0] == 0:
        if w.valid[begin]:
            w.ready[begin] = True
            s[0], s[3] = 1, tables[p[4] + 2 * s[4] + 1]
        else:
            at = MEMORY_READ
    elif s[0] == 1:
        if w.valid[source]:
            w.ready[source] = True
            s[2] += 1
            if s[2] == p[2]:
                s[2] = 0
                s[1] += 1
                if s[1] == words:
                    s[0], s[1] = 2, 0
        else:
            at = INPUT
    elif not w.valid[weights] or not fed:
        at = MEMORY_READ
    elif not advance:
        at = OUTPUT
    else:
        at = BUSY
        w.ready[weights] = True
        s[1] += 1
        s[2] += 1
        ends_row = s[1] == words
        ends_group = ends_row or s[2] == p[3]
        if ends_group:
            s[2] = 0
        if ends_row:
            s[1] = 0
            s[3] -= 1
            if s[3] == 0:
                s[0], s[4] = 0, (s[4] + 1) % p[5]
    if advance:
        w.ready[scales], w.ready[bias] = scaled, biased
        w.then_valid[out] = biased
        s[5] = (s[5] << 1 | ends_group) & (1 << p[1]) - 1
        s[6] = (s[6] << 1 | ends_row) & (1 << (p[0] - 1)) - 1
    else:
        w.then_valid[out] = w.valid[out] and not w.ready[out]
    return at


@inlined
def _discretize(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """Heads one by one, then beats of x whose heads are known.

    p: heads, lanes, beats of a head, stages of the heads, stages of x. s: heads that were taken,
    of this beat, known; heads and beats of x that were taken; both pipelines.
    """
    source, heads, weights, out = io[0], io[1], io[2], io[3]
    head, known = s[0], s[2]
    offered = w.valid[source] and s[3] < known
    advance = w.ready[out] or not w.valid[out]
    taken = offered and advance

    takes_head = head < p[0] and w.valid[heads] and w.valid[weights]
    if taken:
        at = BUSY
    elif not w.valid[source]:
        at = INPUT
    elif offered:
        at = OUTPUT
    elif head == p[0] or takes_head:
        at = FILL
    else:
        at = MEMORY_READ if w.valid[heads] else INPUT

    s[2] += s[5] >> (p[3] - 1) & 1
    s[5] = (s[5] << 1 | takes_head) & (1 << p[3]) - 1
    if takes_head:
        s[0] += 1
        s[1] += 1
        if s[1] == p[1] or s[0] == p[0]:
            s[1] = 0
            w.ready[heads] = w.ready[weights] = True
    if taken:
        w.ready[source] = True
        s[4] += 1
        if s[4] == p[2]:
            s[4] = 0
            s[3] += 1
            if s[3] == p[0]:
                s[0] = s[2] = s[3] = 0
    if advance:
        beats = s[6] << 1 | taken
        w.then_valid[out] = beats >> (p[4] - 1) & 1
        s[6] = beats & (1 << (p[4] - 1)) - 1
    return at


@inlined
def _update(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """The scan's first half: B and C are filled, then a tile is begun on each edge.

    p: beats of B and of C, tiles of a beat, tiles of a token, stages. s: beats of B and of C,
    whether the token's last tile is begun, tile of the beat, of the token, whether the beat's skip
    is handed on, pipeline.
    """
    source, b, c, state, out, skip, done = io[0], io[1], io[2], io[3], io[4], io[5], io[6]
    narrowed, leaving = io[7], io[8]
    filled = s[0] == p[0] and s[1] == p[0] and not s[2]
    takes_b, takes_c = w.valid[b] and s[0] < p[0], w.valid[c] and s[1] < p[0]
    offered = filled and w.valid[source] and w.valid[state]
    first = s[3] == 0
    w.valid[skip] = offered and first and not s[5]
    advance = w.ready[out] or not w.valid[out]
    begins = offered and advance and (w.ready[skip] or s[5] or not first)

    if begins:
        at = BUSY
    elif not filled:
        at = STATE if s[2] else FILL if takes_b or takes_c else INPUT
    elif not w.valid[source]:
        at = INPUT
    elif not w.valid[state]:
        at = MEMORY_READ
    else:
        at = MEMORY_WRITE if w.valid[narrowed] and not w.ready[leaving] else OUTPUT

    w.ready[b], w.ready[c] = takes_b, takes_c
    s[0] += takes_b
    s[1] += takes_c
    if w.valid[skip] and w.ready[skip]:
        s[5] = 1
    if begins:
        w.ready[state] = True
        s[5] = 0
        s[3] += 1
        s[4] += 1
        if s[3] == p[1]:
            s[3] = 0
            w.ready[source] = True
        if s[4] == p[2]:
            s[4], s[2] = 0, 1
    if w.ready[done]:
        s[0] = s[1] = s[2] = 0
    if advance:
        beats = s[6] << 1 | begins
        w.then_valid[out] = beats >> (p[3] - 1) & 1
        s[6] = beats & (1 << (p[3] - 1)) - 1
    return at


@inlined
def _read_out(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """The scan's second half: a narrowed tile is kept or leaves, and is read out.

    p: tiles of a beat, tiles of a token, stages. s: tile of the beat, of the token, pipeline.
    """
    source, skips, done, out, leaving = io[0], io[1], io[2], io[3], io[4]
    if w.valid[out] and not w.ready[out]:
        return INPUT
    beats = s[2] << 1
    w.valid[leaving] = w.valid[source]
    if w.valid[source] and w.ready[leaving]:
        w.ready[source] = True
        s[0] += 1
        s[1] += 1
        if s[0] == p[0]:
            s[0] = 0
            beats |= 1
        if s[1] == p[1]:
            s[1] = 0
            w.ready[done] = True
    handed = beats >> (p[2] - 1) & 1
    w.ready[skips] = handed
    w.then_valid[out] = handed
    s[2] = beats & (1 << (p[2] - 1)) - 1
    return INPUT


# Memory and its words.

_TOKEN, _PACKET, _SECOND, _LEFT, _REPEATS, _WORD = range(6)


@inlined
def _fetch_offer(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> None:
    """Words to the targets that packets name, as `models.units.fetch` has it.

    p: packets (first target, beats, second target, beats, repeats) of a token of the prompt and
    then of a later one, how many there are of each, tokens of the prompt, for each target (beats in
    a word, words of a beat), number of targets. s: token, packet, part, beats that are left of it,
    repeats that are left (0 before a header), word of the beat.
    """
    if s[_REPEATS] > 0:
        target = tables[_packet(p, s) + 2 * s[_SECOND]]
        complete = s[_WORD] == tables[p[3] + 2 * target + 1] - 1
        w.valid[io[1 + target]] = w.valid[io[0]] and complete


@inlined
def _packet(p: Integers, s: Integers) -> int:
    """Where the packet lies that fetch is at."""
    later = s[_TOKEN] >= p[2]
    return p[0] + 5 * (s[_PACKET] + later * p[1])


@inlined
def _fetch(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    source, packet = io[0], _packet(p, s)
    if not w.valid[source]:
        return MEMORY_READ if w.valid[io[1 + p[4]]] else INPUT
    if s[_REPEATS] == 0:
        w.ready[source] = True
        s[_REPEATS], s[_SECOND], s[_LEFT] = tables[packet + 4], 0, tables[packet + 1]
        return BUSY
    target = tables[packet + 2 * s[_SECOND]]
    complete = s[_WORD] == tables[p[3] + 2 * target + 1] - 1
    if complete and not w.ready[io[1 + target]]:
        return OUTPUT
    w.ready[source] = True
    if not complete:
        s[_WORD] += 1
        return BUSY
    s[_WORD] = 0
    s[_LEFT] -= min(s[_LEFT], tables[p[3] + 2 * target])
    if s[_LEFT] == 0:
        if s[_SECOND] == 0 and tables[packet + 3] > 0:
            s[_SECOND], s[_LEFT] = 1, tables[packet + 3]
        else:
            s[_SECOND], s[_LEFT] = 0, tables[packet + 1]
            s[_REPEATS] -= 1
            if s[_REPEATS] == 0:
                s[_PACKET] += 1
                if s[_PACKET] == p[1]:
                    s[_PACKET] = 0
                    s[_TOKEN] += 1
    return BUSY


LATENCY, SCALE, COST, INTERVAL, REFRESH, OUTSTANDING, FREE = range(7)
"""Of the memory: what `hwsim.memory.Server` keeps, and from when on it is free."""


@compiled(error_model="numpy")
def accept(memory: Integers, beats: int, edge: int) -> int:
    """Take a burst on `edge`, as `hwsim.memory.Server.accept`: when its first beat begins."""
    ready = edge + memory[LATENCY]
    interval, refresh = memory[INTERVAL], memory[REFRESH]
    if interval and ready >= interval:
        ready -= (ready // interval - 1) * refresh + min(ready % interval, refresh)
    begin = max(memory[FREE], ready * memory[SCALE])
    memory[FREE] = begin + beats * memory[COST]
    return begin


@compiled(error_model="numpy")
def arrival(memory: Integers, begin: int, beat: int) -> int:
    """The edge from which on a beat is there, of a burst that begins at `begin`."""
    edge = -(-(begin + beat * memory[COST]) // memory[SCALE])
    interval, refresh = memory[INTERVAL], memory[REFRESH]
    if interval and edge >= interval:
        edge += (edge - refresh) // (interval - refresh) * refresh
    return edge


(
    _OFFSET, _WORDS, _ASKED, _OVER, _ADDRESS, _ACCEPTED, _BEAT, _THROUGH, _AHEAD, _KNOWN, _PART,
) = range(11)  # fmt: skip


@inlined
def _ask(p: Integers, s: Integers, bursts: Integers, willing: bool) -> tuple[bool, bool, bool]:
    """Ask for the next burst of a read or write, and bring an address to the memory.

    p: words of the largest burst, bursts outstanding. s: where the next burst begins in a largest
    one, words that are left, bursts so far: asked for, over; whether an address is offered; bursts
    that the memory has accepted. `bursts` keeps the beats of those that are not over. Returns
    whether one is accepted, one is asked for, and the next read or write can be taken.
    """
    most = min(p[0] - s[_OFFSET], s[_WORDS])
    asks = s[_WORDS] > 0 and s[_ASKED] - s[_OVER] < p[1] and (willing or not s[_ADDRESS])
    free = s[_WORDS] == 0 or (asks and most == s[_WORDS])
    accepted = willing and s[_ADDRESS] == 1
    if accepted:
        s[_ADDRESS] = 0
        s[_ACCEPTED] += 1
    if asks:
        s[_ADDRESS] = 1
        bursts[s[_ASKED] % p[1], 0] = most
        s[_WORDS] -= most
        s[_OFFSET] = 0
        s[_ASKED] += 1
    return accepted, asks, free


@inlined
def _reader(
    io: Integers,
    p: Integers,
    s: Integers,
    w: Wires,
    memory: Integers,
    bursts: Integers,
    reads: Integers,
    edge: int,
) -> int:
    """Read after read, in bursts, and the memory that answers; p, s: as `_ask`, beat of the oldest
    burst. `bursts` keeps beats, begin.
    """
    source, out, under_way = io[0], io[2], io[3]
    willing = s[_ACCEPTED] - s[_OVER] < memory[OUTSTANDING]
    accepted, _, free = _ask(p, s, bursts, willing)
    if accepted:
        at = (s[_ACCEPTED] - 1) % p[1]
        bursts[at, 1] = accept(memory, bursts[at, 0], edge)
    if free and w.valid[source]:
        w.ready[source] = True
        s[_OFFSET], s[_WORDS] = reads[0], reads[1]
    if w.valid[out] and w.ready[out]:
        s[_BEAT] += 1
        if s[_BEAT] == bursts[s[_OVER] % p[1], 0]:
            s[_BEAT] = 0
            s[_OVER] += 1
    w.then_valid[out] = (
        s[_ACCEPTED] > s[_OVER]
        and arrival(memory, bursts[s[_OVER] % p[1], 1], s[_BEAT]) <= edge + 1
    )
    w.then_valid[under_way] = s[_WORDS] > 0 or s[_ASKED] > s[_OVER]
    return INPUT


@inlined
def _spill(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    """Beats packed into port words, part by part.

    p: beats in a word, words of a beat, parts (beats, place in a largest burst, words), their
    count. s: beats that are left of the part, beats in the word or words of the beat, part.
    """
    steps, source, out, writes = io[0], io[1], io[2], io[3]
    left = s[0]
    w.then_valid[out] = w.valid[out] and not w.ready[out]
    if p[1] > 1:
        gone = s[1] - (w.valid[out] and w.ready[out])
        comes = w.valid[source] and left > 0 and gone == 0
        s[1] = p[1] if comes else gone
        w.then_valid[out] = s[1] > 0
    else:
        complete = left == 1 or s[1] == p[0] - 1
        free = w.ready[out] or not w.valid[out]
        comes = w.valid[source] and left > 0 and (free or not complete)
        if comes:
            s[1] = 0 if complete else s[1] + 1
            w.then_valid[out] = w.then_valid[out] or complete
    w.ready[source] = comes
    s[0] -= comes
    w.then_valid[writes] = w.valid[writes] and not w.ready[writes]
    if w.valid[steps] and s[0] == 0 and not w.then_valid[writes]:
        w.ready[steps] = True
        s[0] = tables[p[2] + 3 * s[2]]
        s[2] = (s[2] + 1) % p[3]
        w.then_valid[writes] = True
    return INPUT


@inlined
def _writer(
    io: Integers,
    p: Integers,
    s: Integers,
    w: Wires,
    memory: Integers,
    bursts: Integers,
    tables: Integers,
    edge: int,
) -> int:
    """Write after write, in bursts, and the memory that answers.

    p: as `_ask`, parts (beats, place in a largest burst, words), their count. s: as `_ask`, word of
    the burst, bursts whose words have all come, lengths of bursts that wait in a queue, whether one
    is at its output, part. `bursts` keeps beats, and the edge from which on a response is offered.
    """
    source, words, under_way = io[0], io[1], io[2]
    willing = s[_ACCEPTED] - s[_OVER] < memory[OUTSTANDING]
    comes = w.valid[words] and s[_KNOWN] == 1 and s[_ACCEPTED] > s[_THROUGH]
    answered = s[_THROUGH] > s[_OVER] and bursts[s[_OVER] % p[1], 1] <= edge
    _, asks, free = _ask(p, s, bursts, willing)
    ends = False
    if comes:
        w.ready[words] = True
        s[_BEAT] += 1
        at = s[_THROUGH] % p[1]
        beats = bursts[at, 0]
        ends = s[_BEAT] == beats
        if ends:
            s[_BEAT] = 0
            s[_THROUGH] += 1
            bursts[at, 1] = arrival(memory, accept(memory, beats, edge), beats - 1)
    s[_OVER] += answered
    shows = s[_AHEAD] > 0 and (ends or s[_KNOWN] == 0)
    s[_KNOWN] = shows or (s[_KNOWN] == 1 and not ends)
    s[_AHEAD] += asks
    s[_AHEAD] -= shows
    if free and w.valid[source]:
        w.ready[source] = True
        part = p[2] + 3 * s[_PART]
        s[_OFFSET], s[_WORDS] = tables[part + 1], tables[part + 2]
        s[_PART] = (s[_PART] + 1) % p[3]
    w.then_valid[under_way] = s[_WORDS] > 0 or s[_ASKED] > s[_OVER]
    return INPUT


(
    _IDLE, _PROMPT, _PREFIX, _RESULT, _ROW, _ASK_ROW, _WRITTEN, _ASK_STREAM,
    _LAST_RESULT, _LAST_WRITTEN,
) = range(10)  # fmt: skip
_PHASE, _BEGUN, _REQUESTED, _FINISHED, _DONE = range(5)


@inlined
def _sequence(
    io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers, reads: Integers, edge: int
) -> int:
    """Tokens one after the other.

    p: tokens in all, of the prompt, from when on it is offered, whether the state is in memory;
    words of a row, of the stream, of its prefix, of the largest burst; where in a largest burst the
    row of each token begins. s: what is waited for, words of the stream that are asked for, tokens
    that are asked for, those whose result is known, whether the run is done. `reads`: where in a
    largest burst what is asked for begins, its words.
    """
    results, out = io[0], io[1]
    written = not (w.valid[io[2]] or w.valid[io[3]] or w.valid[io[4]])
    phase, through, came = s[_PHASE], s[_FINISHED], w.valid[results]
    if came:
        w.ready[results] = True
        s[_FINISHED] += 1
    if phase == _IDLE:
        s[_PHASE] = _PROMPT
    elif phase == _PROMPT:
        s[_BEGUN] = 0
        if edge >= p[2]:
            s[_PHASE] = _ROW
    elif phase == _PREFIX:
        s[_BEGUN] = p[6]
        if w.ready[out]:
            s[_PHASE] = _RESULT
    elif phase == _RESULT:
        if through == s[_REQUESTED]:
            s[_PHASE] = _ROW
    elif phase == _ROW:
        s[_PHASE] = _ASK_ROW
    elif phase == _ASK_ROW:
        if w.ready[out]:
            s[_PHASE] = _WRITTEN if p[3] else _ASK_STREAM
    elif phase == _WRITTEN:
        if through == s[_REQUESTED] and written:
            s[_PHASE] = _ASK_STREAM
    elif phase == _ASK_STREAM:
        if w.ready[out]:
            s[_REQUESTED] += 1
            if s[_REQUESTED] == p[0]:
                s[_PHASE] = _LAST_RESULT
            else:
                s[_PHASE] = _PROMPT if s[_REQUESTED] < p[1] else _PREFIX
    elif phase == _LAST_RESULT:
        if came and through + 1 == p[0]:
            s[_PHASE], s[_DONE] = _LAST_WRITTEN, not p[3]
    elif written:
        s[_DONE] = 1
    w.then_valid[out] = True
    if s[_PHASE] == _PREFIX:
        reads[0], reads[1] = 0, p[6]
    elif s[_PHASE] == _ASK_ROW:
        reads[0], reads[1] = tables[p[8] + s[_REQUESTED]], p[4]
    elif s[_PHASE] == _ASK_STREAM:
        reads[0], reads[1] = s[_BEGUN] % p[7], p[5] - s[_BEGUN]
    else:
        w.then_valid[out] = False
    return INPUT


# The clock.


class Machine(NamedTuple):
    """All parts: for each its kind, channels, constants, registers and unit (-1: none)."""

    kinds: Integers
    io: Integers
    p: Integers
    s: Integers
    units: Integers
    offering: Integers
    stepping: Integers
    registered: Integers
    tables: Integers


@inlined
def _offer(each: int, m: Machine, w: Wires) -> None:
    kind, io, p, s = m.kinds[each], m.io[each], m.p[each], m.s[each]
    if kind == FORK:
        _fork_offer(io, p, s, w)
    elif kind == SWITCH:
        _switch_offer(io, p, s, w, m.tables)
    elif kind == SELECT:
        _select_offer(io, p, s, w, m.tables)
    elif kind == WIDEN:
        _widen_offer(io, p, s, w)
    elif kind == NARROW:
        _narrow_offer(io, w)
    else:
        _fetch_offer(io, p, s, w, m.tables)


@inlined
def _step(
    each: int, m: Machine, w: Wires, memory: Integers, bursts: Integers, reads: Integers, edge: int
) -> int:
    kind, io, p, s = m.kinds[each], m.io[each], m.p[each], m.s[each]
    if kind == PIPE:
        return _pipe(io, p, s, w)
    if kind == FORK:
        return _fork(io, p, s, w)
    if kind == SWITCH:
        return _switch(io, p, s, w, m.tables)
    if kind == SELECT:
        return _select(io, p, s, w, m.tables)
    if kind == WIDEN:
        return _widen(io, p, s, w)
    if kind == NARROW:
        return _narrow(io, p, s, w, m.tables)
    if kind == SERIALIZE:
        return _serialize(io, p, s, w)
    if kind == FETCH:
        return _fetch(io, p, s, w, m.tables)
    if kind == NORM:
        return _norm(io, p, s, w, m.tables)
    if kind == HADAMARD:
        return _hadamard(io, p, s, w, m.tables)
    if kind == MATVEC:
        return _matvec(io, p, s, w, m.tables)
    if kind == DISCRETIZE:
        return _discretize(io, p, s, w)
    if kind == UPDATE:
        return _update(io, p, s, w)
    if kind == READ_OUT:
        return _read_out(io, p, s, w)
    if kind == SPILL:
        return _spill(io, p, s, w, m.tables)
    if kind == READER:
        return _reader(io, p, s, w, memory, bursts[0], reads, edge)
    if kind == WRITER:
        return _writer(io, p, s, w, memory, bursts[1], m.tables, edge)
    return _sequence(io, p, s, w, m.tables, reads, edge)


@inlined
def _settle(each: int, m: Machine, w: Wires) -> int:
    kind, io, p, s = m.kinds[each], m.io[each], m.p[each], m.s[each]
    if kind == QUEUE:
        return _queue(io, p, s, w)
    return _gather(io, p, s, w)


@compiled(error_model="numpy")
def run(
    m: Machine,
    w: Wires,
    memory: Integers,
    bursts: Integers,
    reads: Integers,
    ends: tuple[int, int],
    counts: Integers,
    events: Integers,
    watched: int,
    patience: int,
) -> tuple[int, Integers, Integers]:
    """Clock the machine until the run is done, or nothing was busy for `patience` edges.

    `bursts` (2, bursts outstanding, 2) and `reads` (2,) begin as zeros.
    ends = (part that is the sequence, channel of the tokens). `counts` (units, activities) are
    added up. Returns the edge of done (-1: stuck), those of all tokens, and events (edge, unit,
    activity) where an activity begins while token `watched` is computed.
    """
    sequence, tokens = ends
    m = Machine(
        _unowned(m.kinds), _unowned(m.io), _unowned(m.p), _unowned(m.s), _unowned(m.units),
        _unowned(m.offering), _unowned(m.stepping), _unowned(m.registered), _unowned(m.tables),
    )  # fmt: skip
    w = Wires(_unowned(w.valid), _unowned(w.ready), _unowned(w.then_valid), _unowned(w.then_ready))
    memory, bursts, reads = _unowned(memory), _unowned(bursts), _unowned(reads)
    activities = np.zeros(len(counts), np.int64)
    shown = np.full(len(counts), -1, np.int64)
    token_edges = np.zeros(m.p[sequence, 0], np.int64)
    through = moved = edge = used = 0
    while edge - moved < patience:
        for each in m.offering:
            _offer(each, m, w)
        for each in m.stepping:
            at = _step(each, m, w, memory, bursts, reads, edge)
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
        if m.s[sequence, _DONE]:
            return edge, token_edges, events[:used]
        for unit in range(len(counts)):
            counts[unit, activities[unit]] += 1
            if activities[unit] == BUSY:
                moved = edge
        for channel in range(len(w.valid)):
            w.valid[channel] = w.then_valid[channel]
            w.ready[channel] = w.then_ready[channel]
        edge += 1
    return -1, token_edges[:through], events[:used]
