"""The port: when its words are taken, as `hwsim.memory` serves and asks for bursts."""

from typing import Any, NamedTuple

import numpy as np

from hwsim.passes.words import SHORTEST, Words, per_word, span, up
from models.compiled import inlined

NEXT = 2
"""Edges from a burst's last word to the address of one that the master had not asked for."""
NEXT_TAKEN = 1
"""The same where the master had, but the memory did not take it."""
WRITTEN_NEXT = 3
"""Edges from a written burst's response to the first word of the one that waited for it."""
FIRST = 5
"""Edges from the end of a token to the address of the next one's first burst."""
INTERVALS = 72
"""Between refreshes: so many are looked at for what a port loses, the first `SETTLED` aside."""
SETTLED = 8


class Port(NamedTuple):
    """The memory behind a port: words in a cycle, words of a burst, bursts outstanding.

    per_word  cycles of a word
    size      binary logarithm of a burst's words
    hop       from a burst's last word to the first of the burst that had to wait for it
    period    between such bursts
    hops      whether the memory idles meanwhile
    written   what a written word holds up bursts that hop
    room      words of weights that can wait
    begin     the edge of a token's first word
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


@inlined
def port_of(net: Any, d: Any, u: Any, w: Words, refreshed: float) -> Port:
    """The port's constants, with refreshes as they are on average; `refreshed` is its period where
    there are any.
    """
    refresh, late, period = 0.0, 0.0, _next(d) + np.ceil((d.burst - 1) / d.rate)
    hops = period * d.rate > min(d.outstanding, d.memory_outstanding) * d.burst
    if d.refresh_interval:
        refresh = d.refresh_cycles / d.refresh_interval
        late, period = refresh * (d.refresh_cycles + 1) / 2, refreshed
    active, outstanding = d.rate * (1 - refresh), min(d.outstanding, d.memory_outstanding)
    size, written = 0, 0.0
    while 1 << size < d.burst:
        size += 1
    if d.spilled:
        written = _delay(net, d, w, active, period) / w.state
    return Port(
        active, 1 / active, d.burst, size, outstanding, 1 / outstanding, hops,
        _next(d) + late, period, written, _room(net, d, u, w.width),
        float(FIRST + d.latency), w.row, w.prefix,
    )  # fmt: skip


@inlined
def _delay(net: Any, d: Any, w: Words, rate: float, period: float) -> float:
    """Cycles by which the written bursts of a head hold up those that are read, which hop.

    A written burst is served whole: they wait for what exceeds the memory's gap, which those share
    that are written in a period.
    """
    outstanding = min(d.outstanding, d.memory_outstanding)
    bursts = 1 + (w.state - 1) / d.burst
    gap, each = max(0.0, period - outstanding * d.burst / rate), w.state / bursts / rate
    wait = max(0.0, each - gap) + min(gap, each) ** 2 / (2 * period)
    pace = max(1.0, net.head_dim // d.channels * (net.state // d.states) / w.state)
    round_trip = d.burst * pace + WRITTEN_NEXT + d.latency + d.burst / rate
    written = min(bursts, period / max(d.burst * pace, round_trip / outstanding))
    wait = max(wait, each - gap / max(1.0, written))
    filled = 1 + (d.burst - 1) * pace
    if d.buffers > 1 and not d.naive and outstanding == 1 and filled < d.burst / d.rate:
        # One of each: a written one comes just before the next is asked for, time and again. Of
        # the parts at a head's ends, which are half a burst in the mean, it holds up a quarter.
        return max(wait * bursts, filled * (bursts - 2 + 2 / 4))
    return wait * bursts


@inlined
def _next(d: Any) -> float:
    """Edges from a burst's last word to the first of the next, without a refresh."""
    return float(d.latency + (NEXT_TAKEN if d.memory_outstanding < d.outstanding else NEXT))


@inlined
def refreshed_period(d: Any) -> float:
    """Cycles in which a port takes as many bursts as it may have outstanding, refreshes included,
    when nothing else holds it up.

    Refreshes are regular, and bursts that wait for one go on in step with it: so what they cost is
    not in proportion to how long they are. Bursts are served as `hwsim.memory.Server` does.
    """
    interval, each = d.refresh_interval, d.burst / d.rate
    over = np.zeros(min(d.outstanding, d.memory_outstanding))
    free, wall, rounds, begun, before = 0.0, 0.0, 0, 0.0, 0
    while wall < INTERVALS * interval:
        for at in range(len(over)):
            free = max(free, _active(d, over[at] + _next(d))) + each
            wall = over[at] = _wall(d, np.ceil(free - 1 / d.rate))
        rounds += 1
        if wall < SETTLED * interval:
            begun, before = wall, rounds
    return (wall - begun) / (rounds - before)


