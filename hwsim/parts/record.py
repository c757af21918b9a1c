"""What is seen of a run: when tokens leave, and what each unit is at, in all and for each token."""

from typing import NamedTuple

import numpy as np

from hwsim.parts import Machine
from hwsim.parts.wires import Integers
from models.compiled import inlined
from models.counters import Activity


class Record(NamedTuple):
    """What is seen of a run.

    `token_edges` (tokens,) are the edges on which tokens leave, `counts` (units, activities) the
    edges of each activity, `now` (2, units) activities and from when on they hold. `events`
    (any, 3) are those of the token that is watched, (edge, unit, activity) where an activity
    begins; `shown` (units,) is the last of each unit. `tokens` (1 + tokens, units, activities) are
    the counts behind edge 0 and behind those of the tokens. `at` (8,) is where the run stands.
    """

    token_edges: Integers
    tokens: Integers
    counts: Integers
    now: Integers
    events: Integers
    shown: Integers
    at: Integers


EDGE, LEAPT, THROUGH, EVENTS, LAST_BUSY, BUSY, FRESH, LEFT = range(8)
"""Of `Record.at`: the edge, without those that were leapt over, which are next; tokens that have
left, events, the last edge on which a unit was busy, whether one is, whether the next edge is to
show what all units are at, tiles that are left of a pass.
"""


def record(units: int, tokens: int) -> Record:
    """Of a run that has not begun."""
    at = np.zeros(8, np.int64)
    at[FRESH] = 1
    return Record(
        np.zeros(tokens, np.int64),
        np.zeros((1 + tokens, units, len(Activity)), np.int64),
        np.zeros((units, len(Activity)), np.int64),
        np.zeros((2, units), np.int64),
        np.zeros((64 * units, 3), np.int64),
        np.full(units, -1, np.int64),
        at,
    )


@inlined
def note(each: int, at: int, m: Machine, r: Record, edge: int) -> bool:
    """Note what a part is at; whether that is something else than before."""
    unit = m.units[each]
    if unit < 0 or r.now[0, unit] == at:
        return False
    r.counts[unit, r.now[0, unit]] += edge - r.now[1, unit]
    r.now[0, unit], r.now[1, unit] = at, edge
    return True


@inlined
def count(r: Record, edge: int) -> None:
    """Count what all units are at, up to an edge and with it."""
    for unit in range(len(r.counts)):
        r.counts[unit, r.now[0, unit]] += edge + 1 - r.now[1, unit]
        r.now[1, unit] = edge + 1
