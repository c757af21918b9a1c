"""Units outside the mixer: norm, Hadamard, multipliers."""

from hwsim.parts import BUSY, FILL, INPUT, MEMORY_READ, MOVED, OUTPUT, Integers
from hwsim.parts.wires import Wires, take, then_offer
from models.compiled import inlined


@inlined
def norm(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    """One vector at a time; p: latency, cycles until the root, passes (beats), their count.

    s: phase, what is left of it, pipeline, pass.
    """
    source, begin, weights, out = io[0], io[1], io[2], io[3]
    phase = s[0]
    at = FILL
    begins, taken, scaled = phase == 0 and w.valid[begin], phase == 1 and w.valid[source], False
    free = w.ready[out] or not w.valid[out]
    if phase == 0:
        if begins:
            s[0], s[1] = 1, tables[p[2] + s[3]]
        else:
            at = MEMORY_READ
    elif phase == 1:
        at = INPUT
        if taken:
            at = BUSY
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
        scaled = True
        s[1] -= 1
        if s[1] == 0:
            s[0], s[3] = 0, (s[3] + 1) % p[3]
    take(w, begin, begins)
    take(w, source, taken)
    take(w, weights, scaled)
    moved = begins or taken or scaled or phase == 2
    if free:
        beats = s[2] << 1 | scaled
        moved = moved or beats > 0
        then_offer(w, out, beats >> (p[0] - 1) & 1 == 1)
        s[2] = beats & (1 << (p[0] - 1)) - 1
    return at | MOVED if moved else at


_BANK, _PLACE, _TURN, _READ, _COMPLETE, _FOLDS = range(6)
"""Of a Hadamard unit; from the last on, three for each fold."""


@inlined
def hadamard(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
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
    taken = w.valid[source] and willing
    take(w, source, taken)
    moved = taken or (valid and advance)
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
            moved = moved or beats > 0
            valid = beats >> stages & 1 == 1
            own[0] = beats & (1 << stages) - 1
        then_offer(w, out, valid)
    return at | MOVED if moved else at


@inlined
def _ends_block(p: Integers, s: Integers, place: int, turn: int) -> bool:
    """Go on by a place of a bank, and after the last by a turn; whether that was the last one."""
    s[place] += 1
    if s[place] < p[1]:
        return False
    s[place] = 0
    s[turn] = (s[turn] + 1) % p[0]
    return s[turn] == 0


TILES_LEFT, PASS = 3, 4
"""Registers of the multipliers."""


@inlined
def matvec(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    """A vector is loaded, then weights are multiplied; scales and biases are taken on the way.

    p: latency, stage that takes scales, beats that fill a word of the vector, words of a weight
    group, passes (words of the vector, tiles, tiles after which rows are alike), their count. s:
    phase, place in the vector, beats or words of the group so far, tiles that are left, pass, and
    for each stage whether it holds the end of a weight group, the end of a row.
    """
    source, begin, weights, scales, bias, out = io[0], io[1], io[2], io[3], io[4], io[5]
    words = tables[p[4] + 3 * s[4]]
    scaled, biased = s[5] >> (p[1] - 1) & 1, s[6] >> (p[0] - 2) & 1
    fed = (w.valid[scales] or not scaled) and (w.valid[bias] or not biased)
    advance = fed and (w.ready[out] or not w.valid[out])
    ends_group, ends_row = False, False
    begins, taken, multiplied = s[0] == 0 and w.valid[begin], s[0] == 1 and w.valid[source], False
    at = FILL
    if s[0] == 0:
        if begins:
            s[0], s[3] = 1, tables[p[4] + 3 * s[4] + 1]
        else:
            at = MEMORY_READ
    elif s[0] == 1:
        if taken:
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
        multiplied = True
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
    take(w, begin, begins)
    take(w, source, taken)
    take(w, weights, multiplied)
    take(w, scales, advance and scaled == 1)
    take(w, bias, advance and biased == 1)
    moved = begins or taken or multiplied
    if advance:
        then_offer(w, out, biased == 1)
        moved = moved or s[5] > 0 or s[6] > 0
        s[5] = (s[5] << 1 | ends_group) & (1 << p[1]) - 1
        s[6] = (s[6] << 1 | ends_row) & (1 << (p[0] - 1)) - 1
    else:
        then_offer(w, out, w.valid[out] and not w.ready[out])
    return at | MOVED if moved else at
