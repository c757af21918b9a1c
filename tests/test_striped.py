"""Several ports side by side: every word goes to its places, and no port ends up behind another."""

import random

import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from codegen.image import joined, striped
from models.memory_port import ReadPortConfig, port_name
from rtl.axi import OKAY, SLVERR
from rtl.core import connect
from rtl.streams import stream_of
from rtl.striped import StripedReads, StripedWrites

CONFIG = ReadPortConfig(port_bits=32, address_bits=20, burst=4, outstanding=2)
SIZE = CONFIG.word_bytes
TO, OFFSET = 0x2000, 0x4000
"""How far behind what is read it is written, and from the image of a port to that of the next."""
READS = [(0, 5), (28, 1), (32, 40), (0xFF8, 3)]
WORDS = (TO + 0x1010) // SIZE


class Copy(wiring.Component):
    """Writes what it reads, TO behind."""

    def __init__(self, ports):
        self.reads, self.writes = StripedReads(CONFIG, ports), StripedWrites(CONFIG, ports)
        super().__init__({"i": In(stream_of(CONFIG.i_beat)), "idle": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.reads, m.submodules.writes = reads, writes = self.reads, self.writes
        both = reads.i.ready & writes.i.ready
        for side, ahead in ((reads, 0), (writes, TO)):
            m.d.comb += [
                side.i.p.address[0].eq(self.i.p.address[0] + ahead),
                side.i.p.words.eq(self.i.p.words),
                side.i.valid.eq(self.i.valid & both),
                *(offset.eq(OFFSET * (at + 1)) for at, offset in enumerate(side.offsets)),
            ]
        m.d.comb += [self.i.ready.eq(both), self.idle.eq(writes.idle & ~reads.under_way)]
        connect(m, reads.o, writes.i_words)
        return m


class Channel:
    """The memory behind the read and the write master of a port, from address `base` on.

    Each side of each channel is willing with probability `willing`. The word at `broken` is
    answered with an error, and so is a burst that ends there.
    """

    def __init__(self, dut, port, octets, base, willing, broken=None):
        self.masters = {"read": dut.reads, "write": dut.writes}
        self.port, self.octets, self.base = port, bytearray(octets), base
        self.willing, self.broken = willing, broken
        self.bursts, self.answers = [], []  # written ones that are not over

    def _signals(self, kind, *names):
        prefix = port_name(kind, self.port)
        return [getattr(self.masters[kind], f"{prefix}_{name}") for name in names]

    def _place(self, address):
        """Where an address is in `octets`."""
        assert 0 <= address - self.base < len(self.octets)
        return address - self.base

    def _response(self, at):
        return SLVERR if at == self.broken else OKAY

    async def read(self, ctx):
        valid, address, length, accept = self._signals(
            "read", "arvalid", "araddr", "arlen", "arready"
        )
        offer, word, last, response, ready = self._signals(
            "read", "rvalid", "rdata", "rlast", "rresp", "rready"
        )
        chance, beats, offering = random.Random(2 * self.port), [], False
        while True:
            accepting = chance.random() < self.willing
            offering = bool(beats) and (offering or chance.random() < self.willing)
            ctx.set(accept, accepting)
            ctx.set(offer, offering)
            if offering:
                at, ends = beats[0]
                ctx.set(word, int.from_bytes(self.octets[at : at + SIZE], "little"))
                ctx.set(last, ends)
                ctx.set(response, self._response(at))
            _, _, asked, first, more, taken = await ctx.tick().sample(valid, address, length, ready)
            if offering and taken:
                beats.pop(0)
                offering = False
            if asked and accepting:
                at = self._place(first)
                beats += [(at + each * SIZE, each == more) for each in range(more + 1)]

    async def write(self, ctx):
        valid, address, accept, offered, word, last, take = self._signals(
            "write", "awvalid", "awaddr", "awready", "wvalid", "wdata", "wlast", "wready"
        )
        answer, response = self._signals("write", "bvalid", "bresp")
        chance, bursts, answers = random.Random(2 * self.port + 1), self.bursts, self.answers
        while True:
            accepting = chance.random() < self.willing
            taking = bool(bursts) and chance.random() < self.willing
            answering = bool(answers) and chance.random() < self.willing
            ctx.set(accept, accepting)
            ctx.set(take, taking)
            ctx.set(answer, answering)
            ctx.set(response, answers[0] if answering else OKAY)
            _, _, asked, first, comes, octets, ends = await ctx.tick().sample(
                valid, address, offered, word, last
            )
            if answering:
                answers.pop(0)
            if taking and comes:
                at = bursts[0]
                self.octets[at : at + SIZE] = octets.to_bytes(SIZE, "little")
                bursts[0] = at + SIZE
                if ends:
                    answers.append(self._response(at))
                    bursts.pop(0)
            if asked and accepting:
                bursts.append(self._place(first))


def copy(willing, broken=None):
    """What is in all memories before and after all READS are copied, and the errors told.

    `willing` are as of Channel, of each port; `broken` is of the last one.
    """
    ports = len(willing)
    dut, before = Copy(ports), np.random.default_rng(0).bytes(WORDS * ports * SIZE)
    channels = [
        Channel(
            dut, port, octets, port * OFFSET, willing[port], broken if port == ports - 1 else None
        )
        for port, octets in enumerate(striped(before, ports, SIZE))
    ]
    errors = []

    async def ask(ctx):
        for address, words in READS:
            ctx.set(dut.i.p.address[0], address)
            ctx.set(dut.i.p.words[0], words)
            ctx.set(dut.i.valid, 1)
            await until(ctx, dut.i.ready)
            ctx.set(dut.i.valid, 0)
        await until(ctx, dut.idle)
        assert not any(channel.bursts or channel.answers for channel in channels)
        errors.extend([ctx.get(dut.reads.error), ctx.get(dut.writes.error)])

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    for channel in channels:
        sim.add_testbench(channel.read, background=True)
        sim.add_testbench(channel.write, background=True)
    sim.add_testbench(ask)
    sim.run()
    return before, joined([channel.octets for channel in channels], SIZE), errors


async def until(ctx, signal):
    """The edge on which `signal` holds."""
    for _ in range(5_000):
        _, _, holds = await ctx.tick().sample(signal)
        if holds:
            return
    raise AssertionError("deadlock")


def copied(before, ports):
    """What a Copy makes of the words of all ports."""
    words = bytearray(before)
    for address, count in READS:
        first, behind = ports * address, ports * (address + TO)
        size = ports * SIZE * count
        words[behind : behind + size] = words[first : first + size]
    return bytes(words)


@pytest.mark.parametrize("willing", [(1, 1), (0.4,) * 4, (1, 0.2), (0.2, 1)], ids=str)
def test_every_word_comes_from_its_places_and_goes_to_them(willing):
    before, after, errors = copy(willing)
    assert after == copied(before, len(willing))
    assert errors == [0, 0]


@pytest.mark.parametrize(("broken", "errors"), [(32, [1, 0]), (TO + 4, [0, 0]), (TO + 12, [0, 1])])
def test_an_error_of_any_port_is_told(broken, errors):
    """Of what is written only the end of a burst answers, here that of the first."""
    assert copy((1, 1), broken)[2] == errors
