"""Positions: the registers in which parts keep how far they have come in steps, words and beats.

They go on from one period of a run to the next, where all other registers are the same again.
"""

from collections.abc import Sequence

from hwsim import parts
from hwsim.parts import Machine, memory, units, words

ANY, LEVEL, FED, UP, DOWN, BEATS, WORD, INDEX, PARTS, ASKED = range(10)
"""How a register goes on: without an end; as the level of a queue, or of one whose words become
beats; up to a limit; down to 1; up to what a table says; as the beats of a word that are gone; as
an index of a table, or of one of spilled parts; down with the words that fetch takes.
"""

Position = tuple[int, int, int, int, int, int]
"""A register that goes on: of which part, which one, how, and of that: (LEVEL or UP, limit), (FED,
limit, part that takes the words, beats of one), (BEATS, where the limit lies in the first row of
a table, words of a row, register of the index), (WORD, beats of one), (INDEX or PARTS, table, words
of a row, rows), (ASKED, fetch).
"""

RUN = 1
"""Register of a part that makes beats of words: beats of its run."""
PLACE = 1
"""In a row of spilled parts: what matters to the memory alone."""


def positions(m: Machine) -> list[Position]:
    """Of all parts; what differs most often from one period to the next comes first."""
    kinds, p, io = m.kinds.tolist(), m.p.tolist(), m.io.tolist()
    takers = {io[at][0]: (at, p[at][0]) for at, kind in enumerate(kinds) if kind == parts.NARROW}
    found = list[Position]()
    for part, kind in enumerate(kinds):
        found += [(part, *each) for each in _of_part(kind, p[part])]
        if kind == parts.QUEUE:
            taker = takers.get(io[part][1])
            found.append((part, 0, FED if taker else LEVEL, p[part][0] + 1, *(taker or (0, 0))))
        if kind == parts.READER:
            found.append((part, memory.WORDS, ASKED, kinds.index(parts.FETCH), 0, 0))
    return sorted(found, key=lambda position: position[2] != ANY)


def _of_part(kind: int, p: Sequence[int]) -> list[tuple[int, int, int, int, int]]:
    """Positions of a part that depend on none but itself."""
    match kind:
        case parts.SWITCH | parts.SELECT:
            return [(0, INDEX, p[0], 2, p[1]), (1, BEATS, p[0] + 1, 2, 0)]
        case parts.NARROW:
            run = [(RUN, BEATS, p[1], 2, 3), (2, BEATS, p[1] + 1, 2, 3)]
            return [*run, (3, INDEX, p[1], 2, p[2]), (0, WORD, p[0], 0, 0)]
        case parts.FETCH:
            packet = [(words.PACKET, INDEX, p[0], 5, 2 * p[1]), (words.REPEATS, DOWN, 0, 0, 0)]
            return [*packet, (words.TAKEN, ANY, 0, 0, 0)]
        case parts.PIPE:
            return [(1, UP, p[3], 0, 0)]
        case parts.NORM:
            return [(1, DOWN, 0, 0, 0), (3, INDEX, p[2], 1, p[3])]
        case parts.MATVEC:
            return [(units.TILES_LEFT, DOWN, 0, 0, 0), (units.PASS, INDEX, p[4], 3, p[5])]
        case parts.DISCRETIZE:
            return [(each, UP, p[0] + 1, 0, 0) for each in (0, 2, 3)]
        case parts.UPDATE:
            return [(4, UP, p[2], 0, 0)]
        case parts.READ_OUT:
            return [(1, UP, p[1], 0, 0)]
        case parts.SPILL:
            return [(2, PARTS, p[2], 3, p[3])]
        case parts.WRITER:
            return [(memory.PART, PARTS, p[2], 3, p[3])]
    return []
