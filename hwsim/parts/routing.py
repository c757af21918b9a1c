"""Routing: parts that hand beats on, without a pipeline of their own."""

from hwsim.parts import INPUT, MOVED, Integers
from hwsim.parts.wires import Wires, offer, take, then_offer, then_take
from models.compiled import inlined


@inlined
def fork_offer(io: Integers, p: Integers, s: Integers, w: Wires) -> None:
    """Each output takes a beat when it can; p: outputs, s: has each taken."""
    for at in range(p[0]):
        offer(w, io[1 + at], w.valid[io[0]] and not s[at])


@inlined
def fork(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    through, moved = w.valid[io[0]], False
    if through:
        for at in range(p[0]):
            moved = moved or (w.ready[io[1 + at]] and not s[at])
            s[at] |= w.ready[io[1 + at]]
            through = through and s[at] == 1
        if through:
            s[: p[0]] = 0
    take(w, io[0], through)
    return INPUT | MOVED if moved else INPUT


@inlined
def switch_offer(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> None:
    """A step's beats go to the output that it names; p: steps, their count, outputs.

    s: step, its beats so far, the output that it names.
    """
    port = tables[p[0] + 2 * s[0]]
    if s[2] != port and s[2] < p[2]:
        offer(w, io[2 + s[2]], False)
    s[2] = port
    if port < p[2]:
        offer(w, io[2 + port], w.valid[io[0]] and w.valid[io[1]])


@inlined
def switch(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    port = s[2]
    taken = w.valid[io[0]] and w.valid[io[1]] and (port >= p[2] or w.ready[io[2 + port]])
    take(w, io[0], taken)
    take(w, io[1], taken and _last_of_step(p, s, tables))
    return INPUT | MOVED if taken else INPUT


@inlined
def select_offer(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> None:
    """A step's beats come from the input that it names; p: steps, their count, inputs.

    s: step, its beats so far, the input that was named before.
    """
    port = tables[p[0] + 2 * s[0]]
    offer(w, io[1 + p[2]], w.valid[io[0]] and w.valid[io[1 + port]])


@inlined
def select(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    port, out = tables[p[0] + 2 * s[0]], io[1 + p[2]]
    if s[2] != port:
        take(w, io[1 + s[2]], False)
        s[2] = port
    taken = w.valid[out] and w.ready[out]
    take(w, io[1 + port], taken)
    take(w, io[0], taken and _last_of_step(p, s, tables))
    return INPUT | MOVED if taken else INPUT


@inlined
def _last_of_step(p: Integers, s: Integers, tables: Integers) -> bool:
    """Count a beat of the step in front; s: step, its beats so far."""
    s[1] += 1
    if s[1] < tables[p[0] + 2 * s[0] + 1]:
        return False
    s[0], s[1] = (s[0] + 1) % p[1], 0
    return True


@inlined
def widen_offer(io: Integers, p: Integers, s: Integers, w: Wires) -> None:
    """Of `p[0]` beats one; s: beats that are kept."""
    offer(w, io[1], w.valid[io[0]] and s[0] == p[0] - 1)


@inlined
def widen(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    complete = s[0] == p[0] - 1
    taken = w.valid[io[0]] and (w.ready[io[1]] or not complete)
    take(w, io[0], taken)
    if taken:
        s[0] = 0 if complete else s[0] + 1
    return INPUT | MOVED if taken else INPUT


@inlined
def narrow_offer(io: Integers, w: Wires) -> None:
    """Of a word several beats, in runs whose last word may hold fewer.

    p: beats in a word, runs (beats, repeats), their count. s: beats of the word that are gone, of
    the run, repeats that are, run.
    """
    offer(w, io[1], w.valid[io[0]])


@inlined
def narrow(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    taken, gone = w.valid[io[1]] and w.ready[io[1]], False
    if taken:
        s[0] += 1
        s[1] += 1
        run = p[1] + 2 * s[3]
        ends = s[1] == tables[run]
        gone = ends or s[0] == p[0]
        if gone:
            s[0] = 0
        if ends:
            s[1] = 0
            s[2] += 1
            if s[2] == tables[run + 1]:
                s[2], s[3] = 0, (s[3] + 1) % p[2]
    take(w, io[0], gone)
    return INPUT | MOVED if taken else INPUT


@inlined
def queue(io: Integers, p: Integers, s: Integers, w: Wires) -> int:
    """A buffered queue: p[0] places and the register at its output; s: places in use."""
    source, out = io[0], io[1]
    writes = w.valid[source] and s[0] < p[0]
    reads = s[0] > 0 and (w.ready[out] or not w.valid[out])
    s[0] += writes
    s[0] -= reads
    then_offer(w, out, reads or (w.valid[out] and not w.ready[out]))
    then_take(w, source, s[0] < p[0])
    return INPUT | MOVED if writes or reads else INPUT
