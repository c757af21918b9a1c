"""The engine predicts every cycle of the accelerator: totals, tokens, units, timelines."""

import random
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from amaranth.sim import Simulator
from numba import njit

from codegen.designs import find_design
from codegen.image import network_image
from codegen.verilog import to_verilog
from hwsim import parts
from hwsim.core import rotate
from hwsim.engine import _server, predict
from hwsim.memory import MemoryModel, Server
from hwsim.netlist import Netlist
from hwsim.parts import memory as of_memory
from hwsim.parts import units
from hwsim.parts.wires import turn, wires
from models.beats import STEP
from models.checkpoints.reader import read_shape
from models.design import Design
from models.formats import Fixed
from models.networks.machine import machine_config
from models.networks.stream import per_token, row_packet, token_words
from models.precision import NAMED
from models.quantization.rtn import quantize_network
from models.units.fetch import Target
from models.units.hadamard import HadamardConfig, factors
from reports.simulation import simulate
from rtl.accelerator import Accelerator
from rtl.units.hadamard import Hadamard
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters
from tests.reports.test_run import RECORDED
from tests.test_spilled import DESIGNS, spilled

QUICK = MemoryModel(64, 200e6, latency=12)
SLOW = MemoryModel(64, 200e6, latency=90, fraction=0.6, outstanding=3)
BUSY = replace(SLOW, fraction=0.93, refresh_interval=300, refresh_cycles=40, outstanding=1)


@cache
def made(name):
    """A machine, its image and its Verilog; other tests build the same ones."""
    if name == "on_chip":
        shape, design = read_shape(RECORDED / "groups"), find_design("tiny", ("precision=w8a8",))
    else:
        shape, *rest = DESIGNS["groups"]
        design = spilled(*rest)
    config = machine_config(shape, design)
    image = network_image(quantize_network(random_parameters(shape), design.precision), config)
    return config, image, to_verilog(Accelerator(config), "accelerator")


def measured(name, prompt, new, memory, watched, tmp_path):
    """What the accelerator's counters and ports say of a run in Verilator."""
    config, image, verilog = made(name)
    path = tmp_path / "image.bin"
    path.write_bytes(image.to_bytes())
    vectors = {
        "clock": "ap_clk",
        "reset": "ap_rst_n",
        "memory": asdict(memory),
        "regions": [{"address": 0, "path": str(path)}],
        "registers": image.settings(len(prompt), new),
        "counters": config.counters,
        "timeline": watched,
        "units": list(config.units.counted),
        "read": ["cycles"],
        "tokens": prompt,
        "willingness": 1.0,
        "poll": 500,
        "deadline": 50_000,
    }
    return simulate(verilog, "accelerator", "reports.benches.accelerator", vectors)


@pytest.mark.verilog
@pytest.mark.parametrize("memory", [QUICK, SLOW, BUSY], ids=["quick", "slow", "busy"])
@pytest.mark.parametrize("name", ["on_chip", "spilled"])
def test_every_cycle_is_the_hardwares(name, memory, tmp_path):
    prompt, new = [3, 17], 2
    result = measured(name, prompt, new, memory, 1, tmp_path)
    written = [int(word, 16) for word in result["tokens"]]
    tokens = [*prompt, *written[len(prompt) - 1 :]]
    run = predict(made(name)[0], len(prompt), new, memory, timeline_token=1, tokens=tokens)

    counted = {
        unit: {at.word: result["counters"][f"{unit}_{at.word}"] for at in activities}
        for unit, activities in made(name)[0].units.counted.items()
    }
    assert run.cycles == result["registers"]["cycles"]
    assert run.token_edges == result["token_edges"]
    assert run.units == counted
    timeline = {u: [list(each) for each in intervals] for u, intervals in run.timeline.items()}
    assert timeline == result["timeline"]


SHAPES = [PLAIN, GROUPED, ODD]


