"""Diagnosis names the unit, layer, token and code at which hardware and reference part."""

import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth import Value
from typer.testing import CliRunner

import puffadder
from codegen.designs import find_design
from codegen.image import Image, network_image
from codegen.observer import observer
from codegen.verilog import to_verilog
from hwsim.memory import MemoryModel
from models.networks.machine import MachineConfig, machine_config
from models.networks.mamba2 import Network, compiled
from models.networks.order import conv_order, in_proj_order
from models.networks.quantized import QuantizedNetwork
from models.networks.steps import layer_steps
from models.quantization.rtn import quantize_network
from reports.diagnose import (
    AFTER,
    BEFORE,
    Difference,
    Transfers,
    diagnose,
    expected,
    first_difference,
    observed,
    read_recording,
)
from reports.simulation import simulate
from reports.verdict import greedy
from rtl.accelerator import Accelerator
from rtl.units import gate
from tests.networks.examples import GROUPED, random_parameters

RECORDED = Path(__file__).parents[1] / "networks" / "recorded"
TOP = "accelerator"
PROMPT, NEW = [3, 17, 5], 2
DROPPED = 1 << 4
"""What a faulty unit leaves out of its codes."""


@dataclass(frozen=True)
class Example:
    """A network on a design, and what the units of its hardware hand over."""

    quantized: QuantizedNetwork
    machine: MachineConfig
    image: Image

    @classmethod
    def of(cls, shape, *overrides):
        design = find_design("tiny", overrides)
        machine = machine_config(shape, design)
        quantized = quantize_network(random_parameters(shape), design.precision)
        return cls(quantized, machine, network_image(quantized, machine))

    @cached_property
    def tokens(self):
        chosen, _ = greedy(Network(self.quantized, compiled()), PROMPT, NEW)
        return [*PROMPT, *chosen[len(PROMPT) - 1 : -1]]

    @cached_property
    def verilog(self):
        return to_verilog(Accelerator(self.machine), TOP)

    def rerun(self, folder, memory):
        """`reports.diagnose.Rerun` of the hardware with `memory`."""
        (folder / "image.bin").write_bytes(memory)
        vectors: dict[str, Any] = {
            "clock": "ap_clk",
            "reset": "ap_rst_n",
            "memory": asdict(MemoryModel(64, 200e6, latency=40)),
            "regions": [{"address": 0, "path": str(folder / "image.bin")}],
            "counters": self.machine.counters,
            "read": ["cycles"],
            "willingness": 1.0,
            "poll": 100,
            "deadline": 20_000,
        }

        def rerun(watch, count, plusargs, until):
            prompt, new = PROMPT[:count], max(1, count - len(PROMPT) + 1)
            given = {"registers": self.image.settings(len(prompt), new), "tokens": prompt}
            bench = "accelerator" if until is None else "waves"
            simulate(
                self.verilog + watch, TOP, f"reports.benches.{bench}",
                vectors | given | {"until": until}, plusargs=plusargs, waves=True,
            )  # fmt: skip

        return rerun

    def record(self, folder):
        """What the units hand over."""
        watch = observer(Accelerator(self.machine), TOP, observed(self.machine))
        rerun = self.rerun(folder, self.image.to_bytes())
        rerun(watch, len(self.tokens), [f"+streams={folder / 'streams'}"], None)
        return read_recording(folder / "streams")

    def diagnosed(self, image, folder):
        """What is found when another image is in memory."""
        memory = image.to_bytes()
        return diagnose(
            self.quantized, self.machine, TOP, self.image, memory, self.tokens,
            self.rerun(folder, memory), folder,
        )  # fmt: skip

    def expected(self, arithmetic=None):
        memory = self.image.to_bytes()
        return expected(self.quantized, self.machine, self.tokens, self.image, memory, arithmetic)


@pytest.fixture(scope="module")
def grouped():
    """Two groups and layers, biases, blocks that span several beats, and a state in memory."""
    return Example.of(
        GROUPED, "precision=w4a4", "scan.states=4", "order=naive", "state.placement=memory"
    )


