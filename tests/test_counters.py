"""Each unit tells in every cycle what it is at, and the counters add that up to the cycles."""

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise, product

import pytest
from amaranth import Module, Signal
from amaranth.lib import stream
from amaranth.sim import Simulator

from codegen.designs import find_design
from codegen.verilog import to_verilog
from hwsim.memory import MemoryModel
from models.counters import ACTIVITY_BITS, UNITS, Activity, counters, units_of
from models.memory_port import ReadPortConfig
from models.networks.machine import machine_config
from reports.benches.accelerator import timeline
from reports.run import run_network
from rtl.accelerator import Accelerator
from rtl.axi import ReadMaster
from rtl.counters import Counters, fetch_activity, pipe_activity
from rtl.units.discretize import Discretize
from rtl.units.matvec import Matvec
from rtl.units.norm import Norm
from rtl.units.scan import Scan
from tests.networks.examples import GROUPED, PLAIN, random_parameters
from tests.units import test_discretize, test_matvec, test_norm, test_scan


class Unit:
    """A unit whose streams are set by hand, and what it tells in each cycle."""

    def __init__(self, ctx, dut):
        self.ctx, self.dut, self.told = ctx, dut, []

    def set(self, **willing):
        """Whether inputs are offered and outputs taken, by the names of the ports."""
        for name, value in willing.items():
            port = getattr(self.dut, name)
            self.ctx.set(port.valid if name.startswith("i") else port.ready, value)

    async def cycle(self):
        self.told.append(Activity(self.ctx.get(self.dut.activity)).word)
        await self.ctx.tick()

    async def tells(self, *words, **willing):
        """With these ports, the unit tells `words`, one in each cycle."""
        self.set(**willing)
        for _ in words:
            await self.cycle()
        assert self.told[-len(words) :] == list(words)

    async def keeps_telling(self, word, until, **willing):
        """With these ports, the unit tells `word` for some cycles, then `until`."""
        told = len(self.told)
        await self.goes_on(until, **willing)
        assert set(self.told[told:]) == {word}

    async def goes_on(self, until, **willing):
        """With these ports, the unit tells whatever for some cycles, then `until`."""
        self.set(**willing)
        for _ in range(1000):
            if Activity(self.ctx.get(self.dut.activity)).word == until:
                return
            await self.cycle()
        raise AssertionError(f"never told {until}")


async def norm_story(unit):
    unit.ctx.set(unit.dut.i_pass.p.beats[0], 16)
    await unit.tells("memory_read", "memory_read")
    await unit.tells("fill", i_pass=1)
    await unit.tells("input", "input", i_pass=0)
    await unit.tells(*["busy"] * 7, i=1)
    await unit.tells("input", i=0)
    await unit.tells(*["busy"] * 9, i=1)
    await unit.keeps_telling("fill", "memory_read")
    await unit.tells("memory_read", "memory_read")
    await unit.tells("busy", "busy", i_weights=1)
    await unit.keeps_telling("busy", "output")
    await unit.tells("output", "output")
    await unit.tells("busy", o=1)
    await unit.tells("memory_read", i_weights=0)
    await unit.keeps_telling("busy", "memory_read", i_weights=1)
    assert unit.told.count("busy") == 2 * 16
    await unit.tells("fill", i_pass=1)


async def matvec_story(unit):
    beats, tiles, words = 8, 12, 4
    unit.ctx.set(unit.dut.i_pass.p.beats[0], beats)
    unit.ctx.set(unit.dut.i_pass.p.tiles[0], tiles)
    await unit.tells("memory_read", "memory_read", i_weights=1)
    await unit.tells("fill", i_pass=1)
    await unit.tells("input", "input", i_pass=0)
    await unit.tells(*["fill"] * beats, i=1)
    await unit.tells("memory_read", "memory_read", i_weights=0)
    await unit.keeps_telling("busy", "memory_read", i_weights=1)  # but no scales
    await unit.tells("memory_read", "memory_read")
    await unit.keeps_telling("memory_read", "busy", i_scales=1)
    await unit.keeps_telling("busy", "output")
    await unit.tells("output", "output")
    await unit.keeps_telling("output", "busy", o=1)
    for _ in range(100):
        await unit.cycle()
    assert unit.told.count("busy") == tiles * words
    await unit.tells("memory_read")


