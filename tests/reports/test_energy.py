"""The energy of a design: what estimates and runs tell of it, and that they tell the same."""

from types import SimpleNamespace

import pytest

from codegen.designs import find_design
from hwsim.devices import find_device, memory_of
from models.networks.machine import machine_config
from reports.energy import basis, design_energy, energy_report
from reports.estimate import estimate_network
from reports.verdict import run_energy
from tests.networks.examples import PLAIN


def told(board, *overrides):
    machine = machine_config(PLAIN, find_design("tiny", overrides))
    device = find_device(board)
    energy = design_energy(machine, device, 20_000, 200e6, 30_000.0)
    return energy, energy_report(energy, device)


def test_the_parts_add_up():
    energy, report = told("u280")
    assert sum(report["parts"].values()) == pytest.approx(report["joules_per_token"])
    assert report["parts"].keys() == {"compute", "clock", "on_chip", "off_chip", "static"}
    assert report["watts"] == pytest.approx(energy.watts)
    assert report["low"] < report["joules_per_token"] < report["high"]
    assert report["parts"]["static"] == pytest.approx(3.5 * 20_000 / 200e6)


def test_fewer_bits_and_a_smaller_design_take_less():
    machine = machine_config(PLAIN, find_design("tiny"))
    wide = machine_config(PLAIN, find_design("tiny", ("precision=w8a8",)))
    small = machine_config(PLAIN, find_design("tiny", ("scan.states=4",)))
    device = find_device("u280")
    energy = design_energy(machine, device, 20_000, 200e6, 30_000.0)
    assert design_energy(wide, device, 20_000, 200e6, 30_000.0).compute > energy.compute
    assert design_energy(small, device, 20_000, 200e6, 30_000.0).clock < energy.clock


def test_what_is_not_known_and_what_was_fitted_is_told():
    energy, report = told("vck190")
    assert report["parts"]["static"] == 0
    assert "no static power, which is not known" in report["basis"]
    assert "lightmamba-vck190-w4a4" in basis(energy, find_device("u280"))


def test_an_estimate_has_it_where_a_board_is_named():
    assert "joules_per_token" not in estimate_network(PLAIN, find_design("tiny"), "plain").numbers
    estimate = estimate_network(PLAIN, find_design("tiny", ("device=u280",)), "plain")
    joules, watts = (estimate.numbers[name] for name in ("joules_per_token", "watts"))
    assert (joules.tag, joules.unit) == ("modelled", "J")
    seconds = 1 / estimate.numbers["tokens_per_second"].value
    assert watts.value == pytest.approx(joules.value / seconds)
    assert "J, as published designs left out of the fit err" in joules.basis
    assert "joules per token" in estimate.to_text()


def test_a_run_has_that_of_its_mean_token():
    design = find_design("tiny", ("device=u280",))
    job = SimpleNamespace(config=machine_config(PLAIN, design), memory=memory_of(design))
    cycles = estimate_network(PLAIN, design, "plain").numbers["cycles_per_token"].value
    report = run_energy(job, {"token_edges": [cycles - 10, 2 * cycles]})
    joules = estimate_network(PLAIN, design, "plain").numbers["joules_per_token"].value
    assert report["joules_per_token"] == pytest.approx(joules)
    assert run_energy(job, {"token_edges": []}) == {}
    job.config = machine_config(PLAIN, find_design("tiny"))
    assert run_energy(job, {"token_edges": [100]}) == {}