@pytest.fixture(scope="module")
def recording(grouped, tmp_path_factory):
    return grouped.record(tmp_path_factory.mktemp("recording"))


def test_words_of_several_ports_are_those_of_one_that_is_as_wide():
    several, wide = (
        Example.of(GROUPED, "precision=w4a4", "state.placement=memory", port)
        for port in ("memory.ports=2", "memory.port_bits=128")
    )
    assert list(several.expected()) == list(wide.expected())


@pytest.mark.verilog
def test_streams_are_those_of_the_reference(grouped, recording):
    assert first_difference(grouped.expected(), recording) is None
    assert recording.keys() == {"start"} | observed(grouped.machine).keys()
    counts = Counter()
    for handed in grouped.expected():
        counts[handed.stream] += len(handed.words)
    assert counts == {
        name: len(stream.words) for name, stream in recording.items() if name != "start"
    }


CALLS = {  # function, its calls in a layer, and which of them
    "norm": ("norm", 3, 0),
    "norm after gate": ("norm", 3, 2),
    "linear_input": ("quantize", 6, 0),
    "linear_input after gate": ("quantize", 6, 5),
    "matvec": ("matvec", 2, 0),
    "matvec after gate": ("matvec", 2, 1),
    "conv_input": ("quantize", 6, 1),
    "conv1d": ("conv1d", 1, 0),
    "silu": ("activate", 2, 0),
    "scan_input": ("quantize", 6, 2),
    "discretize": ("discretize", 1, 0),
    "scan": ("scan", 1, 0),
    "scan_output": ("quantize", 6, 4),
    "gate_silu": ("activate", 2, 1),
    "gate_input": ("quantize", 6, 3),
    "gate": ("gate", 1, 0),
    "residual": ("residual", 1, 0),
}
HEADED = ("norm", "quantize", "matvec")
CHANGED = 13


class Faulty:
    """An arithmetic in which one call's code CHANGED is another."""

    def __init__(self, function, call):
        self.calls, self.call = 0, call
        right = getattr(compiled(), function)

        def wrong(*arguments):
            result, self.calls = right(*arguments), self.calls + 1
            return self.change(result) if self.calls - 1 == self.call else result

        self.arithmetic = replace(compiled(), **{function: wrong})

    def change(self, result):
        parts = list(result) if isinstance(result, tuple) else [result]
        codes = parts[0] = parts[0].copy()
        at = min(CHANGED, len(codes) - 1)
        self.right = int(codes[at])
        codes[at] += 1 if self.right <= 0 else -1
        self.wrong = int(codes[at])
        return tuple(parts) if isinstance(result, tuple) else parts[0]


@pytest.mark.verilog
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("case", CALLS)
def test_a_fault_of_any_unit_is_named(case, layer, grouped, recording):
    """The reference is at fault, which is the same difference the other way round."""
    function, calls, place = CALLS[case]
    token, layers = 2, GROUPED.layers
    call = token * (layers * calls + (function in HEADED)) + layer * calls + place
    faulty = Faulty(function, call)
    found = first_difference(grouped.expected(faulty.arithmetic), recording)
    unit, _, after = case.partition(" ")
    assert (found.unit, found.layer, found.token) == (unit, layer, token)
    assert (found.expected, found.received) == (faulty.wrong, faulty.right)
    assert found.index == place_in_stream(case, grouped.machine)
    shared = unit in ("norm", "linear_input", "matvec")
    assert found.serving == (("out_proj" if after else "in_proj") if shared else None)
    assert recording["start"].times[0] < found.time <= recording["argmax"].times[token]


def place_in_stream(case, machine):
    units, shape = machine.units, machine.shape
    if case == "matvec":
        rows = in_proj_order(shape, units.lanes, units.matvec.rows, units.order).rows
        return int(np.flatnonzero(rows == CHANGED)[0])
    if case in ("conv_input", "conv1d", "silu", "scan_input"):
        return int(np.flatnonzero(conv_order(shape, units.order) == CHANGED)[0])
    if case == "discretize":
        return (shape.heads - 1) * shape.head_dim // units.lanes  # decays are there for each beat
    return CHANGED


