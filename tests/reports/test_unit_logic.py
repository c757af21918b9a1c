"""What is told of the units' logic: the largest first, the others together, the board behind."""

from dataclasses import asdict

import pytest

from codegen.designs import find_design
from hwsim.devices import find_device
from hwsim.logic import basis, logic, total
from hwsim.logic.calibration import Calibration
from models.networks.machine import machine_config
from reports.unit_logic import unit_logic
from tests.networks.examples import PLAIN

MACHINE = machine_config(PLAIN, find_design("tiny"))


@pytest.mark.parametrize("board", ["ulx3s-85f", "arty-a7-100t", "vck190"])
def test_a_board_of_each_family(board):
    device = find_device(board)
    told = unit_logic(MACHINE, device)
    assert told.units == logic(MACHINE, device.family)
    assert told.basis == basis(device.family)
    lines = told.lines(most=3)
    counts = [int(line.split()[-3].replace(",", "")) for line in lines[1:6]]
    assert counts[:3] == sorted((each.lut for each in told.units.values()), reverse=True)[:3]
    assert sum(counts[:4]) == counts[4] == told.told["total"]["lut"]
    assert lines[6].split()[:3] == ["of", "board", board]
    assert f"{device.lut:,}" in lines[6]
    assert lines[-1] == told.basis


def test_without_a_board_it_is_ultrascale():
    told = unit_logic(MACHINE, None)
    assert told.units == logic(MACHINE, "ultrascale_plus")
    assert told.told["units"]["scan"] == asdict(told.units["scan"])
    assert "of board" not in "\n".join(told.lines())


def test_factors_are_told():
    told = unit_logic(MACHINE, None, Calibration(source="a report", lut=2))
    assert told.basis.endswith("; times the factors of a report")
    assert total(told.units).lut == 2 * total(unit_logic(MACHINE, None).units).lut