async def biased_story(unit):
    unit.ctx.set(unit.dut.i_pass.p.beats[0], 2)
    unit.ctx.set(unit.dut.i_pass.p.tiles[0], 40)
    await unit.tells("fill", i_pass=1, i=1, i_weights=1, i_scales=1, o=1)
    await unit.keeps_telling("fill", "busy", i_pass=0)
    await unit.keeps_telling("busy", "memory_read")
    await unit.tells("memory_read", "memory_read")
    await unit.tells("memory_read", o=0)  # also where the output is held up
    await unit.keeps_telling("memory_read", "busy", i_bias=1, o=1)


async def discretize_story(unit):
    await unit.tells("input", "input", i_heads=1, i_weights=0, o=1)
    await unit.tells("memory_read", "memory_read", i=1)
    await unit.tells("input", i_heads=0, i_weights=1)
    await unit.tells("fill", "fill", "fill", i_heads=1)
    await unit.keeps_telling("fill", "busy", i_heads=0, i_weights=0)
    await unit.tells("busy", "busy")
    await unit.keeps_telling("busy", "output", o=0)
    await unit.tells("output", "output")
    await unit.tells("input", i=0)
    await unit.keeps_telling("busy", "input", i=1, o=1)  # the next token's heads are missing
    assert unit.told.count("busy") == 3 * 8 // 2


async def scan_story(unit):
    await unit.tells("input", "input", i=1)
    await unit.tells(*["fill"] * 8, i_b=1)
    await unit.tells("input", "input", i=0)
    await unit.tells(*["fill"] * 8, i_c=1)
    await unit.tells("input", "input")
    await unit.tells("busy", "busy", i=1)
    await unit.keeps_telling("busy", "output")
    await unit.tells("output", "output")
    unit.set(i_b=0, i_c=0)
    await unit.goes_on("state", o=1)
    assert unit.told.count("busy") == 2 * 16 * 8
    await unit.keeps_telling("state", "input")
    await unit.tells("input")


async def spilled_story(unit):
    unit.set(i_b=1, i_c=1)
    await unit.keeps_telling("fill", "input")
    await unit.tells("memory_read", "memory_read", i=1, o=1)
    await unit.keeps_telling("busy", "memory_write", i_state=1)
    await unit.tells("memory_write", "memory_write")
    await unit.tells("memory_write", o=0)  # also where the output is held up
    await unit.goes_on("output", o_state=1)
    await unit.tells("output", "output")
    await unit.tells("memory_read", i_state=0)
    await unit.tells("input", i=0)


SCAN = {"head_dim": 16, "states": 1}
STORIES = {
    "norm": (lambda: Norm(test_norm.config_of(16)), norm_story),
    "matvec": (
        lambda: Matvec(replace(test_matvec.W4A4, rows=2, columns=2, lanes=1)),
        matvec_story,
    ),
    "matvec_with_biases": (
        lambda: Matvec(replace(test_matvec.BIASED, rows=4, columns=4, lanes=4)),
        biased_story,
    ),
    "discretize": (
        lambda: Discretize(test_discretize.config_of(heads=3, head_dim=8, lanes=2)),
        discretize_story,
    ),
    "scan": (lambda: Scan(test_scan.config_of(**SCAN)), scan_story),
    "scan_spilled": (lambda: Scan(test_scan.config_of(**SCAN, spilled=True)), spilled_story),
}
stories = pytest.mark.parametrize("name", STORIES)


def tell(name):
    """Run a story; returns all that the unit told."""
    component, story = STORIES[name]
    dut = component()
    told = []

    async def testbench(ctx):
        unit = Unit(ctx, dut)
        await story(unit)
        told.extend(unit.told)

    simulate(dut, testbench)
    return told


@stories
def test_a_unit_tells_what_it_is_at(name):
    told = tell(name)
    assert set(told) <= {at.word for at in UNITS[name.split("_")[0]]}


def test_every_activity_is_told():
    """Between them the stories reach all activities of each unit."""
    for unit in ("norm", "matvec", "discretize", "scan"):
        told = {word for name in STORIES if name.split("_")[0] == unit for word in tell(name)}
        assert told == {at.word for at in UNITS[unit]}


