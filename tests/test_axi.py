"""AXI: the masters keep the rules of AXI4, and the bench of the accelerator what it says."""

import random
import re
from dataclasses import asdict, replace
from itertools import accumulate

import numpy as np
import pytest
from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import given
from hypothesis import strategies as st

from codegen.verilog import to_verilog
from hwsim.memory import MemoryModel, ReadPort, Server, WritePort
from models.counters import ACTIVITY_BITS, UNITS
from models.memory_port import BOUNDARY, ReadPortConfig
from models.registers import ADDRESS_BITS
from reports import simulation
from rtl.axi import OKAY, SLVERR, ReadMaster, WriteMaster, expose, lite_ports, read_ports
from rtl.control import Control

CONFIG = ReadPortConfig(port_bits=64, address_bits=32, burst=16, outstanding=3)
CONFIGS = [
    CONFIG,
    replace(CONFIG, port_bits=256, burst=256, outstanding=1),
    replace(CONFIG, port_bits=32, burst=1),
    replace(CONFIG, port_bits=1024, burst=64, outstanding=2),
]
READS = [
    (0x0FF8, 3), (0x1000, 16), (0x1008, 16), (0x20F8, 1), (0x2100, 0), (0x2180, 100),
    (0xFFF8, 2), (0x3F80, 1), (0x3000, 33),
]  # fmt: skip
MODEL = MemoryModel(port_bits=64, clock_hz=100e6, latency=9)
ADDRESS = ("araddr", "arlen", "arsize", "arburst", "arid", "arcache", "arprot")


