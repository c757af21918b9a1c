"""Sensitivity: what becomes of a design when one knob is turned."""

from typing import Any

import numpy as np

from reports.explore.gather import Point
from reports.explore.plan import Plan
from reports.explore.screen import by_name, judge


def turn_knobs(plan: Plan, point: Point) -> dict[str, list[dict[str, Any]]]:
    """Of each knob, every value with the measures of `point` that has it, what speaks against it
    (a rule or a constraint, or None), and whether the point has it already.
    """
    at = plan.grids.index(point.grid)
    found = {
        key: [
            _at(plan, at, number) | {"value": value, "chosen": value == point.knobs[key]}
            for value, number in zip(plan.knobs[key], numbers.tolist(), strict=True)
        ]
        for key, numbers in point.grid.neighbours(point.number).items()
    }
    boards = [
        (each, grid) for each, grid in enumerate(plan.grids) if grid.network == point.grid.network
    ]
    if len(boards) < 2:
        return found
    others = [
        _at(plan, each, point.number) | {"value": grid.base.device, "chosen": each == at}
        for each, grid in boards
    ]
    return {"device": others} | found


def _at(plan: Plan, grid: int, number: int) -> dict[str, Any]:
    first = plan.grids[grid].canonical(np.array([number]))
    judged = judge(plan, grid, first)
    reason = judged.reasons[judged.codes[0]].text if judged.codes[0] else None
    return {"measures": by_name(judged.values[0]), "reason": reason}
