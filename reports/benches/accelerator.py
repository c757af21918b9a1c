"""cocotb bench for an accelerator: memory, host and streams around it, for one run.

The file named by VECTORS holds

    clock, reset    names of ports; a reset `..._n` is active low
    memory          fields of `hwsim.memory.MemoryModel`
    ports           memory ports, 1 when left out: behind each there is such a memory, that of port
                    k with k added to its seed
    regions         [{address, path}], files that every memory holds; what is written stays here
    registers       values to write before the start, by field of `models.registers`
    counters        names of the counters, as given to `models.registers.register_map`
    timeline        the token, counted from 0, during which units are watched; may be left out
    units           with it, the names of the units at the port `activity`, the lowest bits first
    read            fields to read after done
    tokens          words for `s_axis_tokens`
    willingness     chance that a stream's other side is willing on an edge
    poll            cycles from one look at CONTROL to the next
    deadline        cycles without any transfer after which the run is given up

The file named by RECEIVED gets `tokens` and `logits` (words as hexadecimal digits), `token_edges`,
`registers`, `counters` (cycles by name), `timeline` (of each unit the intervals
[activity, first edge, edge after the last], from the edge after that of the token before to the
token's own), `edges` (from start until done was seen), `bursts` and `words` that were read and
`written` words (of the first port), `outside` (addresses of bursts where the memory holds nothing),
`seconds` and `failure` (what happened, or null). The file named by PROGRESS gets each token as it
comes, a line each. Comparing is left to the caller.

Edges count from the one on which the accelerator sees its start; so does the memory's clock.
"""

import json
import os
import random
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Timer

from hwsim.memory import MemoryModel, Server
from models.counters import ACTIVITY_BITS, Activity
from models.memory_port import port_name
from models.registers import WORD_BITS, register_map

PERIOD = 10  # ns
OKAY, SLVERR = 0, 2


@cocotb.test()
async def accelerator(dut):
    vectors = json.loads(Path(os.environ["VECTORS"]).read_text())
    with open(os.environ["PROGRESS"], "a") as progress:
        bench = Bench(dut, vectors, progress)
        failure = "cut off; the log says by what"
        try:
            await bench.run()
            failure = None
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            raise
        finally:
            result = json.dumps(bench.result() | {"failure": failure})
            Path(os.environ["RECEIVED"]).write_text(result)


