"""The memory: its parameters, when its beats arrive, and how a port meets it.

All times are clock edges of the port, counted from edge 0, on which the memory's own clock begins.

A burst whose address is taken on edge `t` can have its first beat on edge `t + latency`, not
before. Beats are served one after the other, in the order of their addresses; each occupies the
memory for `1 / rate` cycles, counted without those in which it refreshes:

    begin[k]   = max(begin[k-1] + 1 / rate, active(t + latency + jitter)) + gap
    arrival[k] = wall(ceil(begin[k]))

`active(edge)` is the number of cycles before `edge` without refresh, and `wall` its inverse. The
memory refreshes in the `refresh_cycles` cycles that follow each multiple of `refresh_interval`,
but for edge 0. `jitter` is 0..`jitter` cycles for a burst, and `gap` the failures, each of
probability `gap`, before a success, for a beat: both for tests, from a seed, 0 otherwise.

A beat that has arrived waits for the port's ready without holding up the memory behind it. A burst
is outstanding until its last beat has been taken; the memory takes an address only when fewer than
`outstanding` were before this edge.

One memory serves reads and writes. It takes the words of a written burst, one on an edge, on the
edges after the one on which it took the address; a burst whose last word is taken on edge `t` is
served as a read of as many beats is whose address is taken on `t`, and its response is offered from
`arrival` of the last of them on, one response on an edge. Of a read and a write of the same edge,
the read is first. Written bursts are outstanding until their response has been taken, and count by
themselves. A read whose address is taken after the response sees what was written; before, it
sees what was there.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from models.memory_port import ReadPortConfig

FINEST = 4096
"""Largest denominator of a sustained rate."""


@dataclass(frozen=True)
class MemoryModel:
    """A memory behind a read port; times in cycles of the port's clock.

    Several ports that are read in step, each with such a memory, are one of all their `port_bits`.

    >>> MemoryModel(port_bits=256, clock_hz=400e6, latency=60, fraction=0.9375).bandwidth
    12000000000.0
    """

    port_bits: int
    clock_hz: float
    latency: int = 32
    fraction: float = 1.0
    """Sustained share of the port's peak, between refreshes."""
    refresh_interval: int = 0
    """Cycles from one refresh to the next; 0 for a memory without."""
    refresh_cycles: int = 0
    outstanding: int = 16
    gap: float = 0.0
    jitter: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        _require("latency", self.latency, self.latency >= 1, "1 or more cycles")
        _require("fraction", self.fraction, 1 / FINEST <= self.fraction <= 1,
                 f"in 1/{FINEST}..1, a share of the port's peak")  # fmt: skip
        _require("outstanding", self.outstanding, self.outstanding >= 1, "1 or more bursts")
        _require("gap", self.gap, 0 <= self.gap < 1, "a probability below 1")
        _require("jitter", self.jitter, self.jitter >= 0, "0 or more cycles")
        idle = self.refresh_interval == self.refresh_cycles == 0
        _require("refresh_cycles", self.refresh_cycles,
                 idle or 0 <= self.refresh_cycles < self.refresh_interval,
                 f"in 0..refresh_interval - 1, with refresh_interval = {self.refresh_interval}",
                 )  # fmt: skip

    @property
    def rate(self) -> Fraction:
        """Beats in a cycle while the memory does not refresh: `fraction`, as small integers."""
        return Fraction(self.fraction).limit_denominator(FINEST)

    @property
    def bandwidth(self) -> float:
        """Bytes in a second that a long sequential read reaches."""
        busy = self.refresh_cycles / self.refresh_interval if self.refresh_interval else 0
        return self.port_bits / 8 * self.clock_hz * float(self.rate) * (1 - busy)


