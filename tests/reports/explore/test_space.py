"""Spaces: what is wrong in one is told with its place, its rule and a way out."""

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import puffadder
from models.errors import InputError
from reports.explore import explore, find_space
from reports.explore.constraints import parse_constraint
from reports.explore.knobs import Range
from reports.explore.plan import plan_of
from reports.explore.space import Space, names
from tests.reports.explore.spaces import small


@pytest.mark.parametrize("name", names())
def test_spaces_that_come_along_are_ready_for_work(name):
    plan = plan_of(find_space(name))
    assert plan.points > 1
    for grid in plan.grids:
        numbers = np.arange(0, grid.points, max(1, grid.points // 7))
        assert len(grid.designs(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("ends", "values"),
    [
        ({"from": 4, "to": 32, "times": 2}, [4, 8, 16, 32]),
        ({"from": 3, "to": 10, "step": 3}, [3, 6, 9]),
        ({"from": 5, "to": 5, "step": 1}, [5]),
        ({"from": 1.5, "to": 3, "step": 0.5}, [1.5, 2, 2.5, 3]),
        ({"from": 0.1, "to": 0.3, "step": 0.1}, [0.1, 0.2, 0.3]),
        ({"from": 1, "to": 1000, "times": 10}, [1, 10, 100, 1000]),
        ({"from": 0.1, "to": 0.9, "times": 3}, [0.1, 0.3, 0.9]),
    ],
)
def test_ranges_include_both_ends(ends, values):
    found = Range.model_validate(ends).values()
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_constraints_are_read():
    constraint = parse_constraint(" lut<=107_000 ", "space s")
    assert (constraint.measure, constraint.bound) == ("lut", 107000)
    values = np.array([1, 107000, 107001, np.nan])
    assert constraint.holds(values).tolist() == [True, True, False, False]
    assert parse_constraint("dsp > 1.5e2", "s").holds(values).tolist() == [False, True, True, False]


FILE = {"networks": ["bundled"], "base": "ecp5", "knobs": {"lanes": [4]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"knobs": {"matvec.cols": [4]}}, r"space \w+: knob 'matvec.cols' must be one of .*; "
                                          "did you mean matvec.columns\\?"),
        ({"knobs": {"precision.scan_bit": [4]}}, ".*; did you mean precision.scan_bits\\?"),
        ({"knobs": {"lanes": []}}, r"space \w+: knob lanes must have at least one value, not none"),
        ({"knobs": {"lanes": ["many"]}}, r"space \w+: knobs: lanes must be an integer, not 'many'"),
        ({"knobs": {"matvec.rows": [10**21]}}, r"space \w+: knobs: matvec.rows must be at most"),
        ({"knobs": {"memory.burst": [64.0]}}, ".*memory.burst must be an integer, not 64.0"),
        ({"knobs": {"clock_hz": [20e9]}}, ".*clock_hz must be at most 1000000000.0"),
        ({"knobs": {"lanes": {"from": 4, "to": 2, "step": 1}}}, ".* must end at 4 or more, not 2"),
        ({"knobs": {"lanes": {"from": 4, "to": 8}}}, ".* must have either times or step, not"),
        ({"knobs": {"lanes": {"from": 1, "to": 1e18, "step": 1}}},
         ".*knob lanes.* must have at most 10,000 values, not more"),
        ({"knobs": {"lanes": {"from": 1, "to": 1e308, "times": 1.001}}},
         ".*knob lanes.* must have at most 10,000 values, not more"),
        ({"knobs": {"precision": ["w4a4", "w3a3"], "precision.scan_bits": [8]}},
         ".*precision must be one of w8a8, .* not 'w3a3'"),
        ({"knobs": {"precision": [5], "precision.scan_bits": [8]}}, ".*precision must be .* not 5"),
        ({"knobs": {"device": [["vck190"]]}}, ".*knob device: device must be a text, not \\['vck"),
        ({"knobs": {"lanes": {"from": 4, "too": 8, "step": 1}}},
         ".*to must be given; too must not be there; a range has the keys"),
        ({"knobs": {"lanes": 4}}, r".*lanes must be a list of values, or .*, not 4; write \[4\]"),
        ({"knobs": {"device": ["vck"]}}, "device 'vck' must be one of .*"),
        ({"knobs": {"memory.port_bits": [96]}}, ".*port_bits must be a power of two.*, not 96"),
        ({"networks": []}, ".*networks.* must have at least 1, not 0"),
        ({"networks": ["mamba2-2.7"]}, "model 'mamba2-2.7' must be the folder of a checkpoint"),
        ({"base": "big"}, "design 'big' must be a file"),
        ({"objectives": ["speed"]}, r"space \w+: objectives: measure 'speed' must be one of"),
        ({"objectives": []}, ".*objectives.* must have at least 1, not 0"),
        ({"constraints": ["luts <= 4"]}, ".*measure 'luts' must be one of .*; did you mean lut\\?"),
        ({"constraints": ["lut = 4"]}, ".*'lut = 4' must be a measure, one of <= >= < >, and a"),
        ({"constraints": ["tokens_per_second >= 1e9"]}, ".*'tokens_per_second >= 1e9' removes the"),
        ({"base": "tiny", "constraints": ["lut <= 9"]}, r"space \w+: device must be named .*lut"),
        ({"knobs": {"memory.prefetch": {"from": 3, "to": 1003, "step": 1}, "memory.outstanding":
                    {"from": 1, "to": 1000, "step": 1}, "clock_hz": {"from": 1e6, "to": 1e9,
                    "step": 1e6}}},
         r"space \w+ must have at most 1,000,000,000 points .*; give it `search: {method: nsga2}`"),
        ({"nonsense": 1}, ".*nonsense must not be there; a space has the keys name, networks"),
    ],
)  # fmt: skip
def test_wrong_spaces_are_refused(changes, message, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(FILE | changes))
    with pytest.raises(InputError, match=f"^{message}|: {message}"):
        explore(str(path), tmp_path / "out", workers=1)


NUMBER = "must have a number that is finite and 0 or more"
NO_BOARD = "must have boards only for lut, watts, not null, which is no board"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"constraints": ["lut <= -5"]},
         f"constraint 'lut <= -5' {NUMBER}, not -5; e.g. lut <= 107000"),
        ({"constraints": ["lut<=inf"]},
         f"constraint 'lut<=inf' {NUMBER}, not inf; e.g. lut <= 107000"),
        ({"constraints": ["lut <= nan"]},
         f"constraint 'lut <= nan' {NUMBER}, not nan; e.g. lut <= 107000"),
        ({"constraints": ["lut <= 1e999"]},
         f"constraint 'lut <= 1e999' {NUMBER}, not 1e999; e.g. lut <= 107000"),
        ({"constraints": ["lut <= 107_"]}, "constraint 'lut <= 107_' must be a measure, one of "
         "<= >= < >, and a number; e.g. lut <= 107000"),
        ({"constraints": ["lut = 4"]}, "constraint 'lut = 4' must be a measure, one of "
         "<= >= < >, and a number; e.g. lut <= 107000"),
        ({"constraints": ["dsp <= 9", "lut <= 8e4", "lut<=80_000"]},
         "constraint 'lut <= 80000' must be given once, not 2 times; keep one of them"),
        ({"networks": ["bundled", "mamba2-130m", "bundled"]},
         "network 'bundled' must be given once, not 2 times; keep one of them"),
        ({"objectives": ["lut", "lut", "dsp", "lut"]},
         "objective 'lut' must be given once, not 3 times; keep one of them"),
        ({"objectives": ["watts"], "constraints": ["lut <= 9"], "knobs": {"device":
          ["kv260", None]}},
         f"knob device {NO_BOARD}; leave it out, or name a board instead"),
        ({"base": "tiny", "objectives": ["watts"], "constraints": ["lut <= 9"], "knobs": {}},
         "device must be named in the base or as a knob for lut, watts, not left out; "
         "add `device: [vck190]` to knobs"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_space_is_told_whole(changes, message):
    with pytest.raises(InputError) as refused:
        plan_of(small(**changes))
    assert str(refused.value) == f"space small: {message}"


def test_several_bounds_and_repeated_values_are_no_mistake():
    knobs = {"device": ["vck190"], "lanes": [4, 4, 8]}
    plan = plan_of(small(knobs=knobs, constraints=["lut <= 9", "lut >= 1", "lut < 9"]))
    assert plan.points == 3


def test_a_board_without_a_number_is_refused(tmp_path, monkeypatch):
    board = tmp_path / "board.yaml"
    from hwsim.devices import FOLDER

    lines = (FOLDER / "zcu104.yaml").read_text().splitlines()
    kept = [line.replace("lut, ff,", "lut,") for line in lines if not line.startswith("ff:")]
    board.write_text("\n".join(kept))
    space = small(knobs={"device": [str(board)], "lanes": [4]}, constraints=["ff <= 1e6"])
    with pytest.raises(InputError, match=r"^device board: ff must be known here"):
        plan_of(space)
    assert plan_of(small(knobs=space.knobs)).points == 1


def test_the_command_ends_with_2_and_writes_nothing_over_wrong_input(tmp_path, monkeypatch, capsys):
    path, out = tmp_path / "wrong.yaml", tmp_path / "out"
    path.write_text("networks: [bundled]\nbase: ecp5\nknobs: {lane: [4]}\n")
    monkeypatch.setattr("sys.argv", ["puffadder", "explore", str(path), "--out", str(out)])
    with pytest.raises(SystemExit) as leaving:
        puffadder.main()
    assert leaving.value.code == 2
    assert "did you mean lanes?" in capsys.readouterr().err
    assert not out.exists()


def test_the_command_tells_the_best(tmp_path):
    path = tmp_path / "few.yaml"
    path.write_text(yaml.safe_dump(FILE | {"knobs": {"lanes": [2, 4]}, "verify": {"engine": 1}}))
    told = CliRunner().invoke(
        puffadder.app, ["explore", str(path), "--out", str(tmp_path), "--workers", "1"]
    )
    assert told.exit_code == 0, told.output
    assert "best for bundled" in told.output
    assert "engine, 1 compared: cycles of a token by the closed form differ by" in told.output


class Others:
    """A cluster whose workers, if any, have another version, or none."""

    def __init__(self, *address, timeout):
        told = {"others": "old", "strangers": ModuleNotFoundError("No module named 'reports'")}
        self.workers = {name: each for name, each in told.items() if name == address[0]}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def ncores(self):
        return dict.fromkeys(self.workers, 1)

    def run(self, asked, on_error):
        assert on_error == "return"
        return self.workers


def test_a_scheduler_that_does_not_answer_is_told(tmp_path):
    rule = "^scheduler 'nonsense' must answer within 10 s, not fail: missing port number"
    with pytest.raises(InputError, match=rule):
        explore(small(), tmp_path, scheduler="nonsense")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("others", "old"),
        ("strangers", "No module named 'reports'"),
        ("nobody", "no workers at all"),
    ],
)
def test_workers_of_another_version_are_refused(address, found, tmp_path, monkeypatch):
    monkeypatch.setattr("distributed.Client", Others)
    rule = f"^scheduler '{address}' must have workers with puffadder's version .*, not {found};"
    with pytest.raises(InputError, match=rule):
        explore(small(), tmp_path, scheduler=address)


def test_spaces_are_frozen_and_named():
    assert find_space("vck190").name == "vck190"
    with pytest.raises(InputError, match=r"^space 'vck' must be a file \*.yaml or one of"):
        find_space("vck")
    assert Space.model_validate(small().model_dump(by_alias=True)) == small()
