"""Explorations: what was found in a space, and which design of each front is the best."""

import shlex
from dataclasses import dataclass, field
from typing import Any

from hwsim.measures import MEASURES
from reports.explore.gather import Found, Point
from reports.explore.knobs import overrides
from reports.explore.plan import Plan
from reports.explore.screen import UNVISITED
from reports.explore.stages import Stage

ENGINE = {"tokens_per_second": "tokens_per_second", "cycles_per_token": "cycles"}
"""Measures that the engine finds, too, by its names."""
Engine = dict[str, dict[str, Any]]
"""What the engine says of the points that it looked at, by their names."""
SLIGHT = 0.01
"""Relative difference for which no other objective is given up."""


@dataclass(frozen=True)
class Exploration:
    """What was found in a space: fronts, reasons, and how the stages agree.

    engine       what the engine says of the points that it looked at, by their names
    sensitivity  of each winner, by knob: each value with its measures and what speaks against it
    run          how it went: seconds, and points of which something had to be computed
    """

    plan: Plan
    found: Found
    stages: tuple[Stage, ...] = ()
    engine: Engine = field(default_factory=dict)
    sensitivity: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)

    @property
    def points(self) -> list[Point]:
        """Of all fronts."""
        return [point for points in self.found.fronts.values() for point in points]

    @property
    def looked_at(self) -> int:
        """How many points were judged, which are all of a grid, but not of a search."""
        return self.plan.points - self.found.counts.get(UNVISITED, 0)

    @property
    def winners(self) -> dict[str, Point]:
        """The best point of each network that has one."""
        fronts = self.found.fronts.items()
        return {name: best(self.plan, points, self.engine) for name, points in fronts if points}

    @property
    def equal(self) -> bool:
        """Whether hardware that was simulated computed every code."""
        return all(stage.equal is not False for stage in self.stages)

    def best_first(self, count: int) -> list[Point]:
        """So many points of each front, its best one first."""
        found = []
        for network, winner in self.winners.items():
            others = [point for point in self.found.fronts[network] if point != winner]
            found += [winner, *others][:count]
        return found


def best(plan: Plan, points: list[Point], engine: Engine) -> Point:
    """Of the points that the engine looked at and that keep all constraints with what it says, the
    best by the first objective; of those that are as good but for SLIGHT, the best by the next, and
    so on. Where there is none, of the points that the engine did not look at; at last of all.
    """
    looked = [point for point in points if point.id in engine]
    kept = [point for point in looked if not broken(plan, point, engine)]
    left = kept or [point for point in points if point.id not in engine] or points
    for name in plan.objectives:
        values = [measured(point, name, engine) for point in left]
        most = max(values) if MEASURES[name].best == "largest" else min(values)
        near = [abs(value - most) <= SLIGHT * abs(most) for value in values]
        left = [point for point, close in zip(left, near, strict=True) if close]
    return left[0]


def broken(plan: Plan, point: Point, engine: Engine) -> list[str]:
    """Constraints that a point does not keep with what the engine says of it."""
    return [
        each.text
        for each in plan.constraints
        if not each.holds(measured(point, each.measure, engine))
    ]


def measured(point: Point, name: str, engine: Engine) -> float:
    """A measure of a point: as the engine says, where it says anything."""
    if name in ENGINE and point.id in engine:
        return float(engine[point.id][ENGINE[name]])
    return point.measures.get(name, float("nan"))


def command(plan: Plan, point: Point) -> str:
    """What tells more about a point."""
    words = [point.grid.network, plan.space.base, *overrides(plan.turned(point.knobs))]
    return f"{estimate_command(plan)} {shlex.join(words)}"


def estimate_command(plan: Plan) -> str:
    """How a command begins that tells more about any point: before its network."""
    factors = ["--calibration", plan.space.calibration] if plan.space.calibration else []
    return shlex.join(["puffadder", "estimate", *factors])
