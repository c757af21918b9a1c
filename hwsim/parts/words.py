"""Words of the memory: to the targets of a token, and from the state that leaves."""

from hwsim.parts import BUSY, INPUT, MEMORY_READ, MOVED, OUTPUT, Integers
from hwsim.parts.wires import Wires, offer, take, then_offer
from models.compiled import inlined

TOKEN, PACKET, SECOND, LEFT, REPEATS, WORD, TARGET, TAKEN = range(8)


@inlined
def fetch_offer(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> None:
    """Words to the targets that packets name, as `models.units.fetch` has it.

    p: packets (first target, places, second target, places, repeats) of a token of the prompt and
    then of a later one, how many there are of each, tokens of the prompt, for each target the words
    of a place, which holds a beat or several of a word, number of targets. s: token, packet of both
    kinds, part, places that are left of it, repeats that are left (0 before a header), word of the
    place, the target that was named last, words that were taken.
    """
    target = tables[_packet(p, s) + 2 * s[SECOND]]
    if s[TARGET] != target:
        offer(w, io[1 + s[TARGET]], False)
        s[TARGET] = target
    complete = s[REPEATS] > 0 and s[WORD] == tables[p[3] + target] - 1
    offer(w, io[1 + target], w.valid[io[0]] and complete)


@inlined
def _packet(p: Integers, s: Integers) -> int:
    """Where the packet lies that fetch is at."""
    return p[0] + 5 * s[PACKET]


@inlined
def fetch(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    source, packet = io[0], _packet(p, s)
    target = s[TARGET]
    begins, complete = s[REPEATS] == 0, s[WORD] == tables[p[3] + target] - 1
    free = begins or not complete or w.ready[io[1 + target]]
    take(w, source, w.valid[source] and free)
    if not w.valid[source]:
        return MEMORY_READ if w.valid[io[1 + p[4]]] else INPUT
    if not free:
        return OUTPUT
    s[TAKEN] += 1
    if begins:
        s[REPEATS], s[SECOND], s[LEFT] = tables[packet + 4], 0, tables[packet + 1]
        return BUSY | MOVED
    if not complete:
        s[WORD] += 1
        return BUSY | MOVED
    s[WORD] = 0
    s[LEFT] -= 1
    if s[LEFT] == 0:
        if s[SECOND] == 0 and tables[packet + 3] > 0:
            s[SECOND], s[LEFT] = 1, tables[packet + 3]
        else:
            s[SECOND], s[LEFT] = 0, tables[packet + 1]
            s[REPEATS] -= 1
            if s[REPEATS] == 0:
                s[PACKET] += 1
                if s[PACKET] % p[1] == 0:
                    s[TOKEN] += 1
                    s[PACKET] = p[1] if s[TOKEN] >= p[2] else 0
    return BUSY | MOVED


@inlined
def spill(io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers) -> int:
    """Beats packed into port words, part by part.

    p: beats in a word, words of a beat, parts (beats, place in a largest burst, words), their
    count. s: beats that are left of the part, beats in the word or words of the beat, part.
    """
    steps, source, out, writes = io[0], io[1], io[2], io[3]
    left, gives = s[0], w.valid[out] and w.ready[out]
    if p[1] > 1:
        gone = s[1] - gives
        comes = w.valid[source] and left > 0 and gone == 0
        s[1] = p[1] if comes else gone
        then_offer(w, out, s[1] > 0)
    else:
        complete = left == 1 or s[1] == p[0] - 1
        free = w.ready[out] or not w.valid[out]
        comes = w.valid[source] and left > 0 and (free or not complete)
        if comes:
            s[1] = 0 if complete else s[1] + 1
        then_offer(w, out, (w.valid[out] and not gives) or (comes and complete))
    take(w, source, comes)
    s[0] -= comes
    waits = w.valid[writes] and not w.ready[writes]
    begins = w.valid[steps] and s[0] == 0 and not waits
    take(w, steps, begins)
    then_offer(w, writes, waits or begins)
    if begins:
        s[0] = tables[p[2] + 3 * s[2]]
        s[2] = (s[2] + 1) % p[3]
    return INPUT | MOVED if gives or comes or begins else INPUT
