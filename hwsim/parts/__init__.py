"""The parts that an accelerator's time is made of, compiled: what each does on a clock edge.

Parts are joined by channels, each with a producer and a consumer. On an edge, a channel is `valid`
when its producer offers a beat and `ready` when its consumer would take it; both together move a
beat. Beats have no content. What a part knows about them (which output a step names, how many
beats a pass has) lies in `tables`, the same for every token.

An edge has three rounds:

1. `offer`: parts without a register at their output pass `valid` on, producers first;
2. `step`: parts whose `ready` follows their output's, consumers first, move their beats and set
   their registers; valid of a registered output changes after the edge (`then_valid`);
3. queues and gathering banks, whose `valid` and `ready` both come from registers.

A part's function takes its channels `io` (those it takes from, gives to, and only looks at), its
constants `p`, its registers `s` and the wires, and returns its activity.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.counters import Activity

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

BUSY, INPUT, OUTPUT, MEMORY_READ, MEMORY_WRITE, STATE, FILL = (int(each) for each in Activity)

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


class Wires(NamedTuple):
    """The handshakes of all channels, on this edge and after it."""

    valid: Flags
    ready: Flags
    then_valid: Flags
    then_ready: Flags


class Machine(NamedTuple):
    """All parts: for each its kind, channels, constants, registers and unit (-1: none).

    `offering`, `stepping` and `registered` are the parts of the three rounds, in order. `memory` is
    as `hwsim.parts.memory` has it, `bursts` (2, bursts outstanding, 2) those that are read and
    written, `reads` (2,) what is asked for: where in a largest burst it begins, its words.
    """

    kinds: Integers
    io: Integers
    p: Integers
    s: Integers
    units: Integers
    offering: Integers
    stepping: Integers
    registered: Integers
    tables: Integers
    memory: Integers
    bursts: Integers
    reads: Integers
