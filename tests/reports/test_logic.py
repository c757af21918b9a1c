"""Samples: drawn alike, kept as they come, measured by Yosys; the fit is what the samples give."""

import json

import numpy as np
import pytest

from codegen.designs import find_design
from hwsim.logic import COEFFICIENTS
from hwsim.logic.features import FF_FEATURES, LUT_FEATURES
from models.networks.machine import machine_config
from reports import logic, logic_fit
from reports.logic import SAMPLES, TURNS, Sample, draw, measure, read_samples, sample
from reports.logic_fit import Row, digest, errors, fit, left_out, rows
from reports.synthesis import Used
from tests.networks.examples import PLAIN

FAMILIES = json.loads(COEFFICIENTS.read_text())["families"]


def test_samples_are_drawn_alike():
    kept = {each.name: each for each in read_samples()}
    for index in range(2 * len(TURNS)):
        shape, design = draw(0, index)
        assert (shape, design) == draw(0, index)
        if found := kept.get(design.name):
            assert (found.shape, found.design) == (shape, design)


def test_what_is_there_is_not_measured_again(tmp_path, monkeypatch):
    asked = []

    def told(machine, family, only):
        asked.append(only)
        return {only[0]: Used(1, 2, 3, 4, 5)}

    monkeypatch.setattr(logic, "measure", told)
    path = tmp_path / "samples.jsonl"
    sample("ecp5", range(2), path)
    sample("ecp5", range(3), path)
    assert asked == list(TURNS[:3])
    found = read_samples(path)
    assert [each.name for each in found] == ["0-0", "0-1", "0-2"]
    assert [Sample.from_json(each.to_json()) for each in found] == found
    assert found[0].units == {"scan": Used(1, 2, 3, 4, 5)}


def test_what_yosys_fails_at_is_left_out(tmp_path, monkeypatch):
    def told(machine, family, only):
        if only == TURNS[0]:
            raise RuntimeError("Yosys cannot synthesize some: log\nERROR: Assert failed")
        return {}

    monkeypatch.setattr(logic, "measure", told)
    shown, path = [], tmp_path / "samples.jsonl"
    sample("ecp5", range(2), path, shown.append)
    assert [each.name for each in read_samples(path)] == ["0-1"]
    assert "0-0 for ecp5 is left out: ERROR: Assert failed" in shown


@pytest.mark.verilog
def test_units_are_measured_on_their_own():
    machine = machine_config(PLAIN, find_design("tiny"))
    lanes, width = machine.units.lanes, machine.units.residual.stream.width
    found = measure(machine, "ultrascale_plus", ("residual", "fork"))
    assert found.keys() == {"residual", "fork"}
    # Two rows of registers, and a valid bit for each.
    assert found["residual"].ff == lanes * (width + 1) + lanes * width + 2
    assert found["fork"].ff == 2
    assert 0 < found["fork"].lut < found["residual"].lut


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rules_are_exact_on_every_sample(family):
    known = list(rows(each for each in read_samples() if each.family == family))
    assert known
    for row in known:
        assert row.exact.dsp == row.used.dsp, (row.sample, row.unit)
        assert row.exact.block_ram == row.used.block_ram, (row.sample, row.unit)


def test_a_wrong_rule_is_seen(monkeypatch):
    wider = logic_fit.MAPPINGS["ultrascale_plus"]
    monkeypatch.setitem(
        logic_fit.MAPPINGS, "ultrascale_plus", type(wider)(**vars(wider) | {"least_product": 17})
    )
    known = rows(each for each in read_samples() if each.family == "ultrascale_plus")
    assert [row.unit for row in known if row.exact.dsp != row.used.dsp]


def test_left_out_units_are_within_the_bars():
    told = FAMILIES["ultrascale_plus"]["errors"]["lut"]
    assert told["units"] >= 60
    assert told["median"] <= 0.10
    assert told["p90"] <= 0.25


def test_the_coefficients_are_those_of_the_samples():
    """`make logic` writes them anew."""
    assert json.loads(COEFFICIENTS.read_text())["samples"] == digest(SAMPLES)
    known = list(rows(each for each in read_samples() if each.family == "ultrascale_plus"))
    for of in ("lut", "ff"):
        for kind, found in fit(known, of).items():
            assert FAMILIES["ultrascale_plus"][of][kind] == pytest.approx(found, rel=1e-3, abs=1e-6)


def test_a_fit_finds_what_its_units_were_made_from():
    """Of units that take exactly 2 LUTs for a bit of an adder and 1 for a bit of a shifter."""
    chance, known = np.random.default_rng(0), []
    for at in range(20):
        of = np.zeros(len(LUT_FEATURES))
        of[1:3] = chance.integers(100, 1000, 2)
        taken = Used(int(2 * of[1] + of[2]), 0, 0, 0, 0)
        of_ff, kind = of[: len(FF_FEATURES)], f"kind{at % 2}"
        known.append(Row(f"{at}", "unit", kind, of, of_ff, taken, taken))
    told = errors(left_out(known, "lut"), "lut")
    assert told["units"] == 20
    assert told["largest"] < 0.001
    found = fit(known, "lut")["kind1"]
    assert found[1:3] == pytest.approx([2, 1], rel=1e-3)
    assert not found[3:].any()
