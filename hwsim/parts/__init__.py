"""The parts that an accelerator's time is made of, compiled: what each does on a clock edge.

Parts are joined by channels, each with a producer and a consumer. On an edge, a channel is `valid`
when its producer offers a beat and `ready` when its consumer would take it; both together move a
beat. Beats have no content. What a part knows about them (which output a step names, how many
beats a pass has) lies in `tables`, the same for every token.

An edge has three rounds:

1. `offer`: parts without a register at their output pass `valid` on, producers first;
2. `step`: parts whose `ready` follows their output's, consumers first, move their beats and set
   their registers; valid of a registered output turns after the edge;
3. queues and gathering banks, whose `valid` and `ready` both come from registers.

A part's function takes its channels `io` (those it takes from, gives to, and only looks at), its
constants `p`, its registers `s` and the wires. It sets all that it says on its channels, through
`hwsim.parts.wires`, and returns its activity, with MOVED if it may do something else on the next
edge though nothing turns on its channels: if a register has changed, or time itself counts.
"""

from typing import NamedTuple

from hwsim.parts.wires import Integers
from models.counters import Activity

BUSY, INPUT, OUTPUT, MEMORY_READ, MEMORY_WRITE, STATE, FILL = (int(each) for each in Activity)
MOVED = 8
"""Beside an activity."""

KINDS = (
    "fork", "switch", "select", "widen", "narrow", "fetch",
    "pipe", "serialize", "norm", "matvec", "discretize", "update", "read_out",
    "hadamard", "spill", "reader", "writer", "sequence", "queue", "gather",
)  # fmt: skip
(
    FORK, SWITCH, SELECT, WIDEN, NARROW, FETCH,
    PIPE, SERIALIZE, NORM, MATVEC, DISCRETIZE, UPDATE, READ_OUT,
    HADAMARD, SPILL, READER, WRITER, SEQUENCE, QUEUE, GATHER,
) = range(len(KINDS))  # fmt: skip
OFFERING = (FORK, SWITCH, SELECT, WIDEN, NARROW, FETCH)
"""Kinds that take part in the first round."""
REGISTERED = (QUEUE, GATHER)
"""Kinds of the third round, instead of the second."""
REGISTERS = 64
"""Of each part, at most."""


class Machine(NamedTuple):
    """All parts: for each its kind, channels, constants, registers and unit (-1: none).

    The first `moving` parts are those of the first two rounds, producers first, then come those of
    the third; `offering` is a mask of the parts of the first round. `memory` is as
    `hwsim.parts.memory` has it, `bursts` (2, a power of two, 2) those outstanding that are read and
    written, `reads` (2,) what is asked for: where in a largest burst it begins, its words.
    """

    kinds: Integers
    io: Integers
    p: Integers
    s: Integers
    units: Integers
    moving: int
    offering: int
    tables: Integers
    memory: Integers
    bursts: Integers
    reads: Integers
