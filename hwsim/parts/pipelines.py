"""Pipelines and banks: parts that delay beats."""

from hwsim.parts import BUSY, INPUT, MEMORY_READ, MOVED, OUTPUT, Integers
from hwsim.parts.wires import Wires, take, then_offer, then_take
from models.compiled import inlined


@inlined
def pipe(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
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
    held_up = w.valid[out] and not w.ready[out]
    taken = at == BUSY and not held_up
    for each in range(inputs):
        take(w, io[each], taken)
    if held_up:
        return OUTPUT if at == BUSY else at
    beats = s[0] << 1
    if taken:
        s[1] += 1
        if s[1] == every:
            s[1] = 0
            beats |= 1
    then_offer(w, out, beats >> (stages - 1) & 1 == 1)
    s[0] = beats & (1 << (stages - 1)) - 1
    return at | MOVED if taken or beats else at


@inlined
def gather(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """Two banks of `p[0]` beats; s: beats that came into one, left the other, banks that are full.

    A bank is handed on when it is full.
    """
    source, out = io[0], io[1]
    at = INPUT
    full = s[2]
    taken, given = w.valid[source] and full < 2, full > 0 and w.ready[out]
    if w.valid[source]:
        at = BUSY if taken else OUTPUT
    if taken:
        s[0] += 1
        if s[0] == p[0]:
            s[0] = 0
            s[2] += 1
    if given:
        s[1] += 1
        if s[1] == p[0]:
            s[1] = 0
            s[2] -= 1
    then_offer(w, out, s[2] > 0)
    then_take(w, source, s[2] < 2)
    return at | MOVED if taken or given else at


@inlined
def serialize(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """A tile leaves in `p[0]` beats; s: those that are left."""
    source, out = io[0], io[1]
    given = w.valid[out] and w.ready[out]
    s[0] -= given
    taken = w.valid[source] and s[0] == 0
    take(w, source, taken)
    if taken:
        s[0] = p[0]
    then_offer(w, out, s[0] > 0)
    return INPUT | MOVED if taken or given else INPUT