def reads_of(config):
    """READS in whole words of the port, and some that end at the edges of its bursts."""
    size = config.word_bytes
    return [(address // size * size, words) for address, words in READS] + [
        (BOUNDARY - size, 2), (0, config.burst_words), (size, config.burst_words),
    ]  # fmt: skip


def word_at(address):
    return address * 0x9E3779B97F4A7C15 % (1 << 31)


class Peer:
    """A master with its memory and its consumer in Amaranth's simulator.

    The consumer accepts with probability `accept`, or on the edges for which `accept` holds.
    `bursts` are the address channels' transfers and their edges; `words` those of `o`.
    """

    def __init__(self, config, model, reads, *, offer=1.0, accept=1.0, broken=None):
        self.config, self.model, self.reads, self.broken = config, model, reads, broken
        self.offer, self.accept = offer, accept
        self.bursts, self.words, self.edge = [], [], 0
        self.dut = ReadMaster(config)
        self.count = sum(words for _, words in reads)
        self.error = None
        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        sim.add_testbench(self._time, background=True)
        sim.add_testbench(self._ask, background=True)
        sim.add_testbench(self._serve, background=True)
        sim.add_testbench(self._take)
        sim.run()

    async def _time(self, ctx):
        while True:
            await ctx.tick()
            self.edge += 1

    async def _ask(self, ctx):
        i, chance = self.dut.i, random.Random(0)
        for address, words in self.reads:
            while chance.random() > self.offer:
                await ctx.tick()
            ctx.set(i.p.address[0], address)
            ctx.set(i.p.words[0], words)
            ctx.set(i.valid, 1)
            await ctx.tick().until(i.ready)
            ctx.set(i.valid, 0)

    async def _serve(self, ctx):
        dut, model, server, chance = self.dut, self.model, Server(self.model), random.Random(1)
        ports = [getattr(dut, f"m_axi_read_{name}") for name in ("arvalid", "rready", *ADDRESS)]
        beats, pending, held = [], 0, None
        while True:
            accepting = pending < model.outstanding and chance.random() <= self.offer
            ctx.set(dut.m_axi_read_arready, accepting)
            offering = bool(beats) and beats[0][0] <= self.edge
            if offering:
                _, word, last, response = beats[0]
                ctx.set(dut.m_axi_read_rdata, word)
                ctx.set(dut.m_axi_read_rlast, last)
                ctx.set(dut.m_axi_read_rresp, response)
            ctx.set(dut.m_axi_read_rvalid, offering)
            edge = self.edge
            _, _, valid, ready, *fields = await ctx.tick().sample(*ports)
            burst = dict(zip(ADDRESS, fields, strict=True)) if valid else None
            assert held in (None, burst), f"offered {held}, not taken, and now {burst}"
            held = None if accepting else burst
            if offering and ready:
                pending -= beats.pop(0)[2]
            if burst and accepting:
                pending += 1
                self.bursts.append((edge, burst))
                length = burst["arlen"] + 1
                for at, arrival in enumerate(server.accept(length, edge)):
                    address = burst["araddr"] + at * self.config.word_bytes
                    response = SLVERR if address == self.broken else OKAY
                    beats.append((arrival, word_at(address), int(at == length - 1), response))

    async def _take(self, ctx):
        o, chance = self.dut.o, random.Random(2)
        while len(self.words) < self.count:
            edge = self.edge
            regular = callable(self.accept)
            willing = self.accept(edge) if regular else chance.random() <= self.accept
            ctx.set(o.ready, willing)
            assert edge < 100_000, f"deadlock after {len(self.words)} of {self.count} words"
            _, _, valid, word = await ctx.tick().sample(o.valid, o.payload.as_value())
            if valid and willing:
                self.words.append((edge, word))
        self.error = ctx.get(self.dut.error)


rough = pytest.mark.parametrize(
    ("offer", "accept", "model"),
    [
        (1.0, 1.0, MODEL),
        (0.4, 0.3, replace(MODEL, gap=0.4, jitter=20, outstanding=2)),
        (1.0, 0.5, replace(MODEL, latency=1, outstanding=1)),
        (0.3, 1.0, replace(MODEL, fraction=0.6, refresh_interval=50, refresh_cycles=9)),
    ],
)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@rough
def test_a_read_master_keeps_the_rules_and_delivers_every_word_in_order(
    config, offer, accept, model
):
    reads = reads_of(config)
    peer = Peer(config, model, reads, offer=offer, accept=accept)
    size = config.word_bytes
    expected = [address + at * size for address, words in reads for at in range(words)]
    assert [word for _, word in peer.words] == [word_at(address) for address in expected]
    covered = []
    for _, burst in peer.bursts:
        first, beats = burst["araddr"], burst["arlen"] + 1
        assert beats <= min(config.burst, 256)
        assert first // BOUNDARY == (first + beats * size - 1) // BOUNDARY
        assert (1 << burst["arsize"], burst["arburst"]) == (size, 0b01)
        assert (burst["arid"], burst["arcache"], burst["arprot"]) == (0, 0b0011, 0)
        covered.append((first, beats))
    assert covered == [burst for read in reads for burst in config.bursts(*read)]
    assert not peer.error


def test_no_more_bursts_are_outstanding_than_configured():
    model = replace(MODEL, latency=100)
    peer = Peer(CONFIG, model, [(0, 160)])
    ends = dict(zip(range(10), [edge for edge, _ in peer.words][15::16], strict=True))
    for at, (edge, _) in enumerate(peer.bursts):
        over = sum(end < edge for end in ends.values())
        assert at - over < CONFIG.outstanding


@pytest.mark.parametrize(
    "reads", [[(0, 300)], [(0x28, 7), (0x1000, 64), (0x2008, 90), (0x3000, 3), (0x4000, 100)]]
)
def test_words_come_on_every_edge_across_bursts_and_reads(reads):
    edges = [edge for edge, _ in Peer(CONFIG, MODEL, reads).words]
    assert edges == list(range(edges[0], edges[0] + len(edges)))


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        replace(MODEL, latency=40, outstanding=1),
        replace(MODEL, latency=1, outstanding=2),
        replace(MODEL, fraction=0.7, refresh_interval=64, refresh_cycles=5),
        replace(MODEL, gap=0.3, jitter=12),
    ],
)
def test_the_prediction_is_exact(config, model):
    reads = reads_of(config)
    port = ReadPort(config, model)
    predicted = [edge for read in reads for edge in port.read(*read)]
    assert [edge for edge, _ in Peer(config, model, reads).words] == predicted