@inlined
def _active(d: Any, edge: float) -> float:
    """Cycles before `edge` without refresh."""
    if edge < d.refresh_interval:
        return edge
    whole = edge // d.refresh_interval
    behind = edge - whole * d.refresh_interval
    return edge - (whole - 1) * d.refresh_cycles - min(behind, d.refresh_cycles)


@inlined
def _wall(d: Any, active: float) -> float:
    """The edge without refresh that has `active` such cycles before it."""
    if active < d.refresh_interval:
        return active
    cycles = d.refresh_cycles
    return active + (active - cycles) // (d.refresh_interval - cycles) * cycles


@inlined
def _room(net: Any, d: Any, u: Any, width: int) -> int:
    """Words of weights that can wait, as `models.networks.queues` gives them places."""
    several, most = per_word(u.weights, width), 0
    for columns in (net.d_model, net.inner):
        tile = columns // d.columns
        rest = up(d.prefetch % tile, several)
        most = max(most, d.prefetch // tile * up(tile, several) + rest)
    return max(SHORTEST, most + (several > 1)) * span(u.weights, width)


@inlined
def taken(port: Port, halts: Halts, word: int, written: float, hole: int = 0) -> float:
    """The edge on which `word` is taken, where nothing but what is in `halts` keeps it waiting.

    `hole` are the words that the last bursts of the reads before lack to whole ones.
    """
    before = halts[0] if word >= halts[0].word else halts[1]
    since = taken_after(port, before, word, written, hole)
    if not port.hops:
        return since
    return max(_from_begin(port, word, written, hole), since)


@inlined
def taken_after(port: Port, before: Halt, word: int, written: float, hole: int) -> float:
    """When `word` is there, for the halt before it and the memory's rate."""
    served = before.line + (word - hole + written) * port.per_word
    if not before.there:
        return served
    burst, size, most = port.burst, port.size, port.outstanding
    through = before.edge + word - hole - before.word
    asked = ((before.word >> size) + most) << size
    if word < asked:
        return max(served, through)
    # Bursts behind those that were outstanding: asked for when the halted one is over.
    news = written - before.written
    over = before.edge + burst - (before.word & (burst - 1)) - 1 + port.hop
    after = over + (word - hole + news - asked) * port.per_word
    if not port.hops:
        return max(served, through, after)
    at = (word >> size) - (before.word >> size)
    hops = _hops(port, at)
    rest = ((at - hops * most) << size) + (word & (burst - 1))
    if hole and _missed(port, at, hops):
        rest -= hole
    behind = (hops - 1) * port.period + rest * port.per_word + port.written * news
    return max(served, through, after, over + behind)


@inlined
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
    if hole and _missed(port, at, hops):
        behind -= hole
    return port.begin + hops * port.period + behind * port.per_word + port.written * written


@inlined
def _hops(port: Port, bursts: int) -> int:
    """Times that the last of so many bursts waited for one before."""
    return int((bursts + 0.5) * port.share)


@inlined
def _missed(port: Port, bursts: int, hops: int) -> bool:
    """Whether words that the last bursts of a read lack are missed behind the last wait."""
    prefix = (port.prefix + port.burst - 1) >> port.size
    return port.outstanding == 1 or _hops(port, bursts - prefix) == hops


@inlined
def halted(port: Port, halts: Halts, word: int, written: float, edge: float) -> Halts:
    """The port cannot take `word` before `edge`."""
    if edge <= taken(port, halts, word, written):
        return halts
    before = halts[0]
    line = before.line
    asked = ((before.word >> port.size) + port.outstanding) << port.size
    if before.there and word >= asked:
        over = before.edge + port.burst - (before.word & (port.burst - 1)) - 1
        line = max(line, over + port.hop - (asked + before.written) * port.per_word)
    return Halt(word, edge, written, line, True), before


@inlined
def caught_up(port: Port, halts: Halts, word: int, written: float, edge: float) -> Halts:
    """The memory serves `word` when it can be taken, from `edge` on, not before."""
    before = halts[0]
    line = max(edge, taken(port, halts, word, written)) - (word + written) * port.per_word
    line = max(before.line, line)
    return Halt(before.word, before.edge, before.written, line, before.there), halts[1]


@inlined
def later(port: Port, before: Halt, words: int, written: float, cycles: float) -> Halt:
    """The same halt `words` further on in the stream."""
    line = before.line + cycles - (words + written) * port.per_word
    if not before.there:
        return Halt(before.word, before.edge, before.written, line, False)
    edge = before.edge + cycles
    return Halt(before.word + words, edge, before.written + written, line, True)
