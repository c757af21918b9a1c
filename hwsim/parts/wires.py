"""The handshakes of all channels, and who is awake to see them change.

A part that has changed none of its registers on an edge, and whose channels all stay as they were,
would do the same again on the next one. So it sleeps until one of its channels turns, and an edge
costs only what happens on it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import inlined

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

MOST_PARTS = 62
"""That move, and that are registered: bits of a mask that has a sign."""


class Wires(NamedTuple):
    """The handshakes on this edge; all at reset.

    `awake` (2,) are masks of the parts that move and of the registered ones, which `sensitive`
    (channels, 2) are to a channel. `turning` (2, channels) are the channels whose valid and whose
    ready turn after the edge, so many as `turns` (2,) says.
    """

    valid: Flags
    ready: Flags
    awake: Integers
    sensitive: Integers
    turning: Integers
    turns: Integers


def wires(valid: Flags, ready: Flags, sensitive: Integers) -> Wires:
    """The wires at reset, when all parts are awake."""
    turning, turns = np.zeros((2, len(valid)), np.int64), np.zeros(2, np.int64)
    awake = np.bitwise_or.reduce(sensitive, axis=0)
    return Wires(valid, ready, awake, sensitive, turning, turns)


@inlined
def wake(w: Wires, channel: int) -> None:
    """All parts that have this channel."""
    w.awake[0] |= w.sensitive[channel, 0]
    w.awake[1] |= w.sensitive[channel, 1]


@inlined
def offer(w: Wires, channel: int, valid: bool) -> None:
    """Pass `valid` on, on this edge."""
    if w.valid[channel] != valid:
        w.valid[channel] = valid
        wake(w, channel)


@inlined
def take(w: Wires, channel: int, ready: bool) -> None:
    """Pass `ready` back, on this edge."""
    if w.ready[channel] != ready:
        w.ready[channel] = ready
        wake(w, channel)


@inlined
def then_offer(w: Wires, channel: int, valid: bool) -> None:
    """Set the register of `valid`: it shows after the edge. Once on an edge."""
    if w.valid[channel] != valid:
        w.turning[0, w.turns[0]] = channel
        w.turns[0] += 1


@inlined
def then_take(w: Wires, channel: int, ready: bool) -> None:
    """Set the register of `ready`: it shows after the edge. Once on an edge."""
    if w.ready[channel] != ready:
        w.turning[1, w.turns[1]] = channel
        w.turns[1] += 1


@inlined
def turn(w: Wires) -> None:
    """The edge is over: what registers hold shows."""
    for at in range(w.turns[0]):
        channel = w.turning[0, at]
        w.valid[channel] = not w.valid[channel]
        wake(w, channel)
    for at in range(w.turns[1]):
        channel = w.turning[1, at]
        w.ready[channel] = not w.ready[channel]
        wake(w, channel)
    w.turns[:] = 0