@pytest.mark.parametrize("lie", [Activity.BUSY, Activity.INPUT])
@stories
def test_a_lie_is_caught(name, lie, monkeypatch):
    def tell_activity(self, m, *_):
        m.d.comb += self.activity.eq(lie)

    for unit in (Norm, Matvec, Discretize, Scan):
        monkeypatch.setattr(unit, "_tell_activity", tell_activity)
    with pytest.raises(AssertionError):
        tell(name)


def settled(m, result, inputs):
    """Words of `result` for each combination of 0 and 1 at `inputs`."""
    told = Signal(Activity)
    m.d.comb += told.eq(result)
    words = {}

    async def testbench(ctx):
        for values in product([0, 1], repeat=len(inputs)):
            for signal, value in zip(inputs, values, strict=True):
                ctx.set(signal, value)
            words[values] = Activity(ctx.get(told)).word

    sim = Simulator(m)
    sim.add_testbench(testbench)
    sim.run()
    return words


def streams(count):
    return [stream.Signature(1).create(path=(f"i{at}",)) for at in range(count)]


def test_a_pipe_waits_for_inputs_before_weights_before_its_output():
    m, (x, y, weights) = Module(), streams(3)
    advance = Signal()
    m.d.comb += x.ready.eq(advance & x.valid & y.valid & weights.valid)
    inputs = [x.valid, y.valid, weights.valid, advance]
    for (has_x, has_y, has_weights, advances), word in settled(
        m, pipe_activity([x, y], [weights]), inputs
    ).items():
        if not (has_x and has_y):
            assert word == "input"
        elif not has_weights:
            assert word == "memory_read"
        else:
            assert word == ("busy" if advances else "output")


def test_fetch_waits_for_memory_only_while_a_read_is_under_way():
    [words], under_way = streams(1), Signal()
    assert settled(
        Module(), fetch_activity(words, under_way), [words.valid, words.ready, under_way]
    ) == {
        (0, 0, 0): "input",
        (0, 1, 0): "input",
        (0, 0, 1): "memory_read",
        (0, 1, 1): "memory_read",
        (1, 0, 0): "output",
        (1, 0, 1): "output",
        (1, 1, 0): "busy",
        (1, 1, 1): "busy",
    }


@pytest.mark.parametrize("words", [1, 5, 11])
def test_a_read_is_under_way_until_its_last_word(words):
    dut = ReadMaster(ReadPortConfig(64, burst=4, outstanding=2))

    async def testbench(ctx):
        ctx.set(dut.i.p.words[0], words)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.m_axi_read_arready, 1)
        assert not ctx.get(dut.under_way)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        left, bursts = words, []
        while left:
            assert ctx.get(dut.under_way)
            ctx.set(dut.m_axi_read_rvalid, bool(bursts))
            ctx.set(dut.m_axi_read_rlast, bursts[:1] == [1])
            sampled = await ctx.tick().sample(dut.m_axi_read_arvalid, dut.m_axi_read_arlen)
            if bursts:
                left -= 1
                bursts = [bursts[0] - 1, *bursts[1:]] if bursts[0] > 1 else bursts[1:]
            if sampled[-2]:
                bursts.append(sampled[-1] + 1)
        ctx.set(dut.m_axi_read_rvalid, 0)
        assert not ctx.get(dut.under_way)

    simulate(dut, testbench)


def simulate(dut, testbench):
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()


@pytest.mark.parametrize("lengths", [[40, 9], [1, 30]])
def test_counters_count_each_run_anew_and_hold_what_they_have(lengths):
    dut, chance = Counters(UNITS), random.Random(1)

    async def testbench(ctx):
        for length in lengths:
            counted = Counter()
            for cycle in range(length + 8):
                told = {unit: chance.choice(activities) for unit, activities in UNITS.items()}
                for unit, at in told.items():
                    ctx.set(dut.activity[unit], at)
                ctx.set(dut.start, cycle == 0)
                ctx.set(dut.counts, cycle < length)
                await ctx.tick()
                if cycle < length:
                    counted.update(f"{unit}_{at.word}" for unit, at in told.items())
            names = counters(UNITS)
            got = {name: ctx.get(getattr(dut, f"counter_{name}")) for name in names}
            assert got == {name: counted[name] for name in names}

    simulate(dut, testbench)


