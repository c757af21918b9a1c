"""Exploring: the front is that of comparing all designs, whatever computes it and is killed."""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from codegen.designs import find_design
from hwsim.logic import Logic
from hwsim.measures import costly
from models.checkpoints import bundled
from models.errors import InputError
from reports.explore import divergence, explore, screening, stages, to_text
from reports.explore import screen as screen_module
from reports.explore import search as search_module
from reports.explore.exploration import best, broken
from reports.explore.gather import Point, gather
from reports.explore.knobs import overrides
from reports.explore.plan import plan_of
from reports.explore.screen import BEATEN, NAMES, ON_FRONT, costs, judge, screen
from reports.explore.store import open_store
from tests.hwsim.test_front import compared
from tests.reports.explore.spaces import pieces_of, small


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The small space explored in this process, and its folder."""
    folder = tmp_path_factory.mktemp("once")
    return explore(small(), folder, workers=1), folder


def test_front_is_that_of_comparing_all(once):
    found, _ = once
    plan = found.plan
    judged = judge(plan, 0, np.arange(plan.points))
    left = np.flatnonzero(judged.codes == 0)
    kept = left[compared(costs(plan, judged.values[left]))]
    assert {point.number for point in found.points} == set(kept.tolist())
    rates = [point.measures["tokens_per_second"] for point in found.points]
    assert rates == sorted(rates, reverse=True)
    assert len(rates) > 2


def test_every_point_has_a_reason(once):
    found, _ = once
    assert sum(found.found.counts.values()) == found.plan.points
    kinds = {reason.kind for reason in found.found.counts}
    assert kinds >= {"front", "dominated", "constraint", "port", "network", "same"}


def test_constraints_are_kept(once):
    found, _ = once
    limited = judge(found.plan, 0, np.arange(found.plan.points))
    rates = limited.values[:, NAMES.index("tokens_per_second")]
    assert (rates[limited.codes == 0] >= 1000).all()
    assert np.nanmin(rates) < 1000


def test_pieces_of_any_size_give_the_same(once, tmp_path, monkeypatch):
    monkeypatch.setattr(screening, "PIECE", 200)
    found = explore(small(), tmp_path, workers=1)
    assert found.run["computed"] == found.plan.points
    assert (tmp_path / "front.csv").read_bytes() == (once[1] / "front.csv").read_bytes()
    assert found.found.counts == once[0].found.counts


def test_nothing_is_computed_twice(once, tmp_path, monkeypatch):
    explore(small(), tmp_path, workers=1)
    first = (tmp_path / "front.csv").read_bytes()

    def alone(shape, base, designs, device):
        assert len(designs) <= 1, "only for the sensitivity, one point after the other"
        return costly(shape, base, designs, device)

    monkeypatch.setattr(screen_module, "costly", alone)
    assert explore(small(), tmp_path, workers=1).run["computed"] == 0
    assert (tmp_path / "front.csv").read_bytes() == first
    most = max(point.measures["lut"] for point in once[0].points)
    fewer = explore(small(constraints=[f"lut < {most}"]), tmp_path, workers=1)
    assert 0 < max(point.measures["lut"] for point in fewer.points) < most
    assert fewer.run["computed"] == 0


KILLED = """
from pathlib import Path
from reports.explore import explore, screening
from tests.reports.explore.spaces import pieces_of, small
if __name__ == "__main__":
    screening.PIECE = 64
    explore(small(), Path({folder!r}), workers=2)