def random_design(chance, shape):
    """A design that fits `shape`, from those that differ most in time."""
    lanes = chance.choice([1, 2, 4, 8])
    columns = lanes * chance.choice([1, 2])
    precision = NAMED[chance.choice(["w8a8", "w4a8", "w4a4"])]
    points = factors(shape.inner)[2]
    hadamard = points % lanes == 0 and chance.choice([False, True])
    return Design.model_validate(
        {
            "name": "random",
            "lanes": lanes,
            "matvec": {"rows": lanes * chance.choice([1, 2, 4]), "columns": min(8, columns)},
            "scan": {"channels": chance.choice([1, lanes]), "states": chance.choice([1, 2, 8])},
            "memory": {
                "port_bits": chance.choice([64, 256, 512]),
                "burst": chance.choice([4, 16, 64]),
                "outstanding": chance.choice([1, 2, 8]),
                "prefetch": chance.choice([3, 16, 64]),
            },
            "state": {
                "placement": chance.choice(["chip", "memory"]),
                "buffers": chance.choice([1, 2]),
            },
            "order": chance.choice(["interleaved", "naive"]),
            "precision": precision.model_copy(update={"hadamard": hadamard}),
        }
    )


def random_run(seed):
    """A machine, its shape, tokens of the prompt and new ones, and a memory."""
    chance = random.Random(seed)
    shape = chance.choice(SHAPES)
    config = machine_config(shape, random_design(chance, shape))
    memory = MemoryModel(
        config.port.port_bits, 200e6, latency=chance.choice([1, 30, 200]),
        fraction=chance.choice([1, 0.9, 0.3]), outstanding=chance.choice([1, 4]),
    )  # fmt: skip
    return config, shape, *chance.choice([(1, 1), (3, 1), (2, 3)]), memory


