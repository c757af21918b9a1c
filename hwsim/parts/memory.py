"""The memory, and what reads and writes it in bursts."""

from hwsim.parts import INPUT, MOVED, Integers
from hwsim.parts.wires import Wires, take, then_offer
from models.compiled import compiled, inlined

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


@inlined
def arrived(memory: Integers, begin: int, beat: int, edge: int) -> bool:
    """Whether a beat is there on an edge; without a division, where the memory does not refresh."""
    if memory[INTERVAL]:
        return arrival(memory, begin, beat) <= edge
    return begin + beat * memory[COST] <= edge * memory[SCALE]


(
    OFFSET, WORDS, ASKED, OVER, ADDRESS, ACCEPTED, BEAT, THROUGH, AHEAD, KNOWN, PART,
) = range(11)  # fmt: skip


@inlined
def _ask(p: Integers, s: Integers, bursts: Integers, willing: bool) -> tuple[bool, bool, bool]:
    """Ask for the next burst of a read or write, and bring an address to the memory.

    p: words of the largest burst, bursts outstanding. s: where the next burst begins in a largest
    one, words that are left, bursts so far: asked for, over; whether an address is offered; bursts
    that the memory has accepted. `bursts` keeps the beats of those that are not over. Returns
    whether one is accepted, one is asked for, and the next read or write can be taken.
    """
    most = min(p[0] - s[OFFSET], s[WORDS])
    asks = s[WORDS] > 0 and s[ASKED] - s[OVER] < p[1] and (willing or not s[ADDRESS])
    free = s[WORDS] == 0 or (asks and most == s[WORDS])
    accepted = willing and s[ADDRESS] == 1
    if accepted:
        s[ADDRESS] = 0
        s[ACCEPTED] += 1
    if asks:
        s[ADDRESS] = 1
        bursts[s[ASKED] & len(bursts) - 1, 0] = most
        s[WORDS] -= most
        s[OFFSET] = 0
        s[ASKED] += 1
    return accepted, asks, free


@inlined
def reader(
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
    willing = s[ACCEPTED] - s[OVER] < memory[OUTSTANDING]
    accepted, _, free = _ask(p, s, bursts, willing)
    if accepted:
        at = s[ACCEPTED] - 1 & len(bursts) - 1
        bursts[at, 1] = accept(memory, bursts[at, 0], edge)
    begins = free and w.valid[source]
    take(w, source, begins)
    if begins:
        s[OFFSET], s[WORDS] = reads[0], reads[1]
    if w.valid[out] and w.ready[out]:
        s[BEAT] += 1
        if s[BEAT] == bursts[s[OVER] & len(bursts) - 1, 0]:
            s[BEAT] = 0
            s[OVER] += 1
    comes, oldest = s[ACCEPTED] > s[OVER], bursts[s[OVER] & len(bursts) - 1, 1]
    then_offer(w, out, comes and arrived(memory, oldest, s[BEAT], edge + 1))
    reading = s[WORDS] > 0 or s[ASKED] > s[OVER]
    then_offer(w, under_way, reading)
    return INPUT | MOVED if reading else INPUT


@inlined
def writer(
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
    willing = s[ACCEPTED] - s[OVER] < memory[OUTSTANDING]
    comes = w.valid[words] and s[KNOWN] == 1 and s[ACCEPTED] > s[THROUGH]
    answered = s[THROUGH] > s[OVER] and bursts[s[OVER] & len(bursts) - 1, 1] <= edge
    _, asks, free = _ask(p, s, bursts, willing)
    ends = False
    take(w, words, comes)
    if comes:
        s[BEAT] += 1
        at = s[THROUGH] & len(bursts) - 1
        beats = bursts[at, 0]
        ends = s[BEAT] == beats
        if ends:
            s[BEAT] = 0
            s[THROUGH] += 1
            bursts[at, 1] = arrival(memory, accept(memory, beats, edge), beats - 1)
    s[OVER] += answered
    shows = s[AHEAD] > 0 and (ends or s[KNOWN] == 0)
    s[KNOWN] = shows or (s[KNOWN] == 1 and not ends)
    s[AHEAD] += asks
    s[AHEAD] -= shows
    begins = free and w.valid[source]
    take(w, source, begins)
    if begins:
        part = p[2] + 3 * s[PART]
        s[OFFSET], s[WORDS] = tables[part + 1], tables[part + 2]
        s[PART] = (s[PART] + 1) % p[3]
    writing = s[WORDS] > 0 or s[ASKED] > s[OVER]
    then_offer(w, under_way, writing)
    return INPUT | MOVED if writing else INPUT