class Bench:
    """Everything around the accelerator; `run` is the whole story."""

    def __init__(self, dut, vectors, progress):
        self.vectors = vectors
        self.clock, self.reset = getattr(dut, vectors["clock"]), getattr(dut, vectors["reset"])
        self.edge = self.clock.rising_edge
        ports, model = vectors.get("ports", 1), MemoryModel(**vectors["memory"])
        self.host = Host(dut, self.edge, register_map(vectors["counters"], ports))
        regions = [(r["address"], _mapped(r["path"])) for r in vectors["regions"]]
        self.memories = [
            Memory(dut, replace(model, seed=model.seed + port), regions, port)
            for port in range(ports)
        ]
        willingness = vectors["willingness"]
        self.prompt = Source(dut, "s_axis_tokens", vectors["tokens"], willingness)
        self.tokens = Sink(dut, "m_axis_tokens", willingness, progress)
        self.logits = Sink(dut, "m_axis_logits", willingness)
        self.activity, self.activities = dut.activity, []
        self.now, self.seconds, self.registers, self.counters = 0, 0.0, {}, {}

    async def run(self):
        Clock(self.clock, PERIOD, unit="ns", impl="gpi").start()
        await self._reset()
        for name, value in self.vectors["registers"].items():
            await self.host.write(name, value)
        began = time.perf_counter()
        await self.host.write("start", 1)
        around = cocotb.start_soon(self._serve())
        await self._until_done(around)
        self.seconds = time.perf_counter() - began
        for name in self.vectors["read"]:
            self.registers[name] = await self.host.read(name)
        for name in self.vectors["counters"]:
            self.counters[name] = await self.host.read(f"counter_{name}")
        around.cancel()

    async def _reset(self):
        active = 0 if self.vectors["reset"].endswith("_n") else 1
        self.reset.value = active
        await self.edge
        await self.edge
        self.reset.value = 1 - active

    async def _serve(self):
        """All that happens on every edge; what is called here must touch few ports."""
        edge, tokens, logits = self.edge, self.tokens, self.logits
        halves = [half for each in self.memories for half in (each, each.writes) if half]
        prompt = self.prompt
        written, watched = tokens.words, self.vectors.get("timeline")
        while True:
            await edge
            self.now = now = self.now + 1
            if len(written) == watched:
                self.activities.append(int(self.activity.value))
            for half in halves:
                half.tick(now)
            if prompt.left:
                prompt.tick()
            tokens.tick(now)
            logits.tick(now)

    async def _until_done(self, around):
        pause = Timer(self.vectors["poll"] * PERIOD, unit="ns")
        moved, since = None, 0
        while True:
            await pause
            await self.edge
            if around.done():
                around.result()
            if await self.host.read("done"):
                return
            so_far = self._moved()
            if so_far != moved:
                moved, since = so_far, self.now
            elif self.now - since >= self.vectors["deadline"]:
                raise TimeoutError(
                    f"nothing moved in {self.now - since} cycles, until cycle {self.now}; "
                    f"so far: {moved}"
                )

    def _moved(self):
        return {
            "prompt tokens": len(self.vectors["tokens"]) - len(self.prompt.left),
            "bursts": sum(memory.bursts for memory in self.memories),
            "bursts outside of the memory": len(self._outside()),
            "words": sum(memory.words for memory in self.memories),
            "words that wait to be read": sum(len(memory.arrivals) for memory in self.memories),
            "tokens": len(self.tokens.words),
            "logit words": len(self.logits.words),
        }

    def _outside(self):
        return [address for memory in self.memories for address in memory.outside]

    def result(self):
        first = self.memories[0]
        return {
            "tokens": [f"{word:x}" for word in self.tokens.words],
            "token_edges": self.tokens.edges,
            "logits": [f"{word:x}" for word in self.logits.words],
            "registers": self.registers,
            "counters": self.counters,
            "timeline": self._timeline(),
            "edges": self.now,
            "bursts": first.bursts,
            "words": first.words,
            "written": first.writes.words if first.writes else 0,
            "outside": self._outside(),
            "seconds": self.seconds,
        }

    def _timeline(self):
        token = self.vectors.get("timeline")
        if token is None or len(self.tokens.edges) < token:
            return None
        first = self.tokens.edges[token - 1] + 1 if token else 1
        return timeline(self.activities, first, self.vectors["units"])


def timeline(activities, first, units):
    """Intervals of each of `units` from the port's values `activities`, on edges from `first` on.

    The first unit is in the lowest bits.
    """
    words = np.array(activities, np.uint64)
    told = {}
    for at, unit in enumerate(units):
        codes = words >> ACTIVITY_BITS * at & (1 << ACTIVITY_BITS) - 1
        starts = np.flatnonzero(np.diff(codes, prepend=~codes[:1])).tolist()
        told[unit] = [
            [Activity(codes[start]).word, first + start, first + end]
            for start, end in zip(starts, [*starts[1:], len(codes)], strict=False)
        ]
    return told


