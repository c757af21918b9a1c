"""What the terminal and report.json say of a run."""

import json

from models.counters import UNITS
from reports.run_report import differing, unit_table, words_in_use
from tests.reports.examples import bare, full

UNITS_FOUND = {
    "fetch": {
        "predicted": {"busy": 900, "input": 1, "output": 0, "memory_read": 99},
        "measured": {"busy": 900, "input": 1, "output": 0, "memory_read": 99},
    },
    "gate": {
        "predicted": {"busy": 110, "input": 890},
        "measured": {"busy": 100, "input": 900, "output": 0},
    },
}


def test_table():
    assert unit_table(UNITS_FOUND) == [
        "cycles by unit      busy     input  memory read",
        "fetch           900  90%    1  <1%      99  10%",
        "gate            100  10%  900  90%",
        "  predicted     110  11%  890  89%",
        "predicted: equal for 1 of 2 units",
    ]


def test_a_prediction_alone_is_called_so():
    for side, rest in (("measured", []), ("predicted", ["predicted, not measured"])):
        alone = {unit: {side: sides[side]} for unit, sides in UNITS_FOUND.items()}
        assert unit_table(alone)[3:] == rest
        assert not differing(alone)


def test_only_activities_that_occur_have_a_column():
    assert words_in_use(UNITS_FOUND) == ["busy", "input", "memory_read"]


def test_text_ends_with_the_table():
    text = full().to_text().splitlines()
    start = next(at for at, line in enumerate(text) if line.startswith("cycles by unit"))
    assert text[start - 2] == "EQUAL: every code is the integer network's"
    assert [line.split()[0] for line in text[start + 1 : -1] if line[0] != " "] == list(UNITS)
    assert text[-1] == "predicted: equal for 15 of 17 units"
    assert any(line.endswith("cycles predicted, -0.052%") for line in text)


def test_text_without_counters_is_what_the_run_found():
    text = bare(match=bare().match | {"logits": False, "mismatches": 3}).to_text()
    assert text.endswith("DIFFERENT")
    assert "predicted" not in text
    assert text.startswith("29952 logit codes compared, 3 differ\n")


def test_json_is_strict_and_leaves_timelines_to_the_trace():
    told = json.loads(full().to_json(), parse_constant=lambda name: 1 / 0)
    assert "timelines" not in told
    assert told["cycles"]["units"].keys() == UNITS.keys()
    assert told["model"]["time_step_limit"] == [0.0, None]