class Server:
    """The memory's service: burst after burst, the edges on which its beats arrive."""

    def __init__(self, model: MemoryModel) -> None:
        self.model = model
        self._chance = random.Random(model.seed)
        # In active cycles, times the numerator of the rate, so that all times are integers.
        self._free = 0

    def accept(self, beats: int, edge: int) -> list[int]:
        """Edges from which on each of `beats` is there, of a burst accepted on `edge`.

        Bursts must be accepted in the order of their edges. Beats arrive in order, each after
        the one before, also across bursts.
        """
        model, (scale, cost) = self.model, self.model.rate.as_integer_ratio()
        ready = edge + model.latency
        if model.jitter:
            ready += self._chance.randint(0, model.jitter)
        begin = max(self._free, self._active(ready) * scale)
        begins = [begin + at * cost for at in range(beats)]
        if model.gap:
            late = 0
            for at in range(beats):
                while self._chance.random() < model.gap:
                    late += scale
                begins[at] += late
        self._free = begins[-1] + cost
        if scale == cost == 1 and not model.refresh_interval:
            return begins
        return [self._wall(-(-begin // scale)) for begin in begins]

    def _active(self, edge: int) -> int:
        """Cycles before `edge` without refresh."""
        interval, cycles = self.model.refresh_interval, self.model.refresh_cycles
        if not interval or edge < interval:
            return edge
        return edge - (edge // interval - 1) * cycles - min(edge % interval, cycles)

    def _wall(self, active: int) -> int:
        """The edge without refresh that has `active` such cycles before it."""
        interval, cycles = self.model.refresh_interval, self.model.refresh_cycles
        if not interval or active < interval:
            return active
        return active + (active - cycles) // (interval - cycles) * cycles


class ReadPort:
    """A read master of `config` on a memory of `model`: the edges on which its words are taken.

    The master takes a read on an edge, its first burst stands on the address channel one edge
    later, the others follow on the edges after, and each is taken on the next edge when the memory
    is willing. It offers a burst two edges after the last word of the burst `outstanding` before
    it has been taken, or later. It takes its next read on the edge on which its last burst is
    brought to the address channel.
    """

    def __init__(self, config: ReadPortConfig, model: MemoryModel) -> None:
        self.config = config
        self.server = Server(model)
        self._next_read = 0  # edge on which the next read can be taken
        self._address = 0  # edge of the last transfer on the address channel
        self._word = -1  # edge on which the last word was taken
        self._asked: deque[int] = deque(maxlen=config.outstanding)
        self._served: deque[int] = deque(maxlen=model.outstanding)

    def read(
        self, address: int, words: int, offered: int = 0, take: Callable[[int], int] | None = None
    ) -> list[int]:
        """Edges on which the words of a read are taken that is offered from edge `offered` on.

        `take` gives the edge on which the consumer takes a word that is offered from an edge on;
        without it, it takes each at once. It is asked for each word in order.
        """
        edges = []
        brought = self._next_read = max(self._next_read, offered)
        for _, beats in self.config.bursts(address, words):
            brought = max(brought + 1, self._address, _last(self._asked) + 1)
            self._address = max(brought + 1, _last(self._served) + 1)
            for arrival in self.server.accept(beats, self._address):
                edge = max(arrival, self._word + 1)
                self._word = edge if take is None else take(edge)
                edges.append(self._word)
            self._asked.append(self._word)
            self._served.append(self._word)
        self._next_read = max(brought, self._next_read + 1)
        return edges


class WritePort:
    """A write master of `config` on a memory of `model`: when its words and responses are taken.

    Bursts come to the address channel as those of a `ReadPort`, where a burst is over when its
    response has been taken, which the master does at once. The first word of a burst is offered
    when its address is, or later.
    """

    def __init__(self, config: ReadPortConfig, model: MemoryModel) -> None:
        self.config = config
        self.server = Server(model)
        self.responses: list[int] = []
        """Edges on which the responses of all bursts so far are taken."""
        self._next_write = 0  # edge on which the next write can be taken
        self._address = 0  # edge of the last transfer on the address channel
        self._word = -1  # edge on which the last word was taken
        self._asked: deque[int] = deque(maxlen=config.outstanding)
        self._served: deque[int] = deque(maxlen=model.outstanding)

    def write(
        self, address: int, words: int, offered: int = 0, give: Callable[[int], int] | None = None
    ) -> list[int]:
        """Edges on which the words of a write are taken that is offered from edge `offered` on.

        `give` gives the edge on which the producer offers a word that could be taken from an edge
        on; without it, it offers each at once. It is asked for each word in order.
        """
        edges = []
        brought = self._next_write = max(self._next_write, offered)
        for _, beats in self.config.bursts(address, words):
            brought = max(brought + 1, self._address, _last(self._asked) + 1)
            self._address = max(brought + 1, _last(self._served) + 1)
            for _ in range(beats):
                edge = max(self._address, self._word) + 1
                self._word = edge if give is None else give(edge)
                edges.append(self._word)
            arrival = self.server.accept(beats, self._word)[-1]
            response = max(arrival, self.responses[-1] + 1 if self.responses else 0)
            self.responses.append(response)
            self._asked.append(response)
            self._served.append(response)
        self._next_write = max(brought, self._next_write + 1)
        return edges


def _last(edges: deque[int]) -> int:
    """When the burst that has to be over first was, or before all edges when none has to."""
    return edges[0] if len(edges) == edges.maxlen else -1


def _require(name: str, value: float, holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f"memory {name} must be {rule}, not {value!r}")
