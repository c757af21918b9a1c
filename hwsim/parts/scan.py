"""The scan and what drives it."""

from hwsim.parts import (
    BUSY,
    FILL,
    INPUT,
    MEMORY_READ,
    MEMORY_WRITE,
    MOVED,
    OUTPUT,
    STATE,
    Integers,
)  # fmt: skip
from hwsim.parts.wires import Wires, offer, take, then_offer
from models.compiled import inlined


@inlined
def discretize(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
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

    moved = taken or takes_head or s[5] > 0
    s[2] += s[5] >> (p[3] - 1) & 1
    s[5] = (s[5] << 1 | takes_head) & (1 << p[3]) - 1
    last_of_beat = False
    if takes_head:
        s[0] += 1
        s[1] += 1
        last_of_beat = s[1] == p[1] or s[0] == p[0]
        if last_of_beat:
            s[1] = 0
    take(w, heads, last_of_beat)
    take(w, weights, last_of_beat)
    take(w, source, taken)
    if taken:
        s[4] += 1
        if s[4] == p[2]:
            s[4] = 0
            s[3] += 1
            if s[3] == p[0]:
                s[0] = s[2] = s[3] = 0
    if advance:
        beats = s[6] << 1 | taken
        moved = moved or beats > 0
        then_offer(w, out, beats >> (p[4] - 1) & 1 == 1)
        s[6] = beats & (1 << (p[4] - 1)) - 1
    return at | MOVED if moved else at


@inlined
def update(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
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
    offer(w, skip, offered and first and not s[5])
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

    take(w, b, takes_b)
    take(w, c, takes_c)
    take(w, state, begins)
    last_of_beat = s[3] + 1 == p[1]
    take(w, source, begins and last_of_beat)
    skipped = w.valid[skip] and w.ready[skip]
    moved = takes_b or takes_c or skipped or begins or w.ready[done]
    s[0] += takes_b
    s[1] += takes_c
    if skipped:
        s[5] = 1
    if begins:
        s[5] = 0
        s[3] = 0 if last_of_beat else s[3] + 1
        s[4] += 1
        if s[4] == p[2]:
            s[4], s[2] = 0, 1
    if w.ready[done]:
        s[0] = s[1] = s[2] = 0
    if advance:
        beats = s[6] << 1 | begins
        moved = moved or beats > 0
        then_offer(w, out, beats >> (p[3] - 1) & 1 == 1)
        s[6] = beats & (1 << (p[3] - 1)) - 1
    return at | MOVED if moved else at


@inlined
def read_out(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """The scan's second half: a narrowed tile is kept or leaves, and is read out.

    p: tiles of a beat, tiles of a token, stages. s: tile of the beat, of the token, pipeline.
    """
    source, skips, done, out, leaving = io[0], io[1], io[2], io[3], io[4]
    free = w.ready[out] or not w.valid[out]
    offer(w, leaving, w.valid[source] and free)
    taken = w.valid[source] and w.ready[leaving] and free
    take(w, source, taken)
    last = s[1] + 1 == p[1]
    take(w, done, taken and last)
    beats = s[2] << 1
    if taken:
        s[0] += 1
        s[1] = 0 if last else s[1] + 1
        if s[0] == p[0]:
            s[0] = 0
            beats |= 1
    handed = beats >> (p[2] - 1) & 1 == 1
    take(w, skips, handed and free)
    if not free:
        return INPUT
    then_offer(w, out, handed)
    s[2] = beats & (1 << (p[2] - 1)) - 1
    return INPUT | MOVED if beats or taken else INPUT
