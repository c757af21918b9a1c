"""Netlists: the parts of `hwsim.parts` by the names of their channels, and as its arrays."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hwsim import parts
from hwsim.parts.wires import MOST_PARTS, Flags, Wires, wires
from hwsim.units.quantize import QuantizeTiming
from models.units.quantize import QuantizeConfig


@dataclass
class Netlist:
    """Parts as rows of a table, joined by the names of their channels.

    On the channels of `offered` there is always something, on those of `silent` never; those of
    `taken` are always ready.
    """

    names: list[str] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    takes: list[Sequence[str]] = field(default_factory=list)
    gives: list[Sequence[str]] = field(default_factory=list)
    sees: list[Sequence[str]] = field(default_factory=list)
    constants: list[Sequence[int]] = field(default_factory=list)
    tables: "array[int]" = field(default_factory=lambda: array("q"))
    channels: dict[str, int] = field(default_factory=dict)
    offered: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    def add(
        self,
        kind: int,
        takes: Sequence[str],
        gives: Sequence[str],
        constants: Sequence[int] = (),
        name: str = "",
        *,
        sees: Sequence[str] = (),
    ) -> None:
        """A part with its channels in and out, and those that it only looks at, to which it writes
        nothing; `name` is that of its unit, if it is one.
        """
        for channel in (*takes, *gives, *sees):
            self.channels.setdefault(channel, len(self.channels))
        self.names.append(name)
        self.kinds.append(kind)
        self.takes.append(takes)
        self.gives.append(gives)
        self.sees.append(sees)
        self.constants.append(constants)

    def table(self, *columns: Sequence[int] | parts.Integers) -> tuple[int, int]:
        """Keep a table of these columns; where its rows begin, and how many they are."""
        start = len(self.tables)
        self.tables.frombytes(np.array(columns, np.int64).T.tobytes())
        return start, len(columns[0])

    def queue(self, source: str, out: str, depth: int) -> None:
        self.add(parts.QUEUE, [source], [out], [depth - 1])

    def pipe(
        self,
        name: str,
        takes: Sequence[str],
        out: str,
        stages: int,
        *,
        fed: str = "",
        every: int = 1,
    ) -> None:
        """A pipeline; `fed` are its weights; it gives a beat for `every` that it takes."""
        inputs = [*takes, fed] if fed else takes
        self.add(parts.PIPE, inputs, [out], [stages, len(takes), len(inputs), every], name)

    def fork(self, source: str, outs: Sequence[str]) -> None:
        self.add(parts.FORK, [source], outs, [len(outs)])

    def quantize(self, name: str, source: str, out: str, config: QuantizeConfig) -> None:
        timing, beats = QuantizeTiming(config), config.block.group // config.lanes
        if beats > 1:
            whole = f"{out}, whole groups"
            self.add(parts.GATHER, [source], [whole], [beats], name)
            self.pipe("", [whole], out, timing.latency - beats)
        else:
            self.pipe(name, [source], out, timing.latency)

    def resize(self, source: str, out: str, lanes: int, to: int) -> None:
        if to > lanes:
            self.add(parts.WIDEN, [source], [out], [to // lanes])
        else:
            self.narrow(source, out, lanes // to, [lanes // to], [1])

    def narrow(
        self, source: str, out: str, beats: int, *runs: Sequence[int] | parts.Integers
    ) -> None:
        """Of a word `beats`, in `runs` that begin with a word of their own: beats, repeats."""
        self.add(parts.NARROW, [source], [out], [beats, *self.table(*runs)])

    def machine(
        self, units: Sequence[str] = (), memory: Sequence[int] = (), outstanding: int = 1
    ) -> parts.Machine:
        """The parts as arrays; every channel must have one producer and one consumer.

        `units` are those whose activities count, in the order of their numbers; `memory` is as
        `hwsim.parts.memory` has it, and a port of it has so many bursts `outstanding`.
        """
        sources, sinks = self.offered | self.silent, self.taken | self.silent
        for sides, constant in ((self.gives, sources), (self.takes, sinks)):
            ends = [channel for side in sides for channel in side] + sorted(constant)
            wrong = sorted(each for each in self.channels if ends.count(each) != 1)
            assert not wrong, f"channels that have not one producer and one consumer: {wrong}"
        io = [
            [self.channels[channel] for side in sides for channel in side]
            for sides in zip(self.takes, self.gives, self.sees, strict=True)
        ]
        moving, registered = self._in_order()
        order = moving + registered
        kinds = [self.kinds[at] for at in order]
        names = [self.names[at] for at in order]
        offering = [kind in parts.OFFERING for kind in kinds]
        return parts.Machine(
            kinds=np.array(kinds),
            io=_rectangle([io[at] for at in order]).astype(np.uint32),
            p=_rectangle([self.constants[at] for at in order]),
            s=np.zeros((len(io), parts.REGISTERS), np.int64),
            units=np.array([units.index(name) if name in units else -1 for name in names]),
            moving=len(moving),
            offering=sum(1 << at for at, offers in enumerate(offering) if offers),
            tables=np.array(self.tables),
            memory=np.array(memory, np.int64),
            bursts=np.zeros((2, 1 << (outstanding - 1).bit_length(), 2), np.int64),
            reads=np.zeros(2, np.int64),
        )

    def wires(self) -> Wires:
        """All wires at reset: nothing is offered, and queues would take something."""
        willing = {
            takes[0]
            for kind, takes in zip(self.kinds, self.takes, strict=True)
            if kind in parts.REGISTERED
        }
        sensitive = np.zeros((len(self.channels), 2), np.int64)
        for third, order in enumerate(self._in_order()):
            assert len(order) <= MOST_PARTS, f"{len(order)} parts in a round"
            for bit, at in enumerate(order):
                for channel in (*self.takes[at], *self.gives[at], *self.sees[at]):
                    sensitive[self.channels[channel], third] |= 1 << bit
        return wires(
            np.array([channel in self.offered for channel in self.channels]),
            np.array([channel in self.taken | willing for channel in self.channels]),
            sensitive,
        )

    def beside_memory(self) -> Flags:
        """Channels on which it is not for the memory to say when something is offered."""
        memory = {
            channel
            for kind, gives in zip(self.kinds, self.gives, strict=True)
            if kind in (parts.READER, parts.WRITER)
            for channel in gives
        }
        return np.array([channel not in memory for channel in self.channels])

    def _in_order(self) -> tuple[list[int], list[int]]:
        """Parts without registered ones, each before those that take from it; registered ones."""
        kinds = list(enumerate(self.kinds))
        moving = [at for at, kind in kinds if kind not in parts.REGISTERED]
        consumers = {channel: at for at in moving for channel in self.takes[at]}
        order: dict[int, None] = {}

        def visit(at: int) -> None:
            for channel in self.gives[at]:
                if channel in consumers and consumers[channel] not in order:
                    visit(consumers[channel])
            order.setdefault(at)

        for at in moving:
            visit(at)
        return list(order)[::-1], [at for at, kind in kinds if kind in parts.REGISTERED]


def _rectangle(rows: Sequence[Sequence[int]]) -> parts.Integers:
    """Rows of different lengths as one array, filled up with zeros."""
    filled = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for at, row in enumerate(rows):
        filled[at, : len(row)] = row
    return filled
