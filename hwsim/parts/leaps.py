"""Leaps: of what repeats in a run, only the first few periods are stepped through.

A long pass of the multipliers is one tile after another, and a network one layer after another.
Where the machine stands as it did a period before, but for how far it has come in its steps and
words, and has come as far in that period as in the one before, it goes on so as long as the steps
themselves repeat. So all parts are set many periods ahead, which count as those two did.

Two things are not looked at, and a run with leaps can be wrong about them: the memory, for how a
period falls on its bursts and refreshes differs from one to the next; and how far a queue that
drains or fills from period to period swings within one.
"""

from typing import NamedTuple

import numpy as np

from hwsim import parts
from hwsim.parts import Machine, memory, words
from hwsim.parts.positions import (
    ANY,
    ASKED,
    BEATS,
    DOWN,
    FED,
    INDEX,
    PARTS,
    PLACE,
    RUN,
    UP,
    WORD,
    positions,
)
from hwsim.parts.wires import Flags, Integers, Wires, wake
from models.compiled import inlined

TILES, LAYERS = range(2)
"""At the ends of which there are looks."""
LOOKS = 33
"""That are remembered: a period may be sixteen times what lies between two."""
FOR_EVER = 1 << 40


class Past(NamedTuple):
    """The last LOOKS at the machine, for TILES and for LAYERS.

    `positions` (any, 6) go on; `same` (parts, registers) and `beside_memory` (channels,) must be
    the same at the ends of two periods and before them. Of each look: `s` (2, LOOKS, parts,
    registers), `valid` (2, LOOKS, channels), `counts` (2, LOOKS, units, activities), `edges`
    (2, LOOKS). `looks` (2,) were taken so far.
    """

    positions: Integers
    same: Flags
    beside_memory: Flags
    s: Integers
    valid: Flags
    counts: Integers
    edges: Integers
    looks: Integers


def past(m: Machine, beside_memory: Flags, counts: tuple[int, ...]) -> Past:
    """Of a machine at reset with counts of this shape, of which the channels `beside_memory` are
    looked at.
    """
    same = ~np.isin(m.kinds, (parts.READER, parts.WRITER))[:, None] & np.ones(m.s.shape, bool)
    going_on = np.array(positions(m), np.int64)
    same[going_on[:, 0], going_on[:, 1]] = False
    return Past(
        going_on,
        same,
        beside_memory,
        np.zeros((2, LOOKS, *m.s.shape), np.int64),
        np.zeros((2, LOOKS, len(beside_memory)), np.bool_),
        np.zeros((2, LOOKS, *counts), np.int64),
        np.zeros((2, LOOKS), np.int64),
        np.zeros(2, np.int64),
    )