"""


def test_a_killed_run_goes_on_where_it_was(once, tmp_path, monkeypatch):
    path = tmp_path / "results.sqlite"
    script = tmp_path / "run.py"
    script.write_text(KILLED.format(folder=str(tmp_path)))
    run = subprocess.Popen([sys.executable, str(script)], env=os.environ | {"PYTHONPATH": "."})
    while pieces_of(path) < 5 and run.poll() is None:
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    there = pieces_of(path)
    monkeypatch.setattr(screening, "PIECE", 64)
    found = explore(small(), tmp_path, workers=1)
    assert 5 <= there < pieces_of(path) == -(-found.plan.points // 64)
    assert found.run["computed"] == found.plan.points - there * 64
    assert (tmp_path / "front.csv").read_bytes() == (once[1] / "front.csv").read_bytes()
    assert found.found.counts == once[0].found.counts


def test_results_of_another_version_are_left_alone(tmp_path):
    explore(small(), tmp_path, workers=1)
    path = tmp_path / "results.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE about SET version = 'old'")
    database.close()
    before = path.read_bytes(), (tmp_path / "explore.json").read_bytes()
    with pytest.raises(InputError, match=r"results.sqlite must have results of .*not those of "
                       r"puffadder explore 1, version old; name another folder"):  # fmt: skip
        explore(small(), tmp_path, workers=1)
    assert (path.read_bytes(), (tmp_path / "explore.json").read_bytes()) == before


@pytest.mark.parametrize("content", [b"not a database at all, but some text" * 50])
def test_other_files_are_left_alone(tmp_path, content):
    path = tmp_path / "results.sqlite"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"results.sqlite must be a results file"):
        explore(small(), tmp_path, workers=1)
    assert path.read_bytes() == content


def test_what_removes_the_last_points_is_named(tmp_path):
    space = small(constraints=["lut <= 1e9", "tokens_per_second >= 1e6", "ff <= 1e9"])
    with pytest.raises(InputError) as error:
        explore(space, tmp_path, workers=1)
    assert "'tokens_per_second >= 1e6' removes the last" in str(error.value)
    assert not (tmp_path / "explore.json").exists()


def test_nothing_is_overwritten_when_no_point_is_left(tmp_path):
    names = ("front.csv", "explore.html", "explore.json", "winner.yaml")
    few = {"device": ["vck190"], "lanes": [2, 4]}
    explore(small(knobs=few, constraints=[]), tmp_path, workers=1)
    before = [(tmp_path / name).read_bytes() for name in names]
    with pytest.raises(InputError, match="'lut < 1' removes the last 2"):
        explore(small(knobs=few, constraints=["lut < 1"]), tmp_path, workers=1)
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_an_objective_may_be_0(tmp_path):
    few = {"device": ["vck190"], "lanes": [2, 4]}
    space = small(knobs=few, objectives=["ultra_ram"], constraints=["ultra_ram <= 0"])
    assert explore(space, tmp_path, workers=1).points[0].measures["ultra_ram"] == 0


def test_each_winner_has_a_file_of_its_own(tmp_path):
    networks = [str(tmp_path / folder / "net") for folder in "ab"]
    for network in networks:
        shutil.copytree(bundled(), network)
    few = {"device": ["vck190"], "lanes": [2, 4]}
    name = "two\nlines"
    explore(small(name=name, networks=networks, knobs=few), tmp_path / "out", workers=1)
    files = sorted(path.name for path in (tmp_path / "out").glob("*.yaml"))
    assert files == ["winner-1-net.yaml", "winner-2-net.yaml"]
    text = (tmp_path / "out" / files[0]).read_text()
    assert text.startswith("# Found by `puffadder explore 'two lines'`.\nlanes: ")


def test_the_engine_looks_at_the_front(tmp_path, monkeypatch):
    space = small(verify={"engine": 2}, knobs=small().knobs | {"lanes": [4]})
    found = explore(space, tmp_path, workers=1)
    assert [stage.name for stage in found.stages] == ["engine"]
    rows = found.stages[0].rows
    assert len(rows) == 2
    assert all(abs(row.error) < 0.01 for row in rows)
    told = json.loads((tmp_path / "explore.json").read_text())
    winner = told["winners"][0]
    assert winner["tokens_per_second"]["basis"] == "engine"
    assert sum(reason["points"] for reason in told["reasons"]) == told["space"]["points"]
    table = list(csv.DictReader((tmp_path / "front.csv").read_text().splitlines()))
    assert float(table[0]["engine_cycles_per_token"]) == rows[0].after
    monkeypatch.setattr(stages, "estimate_network", None)
    explore(space, tmp_path, workers=1)
    explore(small(verify={"engine": 1}, knobs=space.knobs), tmp_path, workers=1)


def test_hardware_is_tried_on_the_best(tmp_path, monkeypatch):
    class Report:
        equal, cycles = False, {"predicted": 1010, "measured": 1000}

    taken = {"scan": Logic(900, 0, 0), "gate": Logic(1, 0, 0), "top": Logic(9, 0, 0)}
    tried = []
    monkeypatch.setattr(stages, "measure", lambda *given: taken)
    monkeypatch.setattr(stages, "run_network", lambda *given: tried.append(given) or Report())
    found = explore(small(verify={"engine": 0, "yosys": 1, "verilator": 1}), tmp_path, workers=1)
    yosys, verilator = found.stages
    (winner,) = found.winners.values()
    assert tried[0][1] == winner.design
    rows = [(row.id, row.after) for row in yosys.rows]
    assert rows == [(winner.id, 901), (f"{winner.id} scan", 900)]
    assert verilator.rows[0].error == pytest.approx(0.01)
    assert not found.equal
    assert "CODES DIFFER" in verilator.to_text()


def test_a_slight_gain_is_not_worth_another_objective(once):
    plan = once[0].plan

    def point(rate, lut):
        return Point(plan.grids[0], 0, {"tokens_per_second": rate, "lut": lut})

    fast, small_one, slow = point(5000.0, 9000.0), point(4960.0, 5000.0), point(4000.0, 100.0)
    assert best(plan, [fast, small_one, slow], {}) == small_one
    assert best(plan, [fast, point(4900.0, 5000.0), slow], {}) == fast


def test_what_the_engine_refutes_is_no_winner(once):
    plan = once[0].plan
    first, second = once[0].points[:2]
    slow = {"tokens_per_second": 900.0, "cycles": 1.0}
    assert broken(plan, first, {first.id: slow}) == ["tokens_per_second >= 1000"]
    assert best(plan, [first, second], {first.id: slow}) == second
    assert best(plan, [first], {first.id: slow}) == first


def test_the_winner_is_a_design_file_and_a_command(once):
    found, folder = once
    (point,) = found.winners.values()
    design = find_design(str(folder / "winner.yaml"))
    assert design.model_copy(update={"name": "ecp5"}) == point.design
    again = find_design("ecp5", tuple(overrides(point.knobs)))
    assert again == point.design


def test_sensitivity_tells_every_value_of_every_knob(once):
    found, _ = once
    (point,) = found.winners.values()
    turned = found.sensitivity[point.id]
    assert {key: [row["value"] for row in rows] for key, rows in turned.items()} == found.plan.knobs
    for rows in turned.values():
        (chosen,) = [row for row in rows if row["chosen"]]
        assert chosen["measures"] == point.measures
    assert any(row["reason"] for row in turned["memory.port_bits"])


def test_precisions_are_judged_by_their_divergence(tmp_path, monkeypatch):
    space = small(
        base="tiny",
        knobs={"precision": ["w4a4", "w8a8"], "order": ["interleaved", "naive"]},
        objectives=["divergence", "bytes_per_token"],
        constraints=[],
        accuracy={"window": 16, "sequences": 2},
    )
    found = explore(space, tmp_path, workers=1)
    coarse, fine = found.plan.divergences[0]
    assert 0 < 4 * fine < coarse
    assert [point.measures["divergence"] for point in found.points] == [fine, coarse]
    monkeypatch.setattr(divergence, "divergence", None)
    explore(space, tmp_path, workers=1)


def test_nsga2_finds_nearly_the_front_of_the_grid(once, tmp_path, monkeypatch):
    search = {"method": "nsga2", "population": 60, "generations": 12, "seed": 3}
    found = explore(small(search=search), tmp_path, workers=1)
    best = [[p.measures[name] for name in found.plan.objectives] for p in found.points]
    grid = [[p.measures[name] for name in found.plan.objectives] for p in once[0].points]
    assert best[0] == grid[0]
    assert found.run["computed"] < found.plan.points / 2
    assert sum(found.found.counts.values()) == found.plan.points
    first = (tmp_path / "front.csv").read_bytes()
    monkeypatch.setattr(search_module, "screen", None)
    assert explore(small(search=search), tmp_path, workers=1).run["computed"] == 0
    assert (tmp_path / "front.csv").read_bytes() == first


def test_a_search_ends_when_all_points_were_met(tmp_path):
    search = {"method": "nsga2", "population": 8, "generations": 5}
    few = {"device": ["vck190"], "lanes": [2, 4]}
    found = explore(small(knobs=few, constraints=[], search=search), tmp_path, workers=1)
    assert found.looked_at == found.plan.points == 2


def test_no_winner_is_above_its_roof(tmp_path):
    """One that its multipliers bind, which do the products of the matrices alone."""
    knobs = {"device": ["u280"], "matvec.rows": [4], "memory.port_bits": [512]}
    explore(small(base="tiny", knobs=knobs), tmp_path, workers=1)
    (winner,) = json.loads((tmp_path / "explore.json").read_text())["winners"]
    line = winner["roofline"]
    rate = line["macs_per_token"] * line["tokens_per_second"]
    assert 0.9 * line["peak_macs_per_s"] < rate <= line["peak_macs_per_s"]
    assert line["bytes_per_token"] * line["tokens_per_second"] <= line["bandwidth"]


def test_the_winners_energy_is_that_of_its_measures(tmp_path):
    knobs = {"device": ["u280"], "state.placement": ["memory"]}
    explore(small(base="tiny", knobs=knobs), tmp_path, workers=1)
    (winner,) = json.loads((tmp_path / "explore.json").read_text())["winners"]
    joules = winner["measures"]["joules_per_token"]
    assert sum(winner["energy"].values()) == pytest.approx(joules)


def test_another_board_is_judged_as_that_board(tmp_path):
    knobs = {"device": ["u280", "ulx3s-85f"], "lanes": [4]}
    found = explore(small(base="tiny", knobs=knobs, constraints=[]), tmp_path, workers=1)
    (turned,) = found.sensitivity.values()
    rates = {row["value"]: row["measures"]["tokens_per_second"] for row in turned["device"]}
    alone = [small(base="tiny", knobs={"device": [board]}, constraints=[]) for board in rates]
    for space, (board, rate) in zip(alone, rates.items(), strict=True):
        (point,) = explore(space, tmp_path / board, workers=1).points
        assert rate == point.measures["tokens_per_second"]
    assert len(set(rates.values())) == 2


def test_the_terminal_tells_screened_values_and_the_engines(tmp_path):
    space = small(verify={"engine": 1}, knobs=small().knobs | {"lanes": [4]})
    found = explore(space, tmp_path, workers=1)
    lines = to_text(found).splitlines()
    head = next(at for at, line in enumerate(lines) if line.endswith("  knobs"))
    assert lines[head - 1] == (
        f"front for bundled: {len(found.points)} designs, in the order of tokens_per_second"
    )
    first, second = found.points[:2]
    rate = found.engine[first.id]["tokens_per_second"]
    assert lines[head].split() == [
        "tokens_per_second",
        "lut",
        "engine's",
        *lines[head].split()[-2:],
    ]
    told = [f"{first.measures[name]:,.3f}" for name in ("tokens_per_second", "lut")]
    assert lines[head + 1].split()[:3] == [*told, f"{rate:,.3f}"]
    assert lines[head + 2].split()[2].startswith("device=")
    assert second.id not in found.engine
    (best,) = [line for line in lines if line.startswith("best for bundled")]
    assert best.endswith("; of those within 1% of the best tokens_per_second the best lut")


def test_a_sample_tells_what_beats_a_point_of_another_piece(once):
    """Of a piece's front, most points are not on that of all."""
    plan, pieces = once[0].plan, []
    for start in range(0, plan.points, 64):
        numbers = np.arange(start, min(start + 64, plan.points))
        pieces.append((0, f"{start:06}", screen(plan, 0, numbers, 1, None)))
    judged = judge(plan, 0, np.arange(plan.points))
    left = np.flatnonzero(judged.codes == 0)
    kept = np.array(compared(costs(plan, judged.values[left])))
    judged.reject(left[~kept], BEATEN)
    found = gather(plan, pieces)
    told = {point.number: reason for point, reason in found.sample}
    assert told == {number: judged.reasons[judged.codes[number]] for number in told}
    assert {point.number for point in found.fronts["bundled"]} <= told.keys()
    assert sum(len(piece.front) for _, _, piece in pieces) > 2 * found.counts[ON_FRONT]