@pytest.mark.verilog
def test_a_fault_of_the_head_is_named(grouped, recording):
    faulty = Faulty("matvec", 2 * (2 * GROUPED.layers + 1) - 1)
    found = first_difference(grouped.expected(faulty.arithmetic), recording)
    assert (found.unit, found.serving, found.layer) == ("matvec", "head", None)
    assert (found.token, found.field, found.index) == (1, "y", CHANGED)


@pytest.mark.verilog
@pytest.mark.parametrize(
    ("stream", "unit", "layer"),
    [
        ("argmax", "argmax", None),
        ("fetch.scales", "fetch", 1),
        ("fetch.embedding", "fetch", 0),
        ("fetch.state", "fetch", 1),
        ("scan.state", "scan", 1),
    ],
)
def test_a_fault_of_what_the_network_does_not_know_is_named(
    stream, unit, layer, grouped, recording
):
    words = list(recording[stream].words)
    each = len(words) // len(grouped.tokens)
    at = each + (each * 3 // 5 if layer else 0)  # of the second token
    words[at] ^= 1
    damaged = recording | {stream: Transfers(words, recording[stream].times)}
    found = first_difference(grouped.expected(), damaged)
    assert (found.unit, found.layer, found.token) == (unit, layer, 1)
    assert found.time == recording[stream].times[at]
    assert found.expected ^ found.received


@pytest.mark.verilog
def test_a_beat_that_never_comes_is_named(grouped, recording):
    stream = recording["gate"]
    each = len(stream.words) // len(grouped.tokens) // GROUPED.layers
    missing = Transfers(stream.words[: 3 * each + 2], stream.times[: 3 * each + 2])
    found = first_difference(grouped.expected(), recording | {"gate": missing})
    assert (found.unit, found.layer, found.token) == ("gate", 1, 1)
    assert (found.index, found.received) == (2 * 4, None)
    assert found.time == stream.times[3 * each + 1]
    nothing = {name: stream for name, stream in recording.items() if name != "gate"}
    found = first_difference(grouped.expected(), nothing)
    assert (found.layer, found.token, found.received) == (0, 0, None)
    assert found.time == recording["start"].times[0]


@pytest.mark.verilog
def test_a_weight_that_flips_in_memory_is_found_in_the_matvec_unit(grouped, tmp_path):
    """The waves around it are there, and nothing else is left behind."""
    layer, row = 1, 9
    found = grouped.diagnosed(with_weight(grouped, layer, row), tmp_path)
    assert (found.unit, found.serving, found.layer) == ("matvec", "in_proj", layer)
    units = grouped.machine.units
    rows = in_proj_order(GROUPED, units.lanes, units.matvec.rows, units.order).rows
    assert rows[found.index] == row
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.bin", "waves.vcd"]
    told = found.to_dict()
    assert (told["waves"], told["waves_ns"]) == ("waves.vcd", found.time)

    with (tmp_path / "waves.vcd").open() as lines:
        scopes, changes = [], []
        for line in lines:
            if line.startswith("#"):
                changes.append(int(line[1:]))
            elif "$scope" in line:
                scopes.append(line.split()[2])
    assert {"network", "core", "matvec", "scan"} <= set(scopes)
    picoseconds = 1000
    assert min(found.time - BEFORE * 10, 0) <= changes[0] // picoseconds <= found.time
    assert found.time < changes[-1] // picoseconds <= found.time + AFTER * 10


def with_weight(given, layer, row):
    """The image of the network with one weight of in_proj changed."""
    layers = list(given.quantized.layers)
    weights = layers[layer].in_proj.weights.copy()
    weights[row, 0] += 3 if weights[row, 0] < 0 else -3
    in_proj = replace(layers[layer].in_proj, weights=weights)
    layers[layer] = replace(layers[layer], in_proj=in_proj)
    changed = replace(given.quantized, layers=tuple(layers))
    return network_image(changed, given.machine)


@pytest.mark.verilog
def test_hardware_that_gets_stuck_is_found_where_a_code_is_missing(grouped, tmp_path, monkeypatch):
    """The last beat of a layer waits for a step that only the next layer would bring."""

    def short(shape, units):
        words = layer_steps(shape, units)
        port, beats = words["targets"][-1] & 0xF, words["targets"][-1] >> 4
        words["targets"][-1] = port | (beats - 1) << 4
        return words

    monkeypatch.setattr("codegen.image.layer_steps", short)
    found = grouped.diagnosed(network_image(grouped.quantized, grouped.machine), tmp_path)
    assert (found.unit, found.layer, found.token, found.received) == ("residual", 0, 0, None)
    assert found.index == GROUPED.d_model - grouped.machine.units.lanes
    assert (tmp_path / "waves.vcd").stat().st_size > 100_000


@pytest.mark.verilog
def test_a_faulty_unit_is_named_on_the_command_line(tmp_path, monkeypatch):
    """In hardware without a bit of the gate's product; exit code 1."""

    def dropped(value, fmt):
        bits = Value.cast(value)[: fmt.width] & ((1 << fmt.width) - 1 - DROPPED)
        return bits.as_signed()

    monkeypatch.setattr(gate, "saturate", dropped)
    arguments = ["precision=w8a8", "--prompt", "\x01\x02", "--tokens", "1", "--out", str(tmp_path)]
    answer = CliRunner().invoke(
        puffadder.app, ["run", str(RECORDED / "groups"), "tiny", *arguments]
    )
    assert answer.exit_code == 1, answer.output
    first = json.loads((tmp_path / "report.json").read_text())["match"]["first"]
    assert (first["unit"], first["layer"], first["token"]) == ("gate", 0, 0)
    assert first["expected"] & ~DROPPED == first["received"]
    assert (
        f"first: unit gate, layer 0, token 0, y[{first['index']}]: expected {first['expected']}, "
        f"received {first['received']}; waves.vcd at {first['waves_ns']} ns\n"
    ) in answer.stdout
    assert "DIFFERENT" in answer.stdout
    assert (tmp_path / "waves.vcd").stat().st_size > 100_000


def test_what_is_cut_short_by_a_full_disk_is_no_difference(grouped, tmp_path, monkeypatch):
    def rerun(watch, count, plusargs, until):
        (tmp_path / "streams.part").write_text("start 30 1\n")

    space = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: space)
    with pytest.raises(OSError, match="No space left on device"):
        diagnose(
            grouped.quantized, grouped.machine, TOP, grouped.image, b"", grouped.tokens, rerun,
            tmp_path,
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_simulator_that_never_starts_names_no_unit(grouped, tmp_path):
    def rerun(watch, count, plusargs, until):
        (tmp_path / "streams.part").write_text("")
        raise RuntimeError("the simulator did not start")

    found = diagnose(
        grouped.quantized, grouped.machine, TOP, grouped.image, b"", grouped.tokens, rerun,
        tmp_path,
    )  # fmt: skip
    assert found is None
    assert not list(tmp_path.iterdir())


def test_a_recording_begins_with_the_last_start(tmp_path):
    lines = ["gate 5 ff", "start 30 1", "gate 50 1f", "scan 50 7", "gate 60 0"]
    (tmp_path / "streams").write_text("\n".join(lines) + "\n")
    assert read_recording(tmp_path / "streams") == {
        "start": Transfers([1], [30]),
        "gate": Transfers([0x1F, 0], [50, 60]),
        "scan": Transfers([7], [50]),
    }


def test_a_difference_is_told_with_all_that_a_report_needs():
    found = Difference("scan", 1, 3, None, "y", 17, 5, 6, 12345)
    assert found.to_dict() == {
        "unit": "scan", "layer": 1, "token": 3, "serving": None, "field": "y", "index": 17,
        "expected": 5, "received": 6, "waves": "waves.vcd", "waves_ns": 12345,
    }  # fmt: skip
