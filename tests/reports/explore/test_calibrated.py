"""Calibrated spaces: LUTs, flip-flops and DSPs are those that `puffadder estimate` tells then."""

import json
import shlex

import pytest
from typer.testing import CliRunner

from models.errors import InputError
from puffadder import app
from reports.explore import explore
from reports.explore.plan import plan_of
from tests.reports.explore.spaces import small

FACTORS = {"source": "utilization.rpt", "family": "versal", "lut": 1.5, "ff": 0.5, "dsp": 2.0}
FEW = {"device": ["vck190"], "lanes": [2, 4], "matvec.rows": [4]}


@pytest.fixture
def factors(tmp_path):
    path = tmp_path / "my factors.yaml"
    path.write_text(json.dumps(FACTORS))
    return str(path)


def test_measures_are_those_of_an_estimate_with_these_factors(factors, tmp_path):
    space = small(knobs=FEW, constraints=[], calibration=factors)
    found = explore(space, tmp_path / "out", workers=1)
    plain = explore(small(knobs=FEW, constraints=[]), tmp_path / "plain", workers=1)
    (point,) = found.winners.values()
    told = json.loads((tmp_path / "out" / "explore.json").read_text())
    (winner,) = told["winners"]
    words = shlex.split(winner["command"])
    assert words[:4] == ["puffadder", "estimate", "--calibration", factors]
    estimated = json.loads(CliRunner().invoke(app, [*words[1:], "--json", "--quiet"]).stdout)
    total = estimated["logic"]["total"]
    assert {name: point.measures[name] for name in total} == total
    units = winner["resources"]["units"]
    assert units == estimated["logic"]["units"]
    assert told["measures"]["lut"]["basis"].endswith(", times the factors of utilization.rpt")
    (other,) = plain.winners.values()
    assert point.measures["lut"] == round(1.5 * other.measures["lut"])


def test_constraints_and_boards_are_kept_with_these_factors(factors, tmp_path):
    few = FEW | {"lanes": [4]}
    lut = explore(small(knobs=few), tmp_path / "plain", workers=1).points[0].measures["lut"]
    limited = small(knobs=few, constraints=[f"lut <= {lut}"])
    assert explore(limited, tmp_path / "plain", workers=1).points
    with pytest.raises(InputError, match=f"'lut <= {lut}' removes the last 1"):
        explore(limited.model_copy(update={"calibration": factors}), tmp_path / "out", workers=1)
    huge = tmp_path / "huge.yaml"
    huge.write_text(json.dumps(FACTORS | {"lut": 1000.0}))
    with pytest.raises(InputError, match="'lut must be at most the 899840 of vck190' removes"):
        explore(small(knobs=few, calibration=str(huge)), tmp_path / "out", workers=1)


def test_what_becomes_of_a_point_depends_on_the_factors(factors, tmp_path):
    plain, calibrated = plan_of(small()), plan_of(small(calibration=factors))
    (tmp_path / "my factors.yaml").write_text(json.dumps(FACTORS | {"lut": 1.6}))
    other = plan_of(small(calibration=factors))
    assert len({plain.key, calibrated.key, other.key}) == 3
    assert plain.grids[0].key == other.grids[0].key


def test_factors_of_another_family_are_refused(factors):
    with pytest.raises(InputError, match=r"family must be ultrascale_plus as the board's, not ver"):
        plan_of(small(calibration=factors, knobs=FEW | {"device": ["vck190", "u280"]}))