@pytest.mark.parametrize("period", [2, 5])
def test_the_prediction_is_exact_for_a_consumer_that_stalls(period):
    model = replace(MODEL, outstanding=2)
    port = ReadPort(CONFIG, model)
    predicted = [
        edge
        for read in READS
        for edge in port.read(*read, take=lambda offered: -(-offered // period) * period)
    ]
    peer = Peer(CONFIG, model, READS, accept=lambda edge: edge % period == 0)
    assert [edge for edge, _ in peer.words] == predicted


def test_an_error_of_the_memory_stays_visible():
    peer = Peer(CONFIG, MODEL, [(0x100, 8)], broken=0x110)
    assert peer.error
    assert len(peer.words) == 8
    assert not Peer(CONFIG, MODEL, [(0x100, 8)], broken=0x200).error


class Writer:
    """A write master with its memory and its producer in Amaranth's simulator.

    The producer offers a word with probability `offer`, or on the edges for which `offer` holds.
    `bursts` are the address channel's transfers, `words` the edge, address and value of each word,
    `responses` the edges of the responses, `idle` the first edge on which the master says so after
    the last of them.
    """

    def __init__(self, config, model, writes, *, offer=1.0, accept=1.0, broken=None):
        self.config, self.model, self.writes, self.broken = config, model, writes, broken
        self.offer, self.accept = offer, accept
        self.bursts, self.words, self.responses, self.edge = [], [], [], 0
        self.idle = self.error = None
        self.dut = WriteMaster(config)
        self.count = sum(len(config.bursts(*write)) for write in writes)
        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        sim.add_testbench(self._time, background=True)
        sim.add_testbench(self._ask, background=True)
        sim.add_testbench(self._give, background=True)
        sim.add_testbench(self._serve)
        sim.run()

    async def _time(self, ctx):
        while True:
            await ctx.tick()
            self.edge += 1

    async def _ask(self, ctx):
        i, chance = self.dut.i, random.Random(0)
        for address, words in self.writes:
            while not callable(self.offer) and chance.random() > self.offer:
                await ctx.tick()
            ctx.set(i.p.address[0], address)
            ctx.set(i.p.words[0], words)
            ctx.set(i.valid, 1)
            await ctx.tick().until(i.ready)
            ctx.set(i.valid, 0)

    async def _give(self, ctx):
        i, chance, size = self.dut.i_words, random.Random(2), self.config.word_bytes
        for address, words in self.writes:
            for at in range(words):
                while not (
                    self.offer(self.edge) if callable(self.offer) else chance.random() <= self.offer
                ):
                    await ctx.tick()
                ctx.set(i.payload.as_value(), word_at(address + at * size))
                ctx.set(i.valid, 1)
                await ctx.tick().until(i.ready)
                ctx.set(i.valid, 0)

    async def _serve(self, ctx):
        dut, server, chance = self.dut, Server(self.model), random.Random(1)
        address_ports = [
            getattr(dut, f"m_axi_write_{name.replace('ar', 'aw', 1)}")
            for name in ("arvalid", *ADDRESS)
        ]
        word_ports = [
            getattr(dut, f"m_axi_write_{name}") for name in ("wvalid", "wdata", "wstrb", "wlast")
        ]
        pending, missing, answers, held, held_word = 0, [], [], None, None
        while len(self.responses) < self.count:
            edge = self.edge
            assert edge < 100_000, f"deadlock after {len(self.words)} words"
            accepting = pending < self.model.outstanding and chance.random() <= self.accept
            taking = bool(missing) and chance.random() <= self.accept
            answering = bool(answers) and answers[0][0] <= edge
            ctx.set(dut.m_axi_write_awready, accepting)
            ctx.set(dut.m_axi_write_wready, taking)
            ctx.set(dut.m_axi_write_bvalid, answering)
            ctx.set(dut.m_axi_write_bresp, answers[0][1] if answering else OKAY)
            _, _, bready, idle, valid, *fields = await ctx.tick().sample(
                dut.m_axi_write_bready, dut.idle, *address_ports, *word_ports
            )
            *fields, wvalid, word, strobes, last = fields
            assert not (idle and (pending or missing))
            burst = dict(zip(ADDRESS, fields, strict=True)) if valid else None
            assert held in (None, burst), f"offered {held}, not taken, and now {burst}"
            held = None if accepting else burst
            offered = (word, last) if wvalid else None
            assert held_word in (None, offered), f"offered {held_word}, and now {offered}"
            held_word = None if taking else offered
            if answering and bready:
                answers.pop(0)
                pending -= 1
                self.responses.append(edge)
            if wvalid and taking:
                address, left, beats = missing[0]
                assert last == (left == 1)
                assert strobes == (1 << self.config.word_bytes) - 1
                self.words.append((edge, address, word))
                missing[0] = (address + self.config.word_bytes, left - 1, beats)
                if last:
                    del missing[0]
                    response = SLVERR if address == self.broken else OKAY
                    answers.append((server.accept(beats, edge)[-1], response))
            if burst and accepting:
                pending += 1
                self.bursts.append(burst)
                beats = burst["arlen"] + 1
                missing.append((burst["araddr"], beats, beats))
        self.error, self.idle = ctx.get(dut.error), ctx.get(dut.idle)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@rough
def test_a_write_master_keeps_the_rules_and_writes_every_word_to_its_place(
    config, offer, accept, model
):
    writes = reads_of(config)
    writer = Writer(config, model, writes, offer=offer, accept=accept)
    size = config.word_bytes
    expected = [address + at * size for address, words in writes for at in range(words)]
    assert [(at, word) for _, at, word in writer.words] == [(at, word_at(at)) for at in expected]
    for burst in writer.bursts:
        assert (1 << burst["arsize"], burst["arburst"]) == (size, 0b01)
        assert (burst["arid"], burst["arcache"], burst["arprot"]) == (0, 0b0011, 0)
    covered = [(burst["araddr"], burst["arlen"] + 1) for burst in writer.bursts]
    assert covered == [burst for write in writes for burst in config.bursts(*write)]
    assert writer.idle
    assert not writer.error


def predicted_writes(config, model, writes, give=None):
    port = WritePort(config, model)
    words = [edge for write in writes for edge in port.write(*write, give=give)]
    return words, port.responses


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        replace(MODEL, latency=40, outstanding=1),
        replace(MODEL, latency=1, outstanding=2),
        replace(MODEL, fraction=0.7, refresh_interval=64, refresh_cycles=5),
        replace(MODEL, gap=0.3, jitter=12),
    ],
)
def test_the_prediction_of_writes_is_exact(config, model):
    writes = reads_of(config)
    writer = Writer(config, model, writes)
    edges = [edge for edge, _, _ in writer.words]
    assert (edges, writer.responses) == predicted_writes(config, model, writes)


