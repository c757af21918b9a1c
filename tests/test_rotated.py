"""A rotated network runs on the accelerator: equal codes, and every cycle as predicted."""

from dataclasses import replace
from pathlib import Path

import pytest

from codegen.verilog import to_verilog
from hwsim.memory import MemoryModel
from models.counters import UNITS
from models.errors import InputError
from models.networks.layer import layer_units
from models.networks.machine import machine_config
from models.quantization.transforms import rotate_mixer
from reports.run import run_network
from rtl.accelerator import Accelerator
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters
from tests.streams import run_streams
from tests.test_layer import design
from tests.test_machine import Started, run_vectors
from tests.test_spilled import spilled

POWERS = replace(PLAIN, groups=2)
"""With an inner width that is a power of two."""
CASES = {
    "base_12": (GROUPED, (4, 8, 8, 1, 4), "w4a4", "interleaved"),
    "base_12_narrow": (GROUPED, (2, 4, 8, 1, 8), "w8a8", "naive"),
    "base_1": (POWERS, (8, 16, 8, 2, 8), "w4a4", "interleaved"),
    "base_1_narrow": (POWERS, (2, 8, 4, 1, 16), "w4a8", "naive"),
    "three_blocks": (ODD, (2, 8, 4, 1, 16), "w4a8", "interleaved"),
}
SLOW = MemoryModel(64, 200e6, latency=90, fraction=0.6, outstanding=3)


def with_hadamard(given):
    precision = given.precision.model_copy(update={"hadamard": True})
    return given.model_copy(update={"precision": precision})


def design_of(name, in_memory=False):
    _, parallelism, precision, order = CASES[name]
    if in_memory:
        return with_hadamard(spilled(parallelism, precision, order, buffers=2))
    return with_hadamard(design(*parallelism, precision, order))


def test_these_are_different_units():
    units = {name: layer_units(CASES[name][0], design_of(name)).hadamard for name in CASES}
    assert {name: (unit.blocks, unit.base, unit.points) for name, unit in units.items()} == {
        "base_12": (1, 12, 4),
        "base_12_narrow": (1, 12, 4),
        "base_1": (1, 1, 64),
        "base_1_narrow": (1, 1, 64),
        "three_blocks": (3, 12, 2),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("offer", "accept"), [(1.0, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("name", ["base_12", "base_1_narrow", "three_blocks"])
def test_machine_agrees(name, offer, accept):
    parameters = rotate_mixer(random_parameters(CASES[name][0]))
    config, settings, inputs, outputs = run_vectors(parameters, design_of(name), [3], 2)
    run = run_streams(Started(config, settings), inputs, outputs, offer=offer, accept=accept)
    assert run.outputs == outputs


def run_case(name, in_memory, memory, folder: Path):
    parameters = rotate_mixer(random_parameters(CASES[name][0]))
    given = design_of(name, in_memory)
    return run_network(parameters, given, [3, 17], 3, folder, print, memory)


@pytest.mark.verilog
@pytest.mark.parametrize("memory", [None, SLOW], ids=["ideal", "slow"])
@pytest.mark.parametrize(("name", "in_memory"), [("base_12", False), ("base_1", True)])
def test_every_cycle_is_predicted(name, in_memory, memory, tmp_path):
    """Narrow units are in `soak.test_simulations`."""
    require_predicted(name, in_memory, memory, tmp_path)


def require_predicted(name, in_memory, memory, folder):
    report = run_case(name, in_memory, memory, folder)
    assert report.equal
    cycles = report.cycles
    assert cycles["predicted"] == cycles["measured"] >= report.rotation["cycles_without"]
    assert cycles["per_token_predicted"] == cycles["per_token"]
    predicted, measured = (
        {unit: sides[side] for unit, sides in cycles["units"].items()}
        for side in ("predicted", "measured")
    )
    assert list(measured) == list(UNITS)
    assert predicted == measured
    shape, (lanes, *_), *_ = CASES[name]
    assert measured["hadamard"]["busy"] == 4 * shape.layers * shape.inner // lanes
    timelines = {
        side: {unit: [list(each) for each in row] for unit, row in timeline.items()}
        for side, timeline in report.timelines.items()
    }
    assert timelines["predicted"] == timelines["measured"]


def test_activity_of_the_unit_is_told_behind_the_norms():
    config = machine_config(GROUPED, design_of("base_12"))
    assert list(config.units.counted)[:3] == ["fetch", "norm", "hadamard"]
    assert "hadamard_output" in config.counters
    verilog = to_verilog(Accelerator(config), "accelerator")
    assert "output [50:0] activity;" in verilog


def test_lanes_that_the_unit_has_no_points_for_are_refused():
    with pytest.raises(InputError) as refused:
        layer_units(GROUPED, with_hadamard(design(8, 16, 16, 1, 4, "w4a4")))
    assert str(refused.value) == (
        "design test: hadamard lanes must divide points = 4, not 8; use 4 or a smaller power of "
        "two, or precision.hadamard=false, or choose another design or network"
    )
