"""Estimates: what is told of a token, how it is known, and what wrong names are told."""

import json

import pytest
from typer.testing import CliRunner

import puffadder
from codegen.designs import find_design
from codegen.image import network_image
from models.checkpoints import bundled
from models.errors import InputError
from models.networks.machine import machine_config
from models.networks.shape import Mamba2Shape
from models.quantization.rtn import quantize_network
from reports import estimate as module
from reports.estimate import Bounds, estimate, estimate_network, shape_of, traffic
from tests.networks.examples import GROUPED, PLAIN, random_parameters

WHOLE = 3_994_972
"""Cycles of a token of Mamba2-370M on the design below, every one of them by the engine."""
DEEP = Mamba2Shape(d_model=32, layers=9, heads=4, head_dim=16, state=16, vocab=30_000)


@pytest.mark.parametrize(
    ("shape", "overrides"),
    [(PLAIN, ()), (GROUPED, ("lanes=8", "matvec.rows=8", "matvec.columns=8")),
     (PLAIN, ("state.placement=memory",))],
)  # fmt: skip
def test_traffic_is_that_of_the_weight_image(shape, overrides):
    design = find_design("tiny", overrides)
    machine = machine_config(shape, design)
    image = network_image(quantize_network(random_parameters(shape), design.precision), machine)
    reads, writes = traffic(machine)
    assert reads == len(image.stream) + image.row_words
    assert (writes > 0) == (machine.spill is not None)


@pytest.mark.parametrize("overrides", [(), ("device=zcu104", "clock_hz=300e6")])
def test_a_token_is_told_whole(overrides):
    told = estimate_network(PLAIN, find_design("tiny", overrides), "plain")
    cycles = told.numbers["cycles_per_token"].value
    assert {sum(at.values()) for at in told.units.values()} == {cycles}
    bounds = told.bounds
    assert told.units["matvec"]["busy"] == bounds.multipliers
    assert told.units["scan"]["busy"] == bounds.scan
    assert max(bounds.port, bounds.multipliers, bounds.scan) <= cycles
    clock = told.numbers["clock_hz"].value
    assert told.numbers["tokens_per_second"].value == clock / cycles
    assert clock == (300e6 if overrides else 200e6)


@pytest.mark.parametrize("overrides", [(), ("state.placement=memory",)], ids=["chip", "memory"])
def test_what_repeats_is_leapt_over(overrides, monkeypatch):
    design = find_design("tiny", overrides)
    monkeypatch.setattr(module, "EXACT_CYCLES", 0)
    lines = []
    every = estimate_network(DEEP, design, "deep", show=lines.append, exact=True)
    leapt = estimate_network(DEEP, design, "deep", show=lines.append)
    assert lines == [
        "predicting 2 tokens, every cycle",
        "predicting 2 tokens, leaping over what repeats",
    ]
    cycles = [told.numbers["cycles_per_token"] for told in (every, leapt)]
    assert cycles[1].value == pytest.approx(cycles[0].value, rel=2e-3, abs=0)
    assert {sum(at.values()) for at in leapt.units.values()} == {cycles[1].value}
    assert cycles[0].basis == "every cycle of the whole network"
    assert cycles[1].basis.endswith("% of all cycles stepped through, the rest repeats them")


def test_words_that_wait_ahead_are_not_taken_for_the_pace():
    """At first the head streams from bursts that came while the last layer was computed."""
    overrides = (
        "device=kv260", "matvec.rows=8", "matvec.columns=16", "scan.channels=1",
        "memory.port_bits=128", "memory.ports=4", "memory.outstanding=8",
        "state.placement=memory", "precision=w4a4",
        "clock_hz=300e6",
    )  # fmt: skip
    told = estimate("mamba2-370m", "tiny", overrides)
    cycles = told.numbers["cycles_per_token"].value
    assert told.bounds.largest == "port"
    assert cycles == pytest.approx(WHOLE, rel=1e-3)
    assert cycles >= told.bounds.port