@pytest.mark.parametrize("seed", range(24))
def test_every_cycle_of_every_unit_is_told(seed):
    """Whatever the design and the memory, a run ends, its work is done, and its cycles add up."""
    config, shape, prompt, new, memory = random_run(seed)
    tokens, timeline_token = prompt + new - 1, prompt - 1
    run = predict(config, prompt, new, memory, timeline_token=timeline_token)

    assert len(run.token_edges) == tokens
    assert run.token_edges[-1] <= run.cycles
    for unit, words in run.units.items():
        assert sum(words.values()) == run.cycles, unit
    lanes = config.units.lanes
    work = {
        "fetch": row_packet(config).words(config.fetch) + token_words(config),
        "matvec": per_token(config, lambda packet: packet.beats.get("weights", 0)),
        "conv1d": shape.layers * shape.conv_channels // lanes,
        "scan": shape.layers * config.units.scan.state_words // config.units.scan.layers,
        "gate": shape.layers * shape.inner // lanes,
        "residual": shape.layers * shape.d_model // lanes,
        "argmax": -(-shape.vocab // lanes),
    }
    if config.units.hadamard:
        work["hadamard"] = shape.layers * shape.inner // lanes
    assert {unit: run.units[unit]["busy"] for unit in work} == {
        unit: beats * tokens for unit, beats in work.items()
    }

    start = run.token_edges[timeline_token - 1] + 1 if timeline_token else 1
    for intervals in run.timeline.values():
        words, starts, stops = zip(*intervals, strict=True)
        assert (starts[0], stops[-1]) == (start, run.token_edges[timeline_token] + 1)
        assert starts[1:] == stops[:-1]
        assert all(before != after for before, after in pairwise(words))


@pytest.mark.parametrize("seed", range(24))
def test_no_part_sleeps_while_it_has_something_to_do(seed, monkeypatch):
    """The same, if whatever turns anywhere wakes all parts."""
    config, _, *tokens, memory = random_run(seed)
    run = predict(config, *tokens, memory, timeline_token=0)

    def wakeful(net, built=Netlist.wires):
        at_reset = built(net)
        at_reset.sensitive[:] = at_reset.awake
        return at_reset

    monkeypatch.setattr(Netlist, "wires", wakeful)
    assert predict(config, *tokens, memory, timeline_token=0) == run


def test_the_same_again():
    """A run leaves nothing behind that the next one would find."""
    config = machine_config(PLAIN, find_design("tiny"))
    first, other = predict(config, 2, 2, QUICK), predict(config, 2, 2, SLOW)
    assert predict(config, 2, 2, QUICK) == first != other
    assert predict(config, 2, 2, replace(QUICK, gap=0.4, jitter=9)) == first


def test_a_machine_that_stands_still_is_told():
    """The port waits to hand over steps that are used only with the weights behind them."""
    config = machine_config(PLAIN, find_design("tiny"))
    targets = [
        Target(target.name, target.beat, 3) if target.name == "targets" else target
        for target in config.fetch.targets
    ]
    stuck = replace(config, fetch=replace(config.fetch, targets=tuple(targets)))
    with pytest.raises(RuntimeError, match="stands still: nothing moves any more behind token 0"):
        predict(stuck, 1, 1, QUICK)


@pytest.mark.parametrize("seed", range(20))
def test_compiled_memory_is_the_memory(seed):
    chance = random.Random(seed)
    interval, fraction = chance.choice([0, 50, 1000]), chance.uniform(0.001, 1)
    model = MemoryModel(
        64, 200e6, latency=chance.randint(1, 200), fraction=chance.choice([1, fraction]),
        refresh_interval=interval, refresh_cycles=chance.randrange(interval) if interval else 0,
    )  # fmt: skip
    server, memory, edge = Server(model), np.array(_server(model)), 0
    for _ in range(200):
        edge += chance.choice([0, 1, 7, 500])
        beats = chance.randint(1, 64)
        begin = of_memory.accept(memory, beats, edge)
        arrivals = [of_memory.arrival(memory, begin, beat) for beat in range(beats)]
        assert arrivals == server.accept(beats, edge)


_hadamard, _turn = njit(units.hadamard.py_func), njit(turn.py_func)


@pytest.mark.parametrize(("offer", "accept"), [(1, 1), (0.9, 0.8), (0.3, 0.9), (0.9, 0.3)])
@pytest.mark.parametrize(
    ("width", "lanes"),
    [(8, 8), (8, 2), (64, 2), (12, 1), (48, 4), (48, 1), (160, 4), (112, 2), (240, 1), (72, 2)],
)
def test_a_hadamard_unit_is_followed_edge_by_edge(width, lanes, offer, accept):
    """Whenever beats are offered and taken, it takes and hands over as the hardware does."""
    config = HadamardConfig(Fixed(8), Fixed(8), width, lanes)
    net = Netlist()
    rotate(net, config, STEP.pack(port=[0], beats=[1]))
    part = net.kinds.index(parts.HADAMARD)
    constants, tables = np.array(net.constants[part]), np.array(net.tables)
    channels, registers = np.array([0, 1]), np.zeros(parts.REGISTERS, np.int64)
    at_reset = np.zeros(2, bool), np.zeros(2, bool)
    channel_wires = wires(*at_reset, np.ones((2, 2), np.int64))
    chance = random.Random(width * lanes)
    dut, handed = Hadamard(config), []

    async def testbench(ctx):
        offered = False
        for edge in range(200 + 12 * width // lanes):
            offered = offered or chance.random() < offer
            taken = chance.random() < accept
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.o.ready, taken)
            _turn(channel_wires)
            channel_wires.valid[0], channel_wires.ready[1] = offered, taken
            before = registers.copy()
            does = _hadamard(channels, constants, registers, channel_wires, tables)
            assert does & parts.MOVED or (registers == before).all()
            assert (edge, bool(ctx.get(dut.o.valid))) == (edge, channel_wires.valid[1])
            moved = offered and bool(ctx.get(dut.i.ready))
            assert (edge, moved) == (edge, channel_wires.ready[0])
            handed.append(taken and channel_wires.valid[1])
            offered = offered and not moved
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert sum(handed) > 2 * width // lanes


def test_channels_have_two_ends():
    net = Netlist()
    net.queue("in", "out", 3)
    net.offered.add("in")
    with pytest.raises(AssertionError, match=r"\['out'\]"):
        net.machine()
    net.taken.add("out")
    assert net.machine().kinds.tolist() == [parts.QUEUE]
