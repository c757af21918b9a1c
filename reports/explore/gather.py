"""Gathering: the front, the counts and the sample of a whole space from those of its pieces."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.front import front
from models.design import Design
from models.errors import InputError
from reports.explore.grid import Grid
from reports.explore.plan import Plan
from reports.explore.screen import (
    BEATEN,
    KINDS,
    ON_FRONT,
    UNVISITED,
    Reason,
    Screened,
    Values,
    by_name,
    costs,
    no_blocks,
)

SAMPLE = 4000
"""Points to be shown beside the front, about."""


@dataclass(frozen=True)
class Point:
    """A point of a space, by its grid and number, and what is known of it by names of MEASURES."""

    grid: Grid
    number: int
    measures: dict[str, float]

    @property
    def id(self) -> str:
        return f"{self.grid.network}/{self.grid.first + self.number}"

    @property
    def design(self) -> Design:
        return self.grid.design(self.number)

    @property
    def knobs(self) -> dict[str, Any]:
        """Value of each knob, and the board."""
        return {"device": self.grid.base.device} | self.grid.values(self.number)


@dataclass(frozen=True)
class Found:
    """What became of a space: points of each network's front, best first; how many points there are
    for each reason; and some points with their reasons.
    """

    fronts: dict[str, list[Point]]
    counts: dict[Reason, int]
    sample: list[tuple[Point, Reason]]


@dataclass(frozen=True)
class _Rows:
    """Points as arrays: index of the grid, number, and a column of values for each of NAMES."""

    grids: np.ndarray
    numbers: np.ndarray
    values: Values

    @classmethod
    def of(cls, parts: list[tuple[int, np.ndarray, Values]]) -> "_Rows":
        grids = [np.full(len(numbers), at) for at, numbers, _ in parts]
        return cls(
            np.concatenate(grids),
            np.concatenate([numbers for _, numbers, _ in parts]),
            np.concatenate([values for _, _, values in parts]),
        )

    def points(self, plan: Plan, which: Iterable[int]) -> list[Point]:
        return [
            Point(
                plan.grids[self.grids[row]],
                int(self.numbers[row]),
                by_name(self.values[row]),
            )
            for row in which
        ]


def gather(plan: Plan, pieces: Iterable[tuple[int, str, Screened]]) -> Found:
    """What became of a plan's points, from what became of its pieces."""
    counts: Counter[Reason] = Counter()
    parts: dict[str, list[tuple[int, np.ndarray, Values]]] = {}
    sample, reasons = [], []
    for at, _, found in pieces:
        counts.update(dict(zip(found.reasons, found.counts, strict=True)))
        network = plan.grids[at].network
        parts.setdefault(network, []).append((at, found.front, found.front_values))
        sample.append((at, found.sample, found.sample_values))
        reasons += [found.reasons[code] for code in found.sample_codes]
    if (unvisited := plan.points - counts.total()) > 0:
        counts[UNVISITED] = unvisited
    fronts = {}
    for network, some in parts.items():
        rows = _Rows.of(some)
        fronts[network] = rows.points(plan, _merged(plan, rows, counts))
    kept = {point.id for points in fronts.values() for point in points}
    rows = _Rows.of(sample)
    every = -(-len(reasons) // SAMPLE) or 1
    shown = rows.points(plan, range(0, len(reasons), every))
    told = [
        (point, BEATEN if reason == ON_FRONT and point.id not in kept else reason)
        for point, reason in zip(shown, reasons[::every], strict=True)
    ]
    return Found(fronts, in_order(plan, counts), told)


def _merged(plan: Plan, rows: _Rows, counts: Counter[Reason]) -> np.ndarray:
    """Rows on the front of all, best first; the others are counted as what beats them."""
    of_objectives = costs(plan, rows.values)
    found = front(of_objectives)
    beaten = int((~found).sum())
    counts[BEATEN] += beaten
    counts[ON_FRONT] -= beaten
    kept = np.flatnonzero(found)
    return kept[np.lexsort(of_objectives[kept].T[::-1])]


def in_order(plan: Plan, counts: Counter[Reason]) -> dict[Reason, int]:
    """As points are judged, backwards: from the front to those that are no other design."""
    texts = [constraint.text for constraint in plan.constraints]

    def rank(reason: Reason) -> tuple[int, int, str]:
        at = -texts.index(reason.text) if reason.kind == "constraint" else 0
        return KINDS.index(reason.kind), at, reason.text

    return {reason: counts[reason] for reason in sorted(counts, key=rank) if counts[reason]}


def require_any(plan: Plan, found: Found) -> None:
    """Raises InputError when no point is left, with the rule that removes the last ones: of the
    reasons, the one that is looked at last.
    """
    if any(found.fronts.values()):
        return
    visited = {reason: points for reason, points in found.counts.items() if reason != UNVISITED}
    last, points = next(iter(visited.items()))
    raise InputError(
        f"space {plan.space.name}:",
        f"at least one of {plan.points:,} points must be left, not none: "
        f"{last.text!r} removes the last {points:,}",
        _way_out(plan, last),
    )


def _way_out(plan: Plan, last: Reason) -> str:
    """Of the reason that removes the last points: nobody can relax a board, a network or a port."""
    nearest = "`puffadder why` with this space tells which point comes nearest"
    if last.kind == "constraint":
        return f"relax it, or give the knobs other values; {nearest}"
    if last.kind != "board":
        return "give the knobs or the base other values"
    ways = "choose a larger board or smaller designs"
    placements = plan.knobs.get("state.placement", [plan.grids[0].base.state.placement])
    full = [no_blocks(grid.device) for grid in plan.grids if grid.device]
    if last in full and "memory" not in placements:
        ways += ", or give state.placement: [memory]"
    return f"{ways}; {nearest}"