@pytest.mark.parametrize("period", [2, 5])
def test_the_prediction_of_writes_is_exact_for_a_producer_that_stalls(period):
    model = replace(MODEL, outstanding=2)
    writer = Writer(CONFIG, model, READS, offer=lambda edge: edge % period == 0)
    edges = [edge for edge, _, _ in writer.words]
    assert edges == sorted(edges)
    # The producer decides when it is asked, on the edge after the last word at the earliest.
    free = iter([0, *(edge + 1 for edge in edges)])

    def give(possible):
        return max(possible, -(-next(free) // period) * period)

    assert (edges, writer.responses) == predicted_writes(CONFIG, model, READS, give)


def test_an_error_of_a_written_burst_stays_visible():
    assert Writer(CONFIG, MODEL, [(0x100, 8)], broken=0x138).error
    assert not Writer(CONFIG, MODEL, [(0x100, 8)], broken=0x200).error


@given(
    st.sampled_from(CONFIGS), st.integers(0, 5000), st.integers(0, 1000)
)  # fmt: skip
def test_bursts_cover_a_read_once_and_keep_the_rules(config, first, words):
    size = config.word_bytes
    bursts = config.bursts(first * size, words)
    starts = accumulate((beats for _, beats in bursts), initial=first)
    assert [address // size for address, _ in bursts] == list(starts)[: len(bursts)]
    assert sum(beats for _, beats in bursts) == words
    for address, beats in bursts:
        assert 1 <= beats <= config.burst
        assert address // BOUNDARY == (address + beats * size - 1) // BOUNDARY


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"port_bits": 96}, "read port port_bits must be a power of two in 8..1024, not 96"),
        ({"burst": 512}, "read port burst must be a power of two in 1..256, not 512"),
        ({"address_bits": 12}, "read port address_bits must be in 13..62, not 12; "
                               "AXI4 masters of Zynq and Versal have 40 or 48"),
        ({"outstanding": 0}, "read port outstanding must be 1 or more, not 0; "
                             "use as many bursts as cover the memory's latency"),
    ],
)  # fmt: skip
def test_refuses_what_axi_does_not_have(wrong, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(CONFIG, **wrong)


def test_refuses_an_address_between_words():
    with pytest.raises(ValueError, match=r"^read address must be a multiple of 8 bytes, not 0x14$"):
        CONFIG.bursts(0x14, 1)


class Echo(wiring.Component):
    """Reads the image, hands its words over as logits; adds one to each token of the prompt.

    A run is over when both are; a prompt of no tokens is waited for without end.
    """

    def __init__(self, config):
        self.config = config
        self.read, self.lite = read_ports(config), lite_ports(ADDRESS_BITS)
        streams = {
            "s_axis_tokens_tdata": In(16), "s_axis_tokens_tvalid": In(1),
            "s_axis_tokens_tready": Out(1),
            "m_axis_tokens_tdata": Out(16), "m_axis_tokens_tvalid": Out(1),
            "m_axis_tokens_tready": In(1),
            "m_axis_logits_tdata": Out(config.port_bits), "m_axis_logits_tvalid": Out(1),
            "m_axis_logits_tready": In(1),
            "activity": Out(ACTIVITY_BITS * len(UNITS)),
        }  # fmt: skip
        super().__init__(self.read | self.lite | streams)

    def elaborate(self, platform):
        m = Module()
        m.submodules.master = master = ReadMaster(self.config)
        m.submodules.control = control = Control(["words"])
        expose(m, self, master, self.read)
        expose(m, self, control, self.lite)
        words, tokens = Signal(32), Signal(32)
        running = ~control.idle & ~control.start
        passed = self.m_axis_logits_tvalid & self.m_axis_logits_tready
        echoed = self.m_axis_tokens_tvalid & self.m_axis_tokens_tready
        m.d.comb += [
            master.i.valid.eq(control.start),
            master.i.p.address[0].eq(control.image_address),
            master.i.p.words[0].eq(control.image_words),
            self.m_axis_logits_tdata.eq(master.o.payload.as_value()),
            self.m_axis_logits_tvalid.eq(master.o.valid),
            master.o.ready.eq(self.m_axis_logits_tready),
            self.m_axis_tokens_tdata.eq(self.s_axis_tokens_tdata + 1),
            self.m_axis_tokens_tvalid.eq(self.s_axis_tokens_tvalid & running),
            self.s_axis_tokens_tready.eq(self.m_axis_tokens_tready & running),
            control.counter_words.eq(words),
            control.read_error.eq(master.error),
            control.done.eq(
                running & (words == control.image_words) & (tokens == control.prompt_tokens)
            ),
        ]
        m.d.sync += [
            words.eq(Mux(control.start, 0, words + passed)),
            tokens.eq(Mux(control.start, 0, tokens + echoed)),
        ]
        return m


def run_echo(vectors, progress=None):
    verilog = to_verilog(Echo(CONFIG), "echo")
    return simulation.simulate(verilog, "echo", "reports.benches.accelerator", vectors, progress)


BASE, WORDS, PROMPT = 0x4_0008, 700, [3, 1, 4, 1, 5]


def vectors(work, **changes):
    image = np.random.default_rng(0).bytes(WORDS * CONFIG.word_bytes)
    (work / "image.bin").write_bytes(image)
    return image, {
        "clock": "clk",
        "reset": "rst",
        "memory": asdict(MODEL),
        "regions": [{"address": BASE, "path": str(work / "image.bin")}],
        "registers": {
            "image_address": BASE, "image_words": WORDS, "prompt_tokens": len(PROMPT),
        },
        "counters": ["words"],
        "read": ["cycles", "counter_words", "read_error", "version"],
        "tokens": PROMPT,
        "willingness": 1.0,
        "poll": 64,
        "deadline": 1000,
    } | changes  # fmt: skip


def as_hex(image):
    size = CONFIG.word_bytes
    words = (image[at : at + size] for at in range(0, len(image), size))
    return [f"{int.from_bytes(word, 'little'):x}" for word in words]


@pytest.mark.verilog
@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        replace(MODEL, fraction=0.7, refresh_interval=100, refresh_cycles=9, outstanding=2),
        replace(MODEL, gap=0.2, jitter=30, seed=5),
    ],
)
def test_the_bench_runs_an_accelerator_on_the_memory_that_the_model_predicts(model, tmp_path):
    image, given = vectors(tmp_path, memory=asdict(model))
    result = run_echo(given, tmp_path / "progress")
    assert result["failure"] is None
    assert result["logits"] == as_hex(image)
    assert result["tokens"] == [f"{token + 1:x}" for token in PROMPT]
    assert (tmp_path / "progress").read_text().split() == [str(token + 1) for token in PROMPT]
    predicted = ReadPort(CONFIG, model).read(BASE, WORDS)
    assert result["words"] == WORDS
    assert result["bursts"] == len(CONFIG.bursts(BASE, WORDS))
    assert result["outside"] == []
    assert result["registers"] == {
        "cycles": predicted[-1] + 1, "counter_words": WORDS, "read_error": 0, "version": 0x10000,
    }  # fmt: skip
    assert result["registers"]["cycles"] <= result["edges"] < predicted[-1] + 100


