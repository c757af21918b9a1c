"""Screening: a board has room for a design that takes exactly what is on it, and for no larger."""

from dataclasses import replace

import numpy as np
import pytest

from hwsim.measures import OF_BOARD
from reports.explore.plan import plan_of
from reports.explore.screen import NAMES, ON_FRONT, Reason, judge
from tests.reports.explore.spaces import small

PLAN = plan_of(small(knobs={"device": ["arty-a7-100t"]}, constraints=[]))
"""Of one point, on a board without UltraRAM."""
(GRID,) = PLAN.grids


def judged(**changes):
    """What becomes of the point on its board with changes."""
    plan = replace(PLAN, grids=(replace(GRID, device=GRID.device.model_copy(update=changes)),))
    return judge(plan, 0, np.arange(1))


def reason(**changes):
    found = judged(**changes)
    return found.reasons[found.codes[0]]


@pytest.fixture(scope="module")
def exact():
    """What is on a board that the design takes all of."""
    (values,) = judged().values
    taken = {name: int(values[NAMES.index(name)]) for name in OF_BOARD}
    assert taken.pop("ultra_ram") == 0
    assert min(taken.values()) > 0
    return taken | {"block_ram": blocks(taken["block_ram"])}


def blocks(count):
    return GRID.device.block_ram.model_copy(update={"count": count})


def test_a_board_that_has_exactly_what_a_design_takes(exact):
    assert reason(**exact) == ON_FRONT
    assert reason(**exact | {"ff": None}) == ON_FRONT, "what is not known speaks against nothing"


@pytest.mark.parametrize("name", ["lut", "ff", "dsp"])
def test_a_board_that_has_one_less(exact, name):
    less = exact[name] - 1
    text = f"{name} must be at most the {less} of arty-a7-100t"
    assert reason(**exact | {name: less}) == Reason("board", text)


def test_a_board_that_has_one_block_less(exact):
    less = {"block_ram": blocks(exact["block_ram"].count - 1)}
    text = "memories must have blocks of arty-a7-100t"
    assert reason(**exact | less) == Reason("board", text)