class Memory:
    """Files behind an AXI4 read port, served as the memory model says.

    `writes` is the other half, when there is such a port to write.
    """

    def __init__(self, dut, model, regions, port):
        self.model, self.server, self.regions = model, Server(model), regions
        for name in ("araddr", "arlen", "arvalid", "arready", "rdata", "rlast", "rresp", "rvalid",
                     "rready"):  # fmt: skip
            setattr(self, name, getattr(dut, f"{port_name('read', port)}_{name}"))
        self.word_bytes = len(self.rdata) // 8
        self.arrivals, self.data, self.lasts = deque(), deque(), deque()
        self.bursts = self.words = self.pending = 0
        self.outside = []
        self.rvalid.value = self.rlast.value = self.rresp.value = 0
        self.arready.value = 1
        self.accepting, self.offering, self.last, self.response = True, False, 0, OKAY
        written = port_name("write", port)
        self.writes = Writes(dut, self, written) if hasattr(dut, f"{written}_awvalid") else None

    def tick(self, now):
        """After edge `now`: what was transferred on it, and what is offered on the next."""
        if self.accepting and self.arvalid.value:
            self._accept(now)
        arrivals = self.arrivals
        if self.offering:
            if not self.rready.value:
                return
            arrivals.popleft()
            self.words += 1
            if self.last:
                self.pending -= 1
                if not self.accepting:
                    self.arready.value = self.accepting = True
        if arrivals and arrivals[0] <= now + 1:
            word, last, response = self.data.popleft()
            self.rdata.value = word
            if last != self.last:
                self.rlast.value = self.last = last
            if response != self.response:
                self.rresp.value = self.response = response
            if not self.offering:
                self.rvalid.value = self.offering = True
        elif self.offering:
            self.rvalid.value = self.offering = False

    def _accept(self, now):
        address, beats = int(self.araddr.value), int(self.arlen.value) + 1
        self.bursts += 1
        self.pending += 1
        self.arrivals += self.server.accept(beats, now)
        octets = self._fetch(address, beats * self.word_bytes)
        response = OKAY
        if octets is None:
            self.outside.append(address)
            octets, response = bytes(beats * self.word_bytes), SLVERR
        size = self.word_bytes
        for at in range(beats):
            word = int.from_bytes(octets[at * size : (at + 1) * size], "little")
            self.data.append((word, int(at == beats - 1), response))
        if self.pending == self.model.outstanding:
            self.arready.value = self.accepting = False

    def _fetch(self, address, size):
        """Bytes of the memory, or None where it holds nothing; a file's last word is filled up."""
        held = self.held(address, size)
        return None if held is None else held.tobytes().ljust(size, b"\0")

    def held(self, address, size):
        """The memory's own bytes from `address` on, without those that fill a file's last word."""
        for base, octets in self.regions:
            at = address - base
            room = -(-len(octets) // self.word_bytes) * self.word_bytes
            if at >= 0 and at + size <= room:
                return octets[at : at + size]
        return None


class Writes:
    """The AXI4 write port of a memory, by its name.

    A burst is in the memory when its response has been taken, and not before.
    """

    def __init__(self, dut, memory, port):
        self.memory = memory
        for name in ("awaddr", "awlen", "awvalid", "awready", "wdata", "wstrb", "wlast", "wvalid",
                     "wready", "bresp", "bvalid", "bready"):  # fmt: skip
            setattr(self, name, getattr(dut, f"{port}_{name}"))
        self.missing = deque()  # address and beats of bursts whose words have not all come
        self.answers = deque()  # edge of the response, address, and the words
        self.came = []
        self.words = self.pending = 0
        self.awready.value = 1
        self.wready.value = self.bvalid.value = self.bresp.value = 0
        self.accepting, self.taking, self.answering, self.response = True, False, False, OKAY

    def tick(self, now):
        """After edge `now`, and after the reads on it."""
        if self.taking and self.wvalid.value:
            self._take(now)
        if self.accepting and self.awvalid.value:
            self.missing.append((int(self.awaddr.value), int(self.awlen.value) + 1))
            self.pending += 1
            if self.pending == self.memory.model.outstanding:
                self.awready.value = self.accepting = False
        if self.taking != bool(self.missing):
            self.wready.value = self.taking = bool(self.missing)
        if self.pending:
            self._answer(now)

    def _take(self, now):
        address, beats = self.missing[0]
        self.came.append((int(self.wdata.value), int(self.wstrb.value)))
        self.words += 1
        complete = len(self.came) == beats
        if int(self.wlast.value) != complete:
            raise ValueError(
                f"word {len(self.came)} of {beats} written from {address:#x} on must "
                f"{'' if complete else 'not '}be marked as the last one"
            )
        if complete:
            arrival = self.memory.server.accept(beats, now)[-1]
            self.answers.append((arrival, address, self.came))
            self.came = []
            self.missing.popleft()

    def _answer(self, now):
        if self.answering:
            if not self.bready.value:
                return
            _, address, words = self.answers.popleft()
            self._store(address, words)
            self.pending -= 1
            if not self.accepting:
                self.awready.value = self.accepting = True
        answer = bool(self.answers) and self.answers[0][0] <= now + 1
        if answer:
            _, address, words = self.answers[0]
            response = SLVERR if self._place(address, words) is None else OKAY
            if response != self.response:
                self.bresp.value = self.response = response
        if answer != self.answering:
            self.bvalid.value = self.answering = answer

    def _store(self, address, words):
        place, size = self._place(address, words), self.memory.word_bytes
        if place is None:
            self.memory.outside.append(address)
            return
        octets = b"".join(word.to_bytes(size, "little") for word, _ in words)
        strobes = np.array([mask >> at & 1 for _, mask in words for at in range(size)], bool)
        new, strobes = np.frombuffer(octets, np.uint8)[: len(place)], strobes[: len(place)]
        place[strobes] = new[strobes]

    def _place(self, address, words):
        return self.memory.held(address, len(words) * self.memory.word_bytes)


def _mapped(path):
    """The bytes of a file; writing to them leaves the file as it is."""
    return np.memmap(path, np.uint8, "c") if os.path.getsize(path) else np.zeros(0, np.uint8)


class Source:
    """Words for an AXI4-Stream input."""

    def __init__(self, dut, name, words, willingness):
        self.data, self.valid, self.ready = _stream(dut, name)
        self.left = deque(words)
        self.willingness, self.chance = willingness, random.Random(name)
        self.valid.value = self.offering = False

    def tick(self):
        if self.offering:
            if not self.ready.value:
                return
            self.left.popleft()
        offer = bool(self.left) and self.chance.random() <= self.willingness
        if offer:
            self.data.value = self.left[0]
        if offer != self.offering:
            self.valid.value = self.offering = offer


class Sink:
    """Words from an AXI4-Stream output, and when they came."""

    def __init__(self, dut, name, willingness, progress=None):
        self.data, self.valid, self.ready = _stream(dut, name)
        self.words, self.edges, self.progress = [], [], progress
        self.willingness, self.chance = willingness, random.Random(name)
        self.willing = willingness == 1
        self.ready.value = self.willing

    def tick(self, now):
        if self.willing and self.valid.value:
            word = int(self.data.value)
            self.words.append(word)
            self.edges.append(now)
            if self.progress:
                self.progress.write(f"{word}\n")
                self.progress.flush()
        if self.willingness < 1:
            willing = self.chance.random() <= self.willingness
            if willing != self.willing:
                self.ready.value = self.willing = willing


def _stream(dut, name):
    return [getattr(dut, f"{name}_{part}") for part in ("tdata", "tvalid", "tready")]


class Host:
    """Reads and writes fields of registers over the AXI4-Lite port `s_axi_control`."""

    def __init__(self, dut, edge, registers):
        self.edge = edge
        self.places = {
            field.name: (register, field)
            for register in registers.values()
            for field in register.fields
        }
        self.port = {
            name: getattr(dut, f"s_axi_control_{name}")
            for name in ("awaddr", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready",
                         "bresp", "bvalid", "bready", "araddr", "arvalid", "arready", "rdata",
                         "rresp", "rvalid", "rready")
        }  # fmt: skip
        for name in ("awvalid", "wvalid", "arvalid"):
            self.port[name].value = 0
        self.port["bready"].value = self.port["rready"].value = 1

    async def write(self, name, value):
        """Write a field; the others of its register get zeros."""
        register, field = self.places[name]
        whole = value << field.low
        for at, offset in enumerate(register.words.values()):
            word = whole >> at * WORD_BITS & (1 << WORD_BITS) - 1
            await self._write_word(offset, word)

    async def read(self, name):
        register, field = self.places[name]
        words = [await self._read_word(offset) for offset in register.words.values()]
        whole = sum(word << at * WORD_BITS for at, word in enumerate(words))
        return whole >> field.low & (1 << field.bits) - 1

    async def _write_word(self, offset, word):
        port = self.port
        port["awaddr"].value, port["wdata"].value, port["wstrb"].value = offset, word, 0xF
        port["awvalid"].value = port["wvalid"].value = 1
        offered = {"aw", "w"}
        while True:
            await self.edge
            for channel in sorted(offered):
                if port[f"{channel}ready"].value:
                    port[f"{channel}valid"].value = 0
                    offered.remove(channel)
            if port["bvalid"].value:
                break
        if int(port["bresp"].value) != OKAY:
            raise RuntimeError(f"writing at {offset:#x} was answered with an error")

    async def _read_word(self, offset):
        port = self.port
        port["araddr"].value = offset
        port["arvalid"].value = 1
        await self.edge
        while not port["arready"].value:
            await self.edge
        port["arvalid"].value = 0
        await self.edge
        while not port["rvalid"].value:
            await self.edge
        if int(port["rresp"].value) != OKAY:
            raise RuntimeError(f"reading at {offset:#x} was answered with an error")
        return int(port["rdata"].value)