@pytest.mark.verilog
def test_the_bench_stalls_both_sides_at_random(tmp_path):
    image, given = vectors(tmp_path, willingness=0.4)
    result = run_echo(given)
    assert result["logits"] == as_hex(image)
    assert result["tokens"] == [f"{token + 1:x}" for token in PROMPT]
    assert result["registers"]["cycles"] > 2 * WORDS


@pytest.mark.verilog
def test_the_bench_tells_what_was_read_outside_the_memory(tmp_path):
    _, given = vectors(tmp_path)
    given["registers"]["image_address"] = BASE + 0x100
    result = run_echo(given)
    assert result["registers"]["read_error"] == 1
    assert result["outside"] == [
        address
        for address, words in CONFIG.bursts(BASE + 0x100, WORDS)
        if address + words * CONFIG.word_bytes > BASE + WORDS * CONFIG.word_bytes
    ]


@pytest.mark.verilog
def test_the_bench_gives_up_with_what_has_happened(tmp_path):
    _, given = vectors(tmp_path)
    given["registers"]["prompt_tokens"] = len(PROMPT) + 1
    message = (
        r"(?s)^echo: the simulation failed\n.*nothing moved in \d+ cycles, until cycle \d+; "
        r"so far: {'prompt tokens': 5, 'bursts': 44, 'bursts outside of the memory': 0, "
        r"'words': 700, "
        r"'words that wait to be read': 0, 'tokens': 5, 'logit words': 700}"
    )
    with pytest.raises(RuntimeError, match=message):
        run_echo(given)