@inlined
def look(m: Machine, w: Wires, past: Past, counts: Integers, edge: int, at: int, least: int) -> int:
    """Look at the machine behind an edge, and leap if it repeats: by how many edges.

    `at` is TILES or LAYERS; `counts` are the edges of all activities, up to this one. A period has
    at least `least` edges.
    """
    now = past.looks[at] % LOOKS
    past.s[at, now] = m.s
    past.valid[at, now] = w.valid
    past.counts[at, now] = counts
    past.edges[at, now] = edge
    past.looks[at] += 1
    for period in range(1, min(past.looks[at] - 1, LOOKS - 1) // 2 + 1):
        last, first = (now - period) % LOOKS, (now - 2 * period) % LOOKS
        if past.edges[at, now] - past.edges[at, last] < least:
            continue
        if _repeats(past, at, first, last, now):
            periods = _periods(m.tables, past, at, last, now)
            if periods > 0:
                _go(m, past, at, last, now, periods)
                for channel in range(len(w.valid)):
                    wake(w, channel)
                past.looks[at] = 0
                # As the last two in turn, so a cycle between them counts half.
                twice, once = periods // 2, periods % 2
                counts += twice * (past.counts[at, now] - past.counts[at, first])
                counts += once * (past.counts[at, now] - past.counts[at, last])
                edges = past.edges[at]
                return twice * (edges[now] - edges[first]) + once * (edges[now] - edges[last])
    return 0


@inlined
def _repeats(past: Past, at: int, first: int, last: int, now: int) -> bool:
    """Whether the machine stands as at the last look, and came as far since as from the first."""
    edges = past.edges[at]
    before, since = edges[last] - edges[first], edges[now] - edges[last]
    if abs(since - before) > 2 + since // 256:
        return False
    for each in range(len(past.positions)):
        if _by(past, at, each, last, now) != _by(past, at, each, first, last):
            return False
    return _alike_at(past, at, last, now) and _alike_at(past, at, first, last)


@inlined
def _alike_at(past: Past, at: int, then: int, now: int) -> bool:
    """Whether the machine stands as at another look, but for how far it has come."""
    valid, before = past.valid[at, now], past.valid[at, then]
    for channel in range(len(valid)):
        if past.beside_memory[channel] and valid[channel] != before[channel]:
            return False
    for part in range(len(past.same)):
        same, s, before_s = past.same[part], past.s[at, now, part], past.s[at, then, part]
        for register in range(len(same)):
            if same[register] and s[register] != before_s[register]:
                return False
    return True


@inlined
def _by(past: Past, at: int, each: int, since: int, now: int) -> int:
    """By how much a register has gone on since a look: a queue by the words that it was fed."""
    place = past.positions[each]
    part, register, how = place[0], place[1], place[2]
    s, before = past.s[at, now], past.s[at, since]
    if how == WORD:
        return 0
    if how == ASKED:
        return before[place[3], words.TAKEN] - s[place[3], words.TAKEN]
    by = s[part, register] - before[part, register]
    if how == FED:
        by += s[place[4], RUN] // place[5] - before[place[4], RUN] // place[5]
    return by


@inlined
def _go(m: Machine, past: Past, at: int, last: int, now: int, periods: int) -> None:
    """Set all registers so many periods ahead."""
    s, before = past.s[at, now], past.s[at, last]
    for each in range(len(past.positions)):
        place = past.positions[each]
        part, register, how = place[0], place[1], place[2]
        taker = place[4] if how == FED else part
        run = s[taker, RUN] + periods * (s[taker, RUN] - before[taker, RUN])
        m.s[part, register] += periods * _by(past, at, each, last, now)
        if how == FED:
            m.s[part, register] -= run // place[5] - s[taker, RUN] // place[5]
        elif how == WORD:
            m.s[part, register] = run % place[3]
        elif how == ASKED:
            # Addresses go on as the words do, and bursts end where they say.
            asked = -periods * _by(past, at, each, last, now)
            m.s[part, memory.OFFSET] = (m.s[part, memory.OFFSET] + asked) % m.p[part, 0]


@inlined
def _periods(tables: Integers, past: Past, at: int, last: int, now: int) -> int:
    """Periods in which all goes on as in the last one, but for one that is left."""
    most = FOR_EVER
    for each in range(len(past.positions)):
        by = _by(past, at, each, last, now)
        room = _room(tables, past.positions[each], past.s[at, last], past.s[at, now], by)
        most = min(most, room // max(abs(by), 1) - 1)
    for each in range(len(past.positions)):
        place, by = past.positions[each], _by(past, at, each, last, now)
        if place[2] in (INDEX, PARTS) and by != 0:
            most = min(most, _alike(tables, place, past.s[at, now, place[0], place[1]], by, most))
    return max(most, 0)


@inlined
def _room(tables: Integers, place: Integers, before: Integers, s: Integers, by: int) -> int:
    """How far a register can go on, by steps of `by`, if that is not for the rows of a table; of a
    queue from which words are taken, that nothing comes in to though it has room, in periods.
    """
    part, register, how, limit = place[0], place[1], place[2], place[3]
    value = s[part, register]
    if how == FED and s[place[4], RUN] != before[place[4], RUN]:
        taken = s[place[4], RUN] - before[place[4], RUN]
        full = value == limit - 1
        return value * place[5] // taken if by == 0 and not full else 0
    if by == 0 or how in (ANY, INDEX, PARTS):
        return FOR_EVER
    if how == BEATS:
        index = s[part, place[5]]
        limit = tables[limit + place[4] * index] if index == before[part, place[5]] else 0
    if by > 0:
        return limit - 1 - value
    if how in (UP, BEATS):
        return 0
    return value - 1 if how == DOWN else value


@inlined
def _alike(tables: Integers, place: Integers, index: int, by: int, most: int) -> int:
    """Periods in which a table's rows from `index` on are those of the period before, up to `most`,
    but for one that is left.
    """
    how, start, width, rows = place[2], place[3], place[4], place[5]
    if by < 0 or index < by:
        return 0
    row = index
    while row < rows and row < index + (most + 1) * by:
        for column in range(width):
            now, then = start + width * row + column, start + width * (row - by) + column
            if tables[now] != tables[then] and not (how == PARTS and column == PLACE):
                return (row - index) // by - 1
        row += 1
    return (row - index) // by - 1
