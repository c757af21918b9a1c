"""Why: what is told of some of a space's points is what becomes of them among all of them."""

import json
from collections import Counter

import numpy as np
import pytest
from typer.testing import CliRunner

from models.errors import InputError
from puffadder import app
from reports.explore import answer as answer_module
from reports.explore import explore, why
from reports.explore.screen import BEATEN, NAMES, ON_FRONT, UNVISITED, costs, judge
from tests.hwsim.test_front import compared
from tests.reports.explore.spaces import small

BOARDS = {"device": ["vck190", "ulx3s-85f"]}


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The small space explored, its folder, and the reason of each of its points."""
    folder = tmp_path_factory.mktemp("once")
    plan = explore(small(), folder, workers=1).plan
    judged = judge(plan, 0, np.arange(plan.points))
    left = np.flatnonzero(judged.codes == 0)
    kept = np.array(compared(costs(plan, judged.values[left])))
    judged.reject(left[~kept], BEATEN)
    return plan, folder, [judged.reasons[code] for code in judged.codes], judged.values


def having(plan, **values):
    knobs = [plan.grids[0].values(number) for number in range(plan.points)]
    return [at for at, each in enumerate(knobs) if values.items() <= each.items()]


@pytest.mark.parametrize(
    "values", [{}, {"lanes": 4}, {"lanes": 2, "order": "naive"}, {"state.placement": "memory"}]
)
def test_counts_are_those_of_all_points_with_these_values(once, values):
    plan, folder, reasons, _ = once
    answer = why(small(), [f"{key}={value}" for key, value in values.items()], folder)
    assert answer.values == values
    assert answer.counts == Counter(reasons[at] for at in having(plan, **values))
    assert answer.points == len(having(plan, **values))


def test_a_point_that_is_another_one_is_told_by_that_one(once):
    plan, folder, reasons, _ = once
    answer = why(small(), ["state.placement=chip", "state.buffers=2"], folder)
    firsts = having(plan, **{"state.placement": "chip", "state.buffers": 1})
    assert answer.counts == Counter(reasons[at] for at in firsts)
    assert answer.nearest["bundled"].point.knobs["state.buffers"] == 1


def test_the_nearest_is_on_the_front_or_says_what_is_better(once):
    plan, folder, reasons, values = once
    for lanes in (2, 4, 32):
        near = why(small(), [f"lanes={lanes}"], folder).nearest["bundled"]
        kinds = {reasons[at].kind for at in having(plan, lanes=lanes)}
        assert near.point.knobs["lanes"] == lanes
        if "front" in kinds:
            assert near.reason == ON_FRONT
        elif "dominated" in kinds:
            assert near.reason == BEATEN
        if near.reason != BEATEN:
            assert near.beaten_by is None
            continue
        better = near.beaten_by.measures
        assert better["tokens_per_second"] >= near.point.measures["tokens_per_second"]
        assert better["lut"] <= near.point.measures["lut"]
        dominated = [at for at in having(plan, lanes=lanes) if reasons[at] == BEATEN]
        rates = values[dominated, NAMES.index("tokens_per_second")]
        assert near.point.measures["tokens_per_second"] == rates.max()


def test_constraints_that_are_not_kept_are_told_with_their_values(tmp_path):
    space = small(constraints=["lut <= 10", "tokens_per_second >= 1e12"])
    answer = why(space, ["lanes=4"], tmp_path, workers=1)
    near = answer.nearest["bundled"]
    assert near.reason.kind == "constraint"
    assert [text.partition(":")[0] for text in near.broken] == [*space.constraints]
    assert f"lut <= 10: {near.point.measures['lut']:,.6g}" in near.broken
    assert "it does not keep lut <= 10" in answer.to_text()


def test_boards_are_asked_for_like_knobs(tmp_path):
    space = small(knobs=small().knobs | BOARDS)
    both = why(space, ["lanes=4"], tmp_path, workers=1)
    each = [why(space, ["lanes=4", f"device={board}"], tmp_path) for board in BOARDS["device"]]
    assert both.points == sum(answer.points for answer in each)
    assert [answer.nearest["bundled"].point.knobs["device"] for answer in each] == BOARDS["device"]


def test_a_search_did_not_come_by_all(tmp_path):
    search = {"method": "nsga2", "population": 4, "generations": 1}
    answer = why(small(search=search), [], tmp_path)
    assert answer.counts[UNVISITED] > 0
    fronts = explore(small(search=search), tmp_path).found.fronts
    assert answer.counts[ON_FRONT] == len(fronts["bundled"])


def test_it_is_told_as_text_and_json(once):
    plan, folder, *_ = once
    answer = why(small(), ["lanes=2"], folder)
    told = json.loads(answer.to_json())
    assert told["points"] == sum(each["points"] for each in told["reasons"]) == answer.points
    near = told["nearest"]["bundled"]
    assert near["knobs"]["lanes"] == 2
    assert near["command"] in answer.to_text()
    assert set(near["knobs"]) == set(plan.varied)


def test_the_command_asks_for_a_space_in_a_file(tmp_path):
    (tmp_path / "small.yaml").write_text(
        "{networks: [bundled], base: ecp5, knobs: {device: [vck190], lanes: [2, 4]}}"
    )
    folder = str(tmp_path / "found")
    asked = ["why", str(tmp_path / "small.yaml"), "lanes=4", "--out", folder, "--workers", "1"]
    told = CliRunner().invoke(app, [*asked, "--json", "--quiet"])
    assert json.loads(told.stdout)["nearest"]["bundled"]["knobs"]["lanes"] == 4
    assert (
        CliRunner()
        .invoke(app, [*asked, "--quiet"])
        .stdout.startswith("space small: points with lanes=4: 1 (modelled)")
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("lanes", "value 'lanes' must look like key=value; e.g. lanes=4"),
        ("lanes=3", "space small: knob lanes must be one of 2, 4, 32, not 3; "
                    "ask for one of them, or add it to the space"),
        ("lane=4", "space small: knob 'lane' must be one of device, lanes, matvec.rows, precision, "
                   "memory.port_bits, memory.burst, memory.prefetch, order, state.placement, "
                   "state.buffers; did you mean lanes?"),
    ],
)  # fmt: skip
def test_wrong_values_are_told(tmp_path, value, message):
    with pytest.raises(InputError) as raised:
        why(small(), [value], tmp_path / "new")
    assert str(raised.value) == message
    assert not (tmp_path / "new").exists()


def test_too_many_points_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(answer_module, "MOST", 100)
    with pytest.raises(InputError) as raised:
        why(small(), ["lanes=4"], tmp_path / "new")
    assert str(raised.value) == (
        "space small: points must be at most 100 with these values, not 576; "
        "give more knobs a value"
    )
    assert not (tmp_path / "new").exists()
