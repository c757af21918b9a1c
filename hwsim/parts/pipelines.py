"""Pipelines and banks: parts that delay beats."""

from hwsim.parts import BUSY, INPUT, MEMORY_READ, OUTPUT, Integers, Wires
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
def gather(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
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
def serialize(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """A tile leaves in `p[0]` beats; s: those that are left."""
    source, out = io[0], io[1]
    s[0] -= w.valid[out] and w.ready[out]
    if w.valid[source] and s[0] == 0:
        w.ready[source] = True
        s[0] = p[0]
    w.then_valid[out] = s[0] > 0
    return INPUT