def test_timeline_says_of_each_unit_from_when_to_when():
    chance, first = random.Random(2), 100
    told = [
        {unit: chance.choice(activities) for unit, activities in UNITS.items()} for _ in range(30)
    ]
    port = [
        sum(at << ACTIVITY_BITS * place for place, at in enumerate(cycle.values()))
        for cycle in told
    ]
    intervals = timeline(port, first, UNITS)
    assert list(intervals) == list(UNITS)
    for unit, row in intervals.items():
        assert row[0][1] == first
        assert all(one[2] == other[1] and one[0] != other[0] for one, other in pairwise(row))
        words = [word for word, start, end in row for _ in range(start, end)]
        assert words == [cycle[unit].word for cycle in told]
    assert timeline([], first, UNITS) == {unit: [] for unit in UNITS}


def test_a_design_without_counters_has_none():
    config = machine_config(PLAIN, find_design("tiny", ("counters=false",)))
    assert not config.counters
    verilog = to_verilog(Accelerator(config), "accelerator")
    assert "counter_" not in verilog
    assert "output [47:0] activity;" in verilog


def busy_cycles(shape, units):
    """Cycles that each unit must be busy for a token, but fetch: one for each beat or tile."""
    lanes, layers = units.lanes, shape.layers
    model, inner = shape.d_model // lanes, shape.inner // lanes
    beats = layers * (model + inner) + model
    tiles = [(shape.in_proj_rows, shape.d_model), (shape.d_model, shape.inner)] * layers
    tiles.append((shape.vocab, shape.d_model))
    rows, columns = units.matvec.rows, units.matvec.columns
    conv, scanned = shape.conv_channels // lanes * layers, inner * layers
    return {
        "norm": 2 * beats,
        "linear_input": beats,
        "matvec": sum(-(-height // rows) * width // columns for height, width in tiles),
        **dict.fromkeys(["conv_input", "conv1d", "silu", "scan_input"], conv),
        "discretize": scanned,
        "scan": layers * shape.inner * shape.state // (units.scan.channels * units.scan.states),
        **dict.fromkeys(["scan_output", "gate_silu", "gate_input", "gate"], scanned),
        "residual": model * layers,
        "argmax": -(-shape.vocab // lanes),
    }


MEMORIES = {
    "steady": None,
    "rough": MemoryModel(64, 200e6, latency=60, fraction=0.4, gap=0.3, jitter=20, seed=1),
}


@pytest.mark.verilog
@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize(
    ("shape", "overrides"),
    [(GROUPED, ("precision=w8a8",)), (PLAIN, ("state.placement=memory", "scan.states=16"))],
    ids=["on_chip", "spilled"],
)
def test_every_cycle_of_every_unit_is_counted_once(shape, overrides, memory, tmp_path):
    design, prompt, new = find_design("tiny", overrides), [3, 17, 33], 2
    report = run_network(
        random_parameters(shape), design, prompt, new, tmp_path, print, MEMORIES[memory]
    )
    assert report.equal
    measured = {unit: sides["measured"] for unit, sides in report.cycles["units"].items()}
    counted = list(units_of(hadamard=False))
    assert list(measured) == counted
    assert {unit: sum(cycles.values()) for unit, cycles in measured.items()} == dict.fromkeys(
        counted, report.cycles["measured"]
    )
    tokens = len(prompt) + new - 1
    units = machine_config(shape, design).units
    busy = {unit: each * tokens for unit, each in busy_cycles(shape, units).items()}
    assert {unit: cycles["busy"] for unit, cycles in measured.items()} == busy | {
        "fetch": report.traffic["words"]
    }

    last = len(prompt) - 1
    length = report.cycles["per_token"][last]
    first = sum(report.cycles["per_token"][:last]) + 1
    told = report.timelines["measured"]
    assert list(told) == counted
    for unit, row in told.items():
        assert (row[0][1], row[-1][2]) == (first, first + length)
        cycles = Counter()
        for word, start, end in row:
            cycles[word] += end - start
        assert cycles.total() == length
        assert all(cycles[word] <= measured[unit][word] for word in cycles)
