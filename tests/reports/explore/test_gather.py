"""Gathering: where no point is left, what removes the last ones is told with a way out of it."""

import pytest

from hwsim.devices import FOLDER
from models.errors import InputError
from reports.explore import explore
from reports.explore.gather import Found, require_any
from reports.explore.plan import plan_of
from reports.explore.screen import SAME, Reason
from tests.reports.explore.spaces import small

NEAREST = "`puffadder why` with this space tells which point comes nearest"


@pytest.mark.parametrize(
    ("reason", "way_out"),
    [
        (Reason("constraint", "lut < 1"),
         f"relax it, or give the knobs other values; {NEAREST}"),
        (Reason("board", "lut must be at most the 9 of vck190"),
         f"choose a larger board or smaller designs; {NEAREST}"),
        (Reason("board", "memories must have blocks of vck190"),
         f"choose a larger board or smaller designs; {NEAREST}"),
        (Reason("network", "lanes must divide d_model = 8"),
         "give the knobs or the base other values"),
        (Reason("port", "memory.ports must be at most 4"),
         "give the knobs or the base other values"),
    ],
)  # fmt: skip
def test_the_way_out_is_that_of_what_removes_the_last_points(reason, way_out):
    plan = plan_of(small())
    found = Found({"bundled": []}, {reason: 2, SAME: 7}, [])
    with pytest.raises(InputError) as error:
        require_any(plan, found)
    rule = f"at least one of {plan.points:,} points must be left, not none"
    assert str(error.value) == (
        f"space small: {rule}: {reason.text!r} removes the last 2; {way_out}"
    )


def test_a_state_that_has_no_place_on_a_board_may_go_to_memory(tmp_path):
    board = tmp_path / "board.yaml"
    text = (FOLDER / "zcu104.yaml").read_text()
    board.write_text(text.replace("count: 624", "count: 1").replace("count: 96", "count: 0"))
    few = {"device": [str(board)], "lanes": [2, 4]}
    with pytest.raises(InputError) as error:
        explore(small(knobs=few, constraints=[]), tmp_path / "out", workers=1)
    assert str(error.value) == (
        "space small: at least one of 2 points must be left, not none: 'memories must have blocks "
        "of board' removes the last 2; choose a larger board or smaller designs, or give "
        f"state.placement: [memory]; {NEAREST}"
    )