@pytest.mark.parametrize(
    ("clock", "basis"),
    [("300e6", "design tiny"), ("400e6", "design tiny; above the 300 MHz of board kv260")],
)
def test_a_clock_above_the_boards_is_told(clock, basis):
    overrides = ("device=kv260", "state.placement=memory", f"clock_hz={clock}")
    told = estimate_network(PLAIN, find_design("tiny", overrides), "plain")
    assert told.numbers["clock_hz"].basis == basis


def test_what_limits_is_named():
    assert Bounds(port=3, multipliers=2, scan=1).largest == "port"
    wide = estimate_network(PLAIN, find_design("tiny", ("memory.port_bits=512",)), "plain")
    assert wide.bounds.largest == "multipliers"


def test_several_ports_take_the_time_of_one_that_is_as_wide():
    wide, several = (
        estimate_network(PLAIN, find_design("tiny", overrides), "plain")
        for overrides in (("memory.port_bits=256",), ("memory.ports=4",))
    )
    assert several.numbers == wide.numbers
    assert (several.bounds, several.units) == (wide.bounds, wide.units)


def test_text_and_json_say_the_same():
    told = estimate_network(PLAIN, find_design("ecp5"), "plain")
    text, data = told.to_text(), json.loads(told.to_json())
    assert data["numbers"]["clock_hz"]["tag"] == "assumed"
    assert data["device"]["part"] == "LFE5U-85F"
    assert data["blocks"]["block_ram"]["are"] == 208
    assert data["cycles"]["units"]["scan"]["predicted"] == told.units["scan"]
    assert sum(data["resources"].values()) == told.placed.total_bits
    assert {number["tag"] for number in data["numbers"].values()} == {"modelled", "assumed"}
    assert "plain on design ecp5, board ulx3s-85f" in text
    for part in ("the bound", "scan.state", "of 208 blocks", "cycles by unit"):
        assert part in text


def test_a_number_of_the_board_is_cited_where_it_is_known():
    told = estimate_network(PLAIN, find_design("tiny", ("device=u280",)), "plain").numbers
    assert told["memory_bandwidth"].tag == "cited"
    assert "Shuhai" in told["memory_bandwidth"].basis


def test_the_shape_of_a_mamba_1_is_refused():
    with pytest.raises(InputError) as refused:
        shape_of("mamba-2.8b")
    assert str(refused.value) == (
        "shape 'mamba-2.8b' must be a Mamba-2, which the accelerator takes, not a Mamba-1; "
        "`puffadder bench` takes Mamba-1"
    )


def test_networks_by_name_and_by_folder():
    assert shape_of("bundled") == shape_of(str(bundled()))
    assert shape_of("mamba2-2.7b").layers == 64
    with pytest.raises(InputError) as refused:
        shape_of("mamba2-2.8b")
    assert str(refused.value) == (
        "model 'mamba2-2.8b' must be the folder of a checkpoint, `bundled`, or one of mamba2-130m, "
        "mamba2-370m, mamba2-780m, mamba2-1.3b, mamba2-2.7b; did you mean mamba2-2.7b?"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tiny", ("device=vck",)), "device 'vck' must be one of "),
        (("tiny", ("device=ulx3s-85f",)), "design tiny: on-chip memory must fit the blocks of "),
        (("tiny", ("device=zcu104", "memory.port_bits=256")), "device zcu104: memory.port_bits "),
    ],
)
def test_a_board_that_is_wrong_or_too_small_is_told(arguments, message):
    with pytest.raises(InputError) as refused:
        estimate("mamba2-130m", *arguments)
    assert str(refused.value).startswith(message)


def test_command():
    answer = CliRunner().invoke(
        puffadder.app, ["estimate", "bundled", "tiny", "scan.states=16", "--quiet", "--json"]
    )
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["bound"] == "port"