def searched(space, folder):
    """Of a search that comes by every point: the kind of each one's reason, and its violation."""
    plan = plan_of(space)
    (grid,), numbers = plan.grids, np.arange(plan.points)
    judged = judge(plan, 0, numbers)
    kinds = [judged.reasons[code].kind for code in judged.codes[grid.canonical(numbers)]]
    genomes = np.stack([np.zeros_like(numbers), *grid.places(numbers).values()], axis=1)
    with open_store(folder / "results.sqlite", plan.version) as store:
        search = search_module._Search(plan, store, {}, grid.network)
        _, violations = search._evaluate(0, genomes)
    return {
        kind: {each for each, of in zip(violations.tolist(), kinds, strict=True) if of == kind}
        for kind in kinds
    }


def test_a_search_ranks_points_by_what_is_wrong_with_them(tmp_path):
    """However far they are beyond the constraints: by 20,000 times and more."""
    changes = {"device": ["kv260"], "memory.prefetch": [16, 50_000]}
    found = searched(
        small(knobs=small().knobs | changes, constraints=["lut < 1", "ultra_ram <= 0"]), tmp_path
    )
    assert found.keys() == {"constraint", "board", "network", "port"}
    assert 0 < min(found["constraint"]) < max(found["constraint"]) < min(found["board"])
    assert max(found["board"]) < min(found["network"] | found["port"])


def test_a_search_knows_what_keeps_a_constraint(once, tmp_path):
    """A bound that must not be reached, and is, is missed."""
    most = max(point.measures["lut"] for point in once[0].points)
    found = searched(small(constraints=[f"lut < {most:.0f}"]), tmp_path)
    assert found["front"] == {0}
    assert 0 < min(found["constraint"]) < 1e-9
