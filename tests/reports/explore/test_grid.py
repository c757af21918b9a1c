"""Grids: points have the designs that their numbers say, and points that are the same are known."""

import numpy as np
import pytest

from hwsim.closed_form import Designs, cycles_per_token
from hwsim.devices import memory_of
from models.errors import InputError
from models.precision import NAMED
from reports.explore.knobs import axes_of
from reports.explore.plan import plan_of
from tests.reports.explore.spaces import KNOBS, small

GRID = plan_of(small()).grids[0]


def test_points_are_the_designs_that_their_numbers_say():
    numbers = np.array([0, 7, 301, GRID.points - 1])
    numbers = numbers[GRID.port_rules(numbers)[0] == 0]
    table = GRID.designs(numbers).table
    for row, number in zip(table, numbers.tolist(), strict=True):
        alone = Designs.of([GRID.design(number)]).table[0]
        same = [name for name in table.dtype.names if name != "precision"]
        assert row[same] == alone[same]
    assert GRID.design(0).lanes == GRID.values(0)["lanes"] == 2
    assert GRID.values(GRID.points - 1) == {key: GRID.knobs[key][-1] for key in GRID.knobs}


def test_points_that_are_the_same_take_the_same_cycles():
    numbers = np.arange(GRID.points)
    numbers = numbers[GRID.port_rules(numbers)[0] == 0]
    canonical = GRID.canonical(numbers)
    assert (canonical <= numbers).all()
    assert (GRID.canonical(canonical) == canonical).all()
    assert 0.3 < np.mean(canonical != numbers) < 0.7
    cycles, same = (
        cycles_per_token(GRID.shape, GRID.designs(which)).total for which in (numbers, canonical)
    )
    np.testing.assert_array_equal(cycles, same)


def test_neighbours_differ_in_one_knob():
    for key, numbers in GRID.neighbours(500).items():
        values = [GRID.values(number) for number in numbers.tolist()]
        assert [each[key] for each in values] == GRID.knobs[key]
        others = [{name: each[name] for name in each if name != key} for each in values]
        assert all(each == others[0] for each in others)
        assert 500 in numbers


def test_ports_that_a_board_does_not_have_are_told():
    numbers = np.arange(GRID.points)
    broken, rules = GRID.port_rules(numbers)
    (rule,) = rules
    refused = np.flatnonzero(broken)
    assert 0 < len(refused) < GRID.points
    with pytest.raises(InputError, match=rule):
        memory_of(GRID.design(int(refused[0])))
    assert memory_of(GRID.design(int(np.flatnonzero(broken == 0)[0])))


def test_knobs_of_the_precision_are_one_axis():
    knobs = {"lanes": [4], "precision": ["w4a4", "w8a8"], "precision.scan_bits": [8, 6, 4]}
    axes = axes_of(knobs, NAMED["w4a8"])
    assert list(axes) == ["lanes", "precision"]
    assert [each["scan_bits"] for each in axes["precision"]] == [8, 6, 4, 8, 6, 4]
    assert [each["weight_bits"] for each in axes["precision"]] == [4, 4, 4, 8, 8, 8]
    alone = axes_of({"precision.scan_bits": [6]}, NAMED["w4a8"])["precision"]
    assert (alone[0]["weight_bits"], alone[0]["scan_bits"]) == (4, 6)


@pytest.mark.parametrize("order", [list(KNOBS), list(KNOBS)[::-1]])
def test_numbers_do_not_depend_on_the_order_of_a_file(order):
    grid = plan_of(small(knobs={"device": ["vck190"]} | {k: KNOBS[k] for k in order})).grids[0]
    assert grid.key == GRID.key
