"""Keys: what was stored is used again only where nothing that it depends on is another."""

import shutil
from dataclasses import replace

import pytest

from hwsim.devices import FOLDER
from models.checkpoints import bundled
from models.checkpoints.reader import read_checkpoint
from reports.explore import divergence, explore, identity, stages
from reports.explore.gather import Point
from reports.explore.plan import plan_of
from reports.explore.space import AccuracyOf
from reports.explore.store import open_store
from tests.reports.explore.spaces import small

PLAN = plan_of(small())


def board_file(tmp_path, **changes):
    text = (FOLDER / "kv260.yaml").read_text()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "board.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "other",
    [
        {"networks": ["mamba2-130m"]},
        {"base": "tiny"},
        {"knobs": small().knobs | {"device": ["u280"]}},
        {"knobs": small().knobs | {"lanes": [2, 4]}},
    ],
)
def test_what_is_computed_depends_on_network_base_board_and_knobs(other):
    plan = plan_of(small(**other))
    assert plan.grids[0].key != PLAN.grids[0].key
    assert plan.key != PLAN.key


@pytest.mark.parametrize(
    "other",
    [
        {"objectives": ["tokens_per_second"]},
        {"objectives": ["lut", "tokens_per_second"]},
        {"constraints": ["tokens_per_second >= 1001"]},
        {"search": {"method": "nsga2"}},
    ],
)
def test_what_becomes_of_a_point_depends_on_what_counts(other):
    plan = plan_of(small(**other))
    assert plan.grids[0].key == PLAN.grids[0].key
    assert plan.key != PLAN.key


def test_what_becomes_of_a_point_depends_on_divergences():
    found = replace(PLAN, divergences=((0.1, 0.2),))
    assert len({PLAN.key, found.key, replace(PLAN, divergences=((0.1, 0.3),)).key}) == 3


def test_a_board_file_that_is_changed_is_another_board(tmp_path):
    path = board_file(tmp_path)
    knobs = {"device": [str(path)], "lanes": [2, 4]}
    space = small(knobs=knobs, constraints=[])
    before = explore(space, tmp_path / "out", workers=1)
    board_file(tmp_path, sustained=("sustained: 0.85", "sustained: 0.085"))
    after = explore(space, tmp_path / "out", workers=1)
    assert after.run["computed"] == 2
    bandwidth, reduced = (found.points[0].measures["memory_bandwidth"] for found in (before, after))
    assert reduced == pytest.approx(bandwidth / 10, rel=1e-3)


def test_a_stage_looks_again_on_another_board(tmp_path):
    point, looked = Point(PLAN.grids[0], 0, {}), []

    def look(point, show):
        looked.append(point)
        return {}

    with open_store(tmp_path / "results.sqlite", "any") as store:
        device = PLAN.grids[0].device.model_copy(update={"lut": 7})
        other = replace(PLAN.grids[0], device=device)
        shape = replace(PLAN.grids[0], shape=replace(PLAN.grids[0].shape, layers=9))
        for grid in (PLAN.grids[0], PLAN.grids[0], other, shape):
            stages._once("any", replace(point, grid=grid), store, look, print)
    assert [each.grid for each in looked] == [PLAN.grids[0], other, shape]


def test_a_divergence_depends_on_the_network_and_on_how_it_is_measured(tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr(
        divergence, "divergence", lambda *given: measured.append(given) or len(measured)
    )
    how, grid = AccuracyOf(window=16, sequences=2), plan_of(small(base="tiny")).grids[0]
    grid = replace(grid, knobs={})
    parameters = read_checkpoint(bundled())
    same = replace(parameters)
    eps = replace(parameters, shape=replace(parameters.shape, norm_eps=1e-3))
    with open_store(tmp_path / "results.sqlite", "any") as store:
        for network, way in [
            (parameters, how),
            (same, how),
            (eps, how),
            (parameters, how.model_copy(update={"window": 32})),
            (parameters, how.model_copy(update={"sequences": 3})),
            (parameters, how.model_copy(update={"recipe": "smoothquant"})),
        ]:
            monkeypatch.setattr(divergence, "find_model", lambda name, network=network: network)
            divergence._of_grid(grid, way, store, lambda line: None)
        assert len(measured) == 5
        text = divergence.read_tokens
        monkeypatch.setattr(divergence, "read_tokens", lambda *given: text(*given)[::-1])
        divergence._of_grid(grid, how, store, lambda line: None)
    assert len(measured) == 6


@pytest.mark.parametrize(
    "path",
    ["models/arith.py", "models/quantization/recipes/rtn.yaml", "hwsim/devices/u280.yaml",
     "hwsim/logic/coefficients.json", "rtl/core.py", "codegen/verilog.py", "reports/logic.py",
     "reports/benches/replay.py", "reports/explore/screen.py"],
)  # fmt: skip
def test_the_version_depends_on_every_source(path, tmp_path, monkeypatch):
    for pattern in identity.SOURCES:
        for each in identity.ROOT.glob(pattern):
            there = tmp_path / each.relative_to(identity.ROOT)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(each, there)
    monkeypatch.setattr(identity, "ROOT", tmp_path)
    before = identity.version.__wrapped__()
    with (tmp_path / path).open("a") as file:
        file.write("\n")
    assert identity.version.__wrapped__() != before


def test_the_version_depends_on_libraries(monkeypatch):
    before = identity.version.__wrapped__()
    assert before == identity.version()
    monkeypatch.setattr(identity.metadata, "version", lambda name: "0")
    assert identity.version.__wrapped__() != before
