"""Screening: what becomes of points, by the closed form and the models of resources."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.devices import Device
from hwsim.front import front
from hwsim.measures import COSTLY, LOGIC, MEASURES, Costly, costly, measures
from reports.explore.grid import Numbers
from reports.explore.plan import Plan

Values = NDArray[np.float64]
NAMES = tuple(MEASURES)


class Reason(NamedTuple):
    """Why a point is where it is: what kind of reason, and its text."""

    kind: str
    text: str


ON_FRONT = Reason("front", "on the front")
BEATEN = Reason("dominated", "another is as good in every objective")
SAME = Reason("same", "another point is the same design")
UNVISITED = Reason("unvisited", "the search did not come by")
KINDS = (
    "front", "dominated", "constraint", "board", "network", "port", "same", "unvisited",
)  # fmt: skip
"""Of reasons, from the best point's to the one that is not even another design."""


def no_blocks(device: Device) -> Reason:
    """That a board's blocks do not hold the memories."""
    return Reason("board", f"memories must have blocks of {device.name}")


@dataclass
class Judged:
    """Of points: `codes`, indices into `reasons`, 0 for those that nothing speaks against, and
    `values`, a column for each of NAMES, NaN where they are not known.
    """

    numbers: Numbers
    codes: NDArray[np.uint16]
    values: Values
    kept: Costly
    reasons: list[Reason] = field(default_factory=lambda: [ON_FRONT])

    @classmethod
    def of(cls, numbers: Numbers) -> "Judged":
        """Points of which nothing is known yet."""
        values = np.full((len(numbers), len(NAMES)), np.nan)
        codes = np.zeros(len(numbers), np.uint16)
        return cls(numbers, codes, values, Costly(np.empty(0, COSTLY), ()))

    def reject(self, which: NDArray[Any], reason: Reason) -> None:
        """Of the points at these indices, those that nothing spoke against before."""
        left = which[self.codes[which] == 0]
        if len(left):
            if reason not in self.reasons:
                self.reasons.append(reason)
            self.codes[left] = self.reasons.index(reason)


def judge(plan: Plan, at: int, numbers: Numbers, kept: Costly | None = None) -> Judged:
    """What the models say of points of the plan's grid `at`, without comparing them.

    `kept` is what was computed of them before, of those that are no other point and have a port.
    """
    grid, everything = plan.grids[at], np.arange(len(numbers))
    judged = Judged.of(numbers)
    judged.reject(everything[grid.canonical(numbers) != numbers], SAME)
    broken, rules = grid.port_rules(numbers)
    for rule, text in enumerate(rules, 1):
        judged.reject(everything[broken == rule], Reason("port", text))
    asked = everything[judged.codes == 0]
    designs = grid.designs(numbers[asked])
    judged.kept = kept or costly(grid.shape, grid.base, designs, grid.device)
    told = measures(grid.shape, designs, judged.kept, grid.device, plan.calibration)
    for name, column in told.items():
        judged.values[asked, NAMES.index(name)] = column
    if plan.divergences:
        found = _divergences(plan, at, numbers[asked])
        judged.values[asked, NAMES.index("divergence")] = found
    for fits, reason in _rules(grid.device, judged.kept, judged.values[asked]):
        judged.reject(asked[~fits], reason)
    for constraint in plan.constraints:
        holds = constraint.holds(judged.values[:, NAMES.index(constraint.measure)])
        judged.reject(everything[~holds], Reason("constraint", constraint.text))
    return judged


def _divergences(plan: Plan, at: int, numbers: Numbers) -> Values:
    places = plan.grids[at].places(numbers)
    return np.array(plan.divergences[at])[places.get("precision", np.zeros_like(numbers))]


def _rules(
    device: Device | None, kept: Costly, values: Values
) -> Iterator[tuple[NDArray[np.bool_], Reason]]:
    """Whether each design keeps the rules of the network, and then those of the board."""
    table = kept.table
    for rule, text in enumerate(kept.rules, 1):
        yield table["rule"] != rule, Reason("network", text)
    if device is None:
        return
    yield table["placed"], no_blocks(device)
    for name in LOGIC:
        available = getattr(device, name)
        if available is not None:
            text = f"{name} must be at most the {available} of {device.name}"
            yield values[:, NAMES.index(name)] <= available, Reason("board", text)


def costs(plan: Plan, values: Values) -> Values:
    """Of each point, what should be small: a column for each objective."""
    columns = [
        -values[:, NAMES.index(name)] if MEASURES[name].best == "largest"
        else values[:, NAMES.index(name)]
        for name in plan.objectives
    ]  # fmt: skip
    return np.stack(columns, axis=1)


def by_name(values: Values) -> dict[str, float]:
    """Of a point's values (NAMES,), those that are known."""
    found = zip(NAMES, values.tolist(), strict=True)
    return {name: value for name, value in found if value == value}


class Screened(NamedTuple):
    """What is kept of a piece of a grid: points of its own front with their values, a sample of all
    that have values, and in compressed form the codes of all and what was computed.
    """

    reasons: list[Reason]
    codes: bytes
    front: Numbers
    front_values: Values
    sample: Numbers
    sample_codes: NDArray[np.uint16]
    sample_values: Values
    counts: list[int]
    kept: bytes
    rules: tuple[str, ...]


def screen(plan: Plan, at: int, numbers: Numbers, share: int, kept: Costly | None) -> Screened:
    """Judge points of grid `at`, and compare those that remain with each other.

    One of about `share` points is in the sample, always the same ones.
    """
    judged = judge(plan, at, numbers, kept)
    left = np.flatnonzero(judged.codes == 0)
    found = front(costs(plan, judged.values[left]))
    judged.reject(left[~found], BEATEN)
    on_front = np.flatnonzero(judged.codes == 0)
    known = ~np.isnan(judged.values[:, NAMES.index("cycles_per_token")])
    sample = np.flatnonzero(known & (_scattered(numbers, share) == 0))
    return Screened(
        judged.reasons,
        zlib.compress(judged.codes.tobytes(), 1),
        numbers[on_front],
        judged.values[on_front],
        numbers[sample],
        judged.codes[sample],
        judged.values[sample],
        np.bincount(judged.codes, minlength=len(judged.reasons)).tolist(),
        b"" if kept else zlib.compress(judged.kept.table.tobytes(), 1),
        judged.kept.rules,
    )


def _scattered(numbers: Numbers, share: int) -> NDArray[np.uint64]:
    """Numbers below `share` that have nothing to do with the knobs: Fibonacci hashing (Knuth)."""
    return (
        numbers.astype(np.uint64) * np.uint64(11400714819323198485) >> np.uint64(32)
    ) % np.uint64(share)
