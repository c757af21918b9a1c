"""Validation: pairs come from their seed, errors are noticed, and the kept tables are current."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from hwsim.engine import predict
from models.networks.machine import machine_config
from models.networks.mamba2 import Network, compiled
from models.networks.random import random_parameters
from reports.inputs import integers_of
from reports.validate import NEW, PROMPT, Result, Validation, describe, draw, measure
from reports.verdict import greedy

KEPT = Path(__file__).parents[2] / "reports" / "validation.json"
UNITS = {
    "norm": {"predicted": {"busy": 60, "input": 40}, "measured": {"busy": 60, "input": 40}},
    "scan": {"predicted": {"busy": 30, "input": 70}, "measured": {"busy": 30, "input": 70}},
}
RESULT = Result({"name": "0-0"}, True, 100, 100, UNITS)


def kept():
    return Validation.from_json(KEPT.read_text())


def test_a_pair_comes_from_its_seed_and_number():
    assert draw(0, 3) == draw(0, 3)
    assert len({json.dumps(describe(draw(seed, at))) for seed in (0, 1) for at in range(5)}) == 10


def test_drawn_pairs_never_stand_still():
    for index in range(60):
        pair = draw(1, index)
        machine = machine_config(pair.shape, pair.design)
        assert predict(machine, len(PROMPT), NEW, pair.memory).cycles > 0


def test_what_is_equal_holds():
    assert Validation(0, [RESULT]).holds


@pytest.mark.parametrize(
    "wrong",
    [
        {"equal": False},
        {"predicted": 102, "units": {}},
        {"units": UNITS | {"norm": UNITS["norm"] | {"predicted": {"busy": 57, "input": 43}}}},
        {"units": UNITS | {"norm": UNITS["norm"] | {"measured": {"busy": 60, "input": 41}}}},
    ],
    ids=["codes", "total", "activity", "sum"],
)
def test_an_error_is_noticed(wrong):
    assert not Validation(0, [RESULT, replace(RESULT, **wrong)]).holds


def test_tables_begin_with_the_worst():
    off = {"predicted": {"busy": 29, "input": 71}, "measured": UNITS["scan"]["measured"]}
    worse = replace(RESULT, pair={"name": "0-1", "shape": {}, "design": {}, "memory": {}})
    worse = replace(worse, predicted=101, units=UNITS | {"scan": off})
    better = replace(RESULT, pair=worse.pair | {"name": "0-0"})
    table = Validation(0, [better, worse]).to_markdown().splitlines()
    assert "| scan | input | 1.000% | 0-1 | 71 | 70 |" in table
    assert "6 of 8 counters are predicted to the cycle." in "".join(table)
    activities = [line for line in table if line.startswith(("| scan", "| norm"))]
    assert [line.split()[1] for line in activities] == ["scan", "scan", "norm", "norm"]
    assert [line[:7] for line in table if line.startswith("| 0-")] == ["| 0-1 |", "| 0-0 |"]


def test_the_kept_tables_keep_what_is_promised():
    assert len(kept().results) >= 24
    assert kept().holds


def test_the_kept_tables_are_one():
    assert KEPT.with_suffix(".md").read_text() == kept().to_markdown()


def test_the_kept_predictions_are_those_of_now():
    """A change of the schedule, the image or the engine needs `puffadder validate` once more."""
    for index, result in enumerate(kept().results):
        pair = draw(kept().seed, index)
        assert json.loads(json.dumps(describe(pair))) == result.pair
        network = Network(integers_of(random_parameters(pair.shape), pair.design), compiled())
        written, _ = greedy(network, PROMPT, NEW)
        prediction = predict(
            machine_config(pair.shape, pair.design), len(PROMPT), NEW, pair.memory,
            tokens=[*PROMPT, *written[len(PROMPT) - 1 :]],
        )  # fmt: skip
        before = {unit: sides["predicted"] for unit, sides in result.units.items()}
        assert prediction.units == before, index


@pytest.mark.verilog
@pytest.mark.parametrize("index", [8, 12])
def test_the_kept_measurements_are_those_of_now(index):
    """In the naive order with its state in memory, and interleaved on chip; both rotated."""
    result = json.loads(json.dumps(asdict(measure(draw(kept().seed, index)))))
    assert Result(**result) == kept().results[index]
