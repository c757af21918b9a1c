"""Why: what becomes of the designs of a space that have some values, and how near they come."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from codegen.files import finite
from models.documents import parse
from models.errors import InputError, meant
from reports.explore.exploration import command
from reports.explore.gather import Found, Point, in_order
from reports.explore.grid import Grid, Numbers
from reports.explore.knobs import overrides, text_of
from reports.explore.outputs import reason_lines, rows
from reports.explore.plan import Plan, plan_of
from reports.explore.screen import (
    BEATEN,
    KINDS,
    NAMES,
    UNVISITED,
    Judged,
    Reason,
    Values,
    by_name,
    costs,
    judge,
)
from reports.explore.screening import PIECE
from reports.explore.space import Space, find_space
from reports.explore.store import open_store
from reports.explore.visit import visit
from reports.inputs import Show, unheard

MOST = 10**7
"""Points that are looked at: some seconds."""


@dataclass(frozen=True)
class Nearest:
    """Of a network's designs that were asked for, the one that comes nearest to the front.

    reason     what speaks against it first, or that it is on the front
    broken     the constraints that it does not keep, each with its own value
    beaten_by  the first point of the front that is as good in every objective, where one is
    """

    point: Point
    reason: Reason
    broken: tuple[str, ...]
    beaten_by: Point | None


@dataclass(frozen=True)
class Answer:
    """What became of the points of a space that have some values: how many for each reason, and of
    each network the nearest.
    """

    plan: Plan
    values: dict[str, Any]
    counts: dict[Reason, int]
    nearest: dict[str, Nearest]

    @property
    def points(self) -> int:
        return sum(self.counts.values())

    def to_text(self) -> str:
        values = " ".join(overrides(self.values)) or "any values"
        lines = [f"space {self.plan.space.name}: points with {values}: {self.points:,} (modelled)"]
        lines += reason_lines(self.counts)
        for network, near in self.nearest.items():
            lines += ["", f"nearest for {network}: {near.reason.kind}, {near.reason.text}"]
            lines += rows(self.plan, [near.point], {})
            lines += [f"it does not keep {text}" for text in near.broken]
            lines.append(command(self.plan, near.point))
            if near.beaten_by:
                lines += ["beaten by", *rows(self.plan, [near.beaten_by], {})]
                lines.append(command(self.plan, near.beaten_by))
        return "\n".join(lines)

    def to_json(self) -> str:
        told = {
            "space": self.plan.space.name,
            "values": self.values,
            "points": self.points,
            "reasons": [
                {"kind": reason.kind, "text": reason.text, "points": points}
                for reason, points in self.counts.items()
            ],
            "nearest": {
                network: {
                    **self._told(near.point),
                    "reason": near.reason._asdict(),
                    "broken": near.broken,
                    "beaten_by": near.beaten_by and self._told(near.beaten_by),
                }
                for network, near in self.nearest.items()
            },
        }
        return json.dumps(finite(told), indent=1)

    def _told(self, point: Point) -> dict[str, Any]:
        return {
            "point": point.id,
            "knobs": self.plan.turned(point.knobs),
            "measures": point.measures,
            "command": command(self.plan, point),
        }


def why(
    space: str | Space,
    values: Iterable[str],
    out: Path,
    *,
    workers: int | None = None,
    show: Show = unheard,
) -> Answer:
    """What becomes of the designs of `space` that have all of these `values`, "lanes=4".

    The front that they are compared with comes from `out/results.sqlite`, and is computed first
    where it is not there: `workers` and the rest are as for `reports.explore.explore`.

    Raises InputError as that does, for values that the space does not have, and when more than MOST
    points have these.
    """
    plan = plan_of(find_space(space) if isinstance(space, str) else space)
    chosen = _chosen(plan, values)
    asked = {
        at: _places(grid, chosen)
        for at, grid in enumerate(plan.grids)
        if chosen.get("device", grid.base.device) == grid.base.device
    }
    points = sum(prod(map(len, places)) for places in asked.values())
    if points > MOST:
        rule = f"must be at most {MOST:,} with these values, not {points:,}"
        raise InputError(f"space {plan.space.name}: points", rule, "give more knobs a value")
    out.mkdir(parents=True, exist_ok=True)
    with open_store(out / "results.sqlite", plan.version) as store:
        plan, found, _ = visit(plan, store, workers, None, show)
    return _answer(plan, chosen, asked, found)


def _answer(
    plan: Plan, chosen: dict[str, Any], asked: dict[int, list[Numbers]], found: Found
) -> Answer:
    """Of the points at the places that are `asked` for in each grid."""
    counts: Counter[Reason] = Counter()
    nearest: dict[str, tuple[tuple[float, ...], Point, Reason]] = {}
    for at, places in asked.items():
        network = plan.grids[at].network
        for numbers in _asked(plan.grids[at], places):
            judged = _judged(plan, at, numbers, found)
            sizes = np.bincount(judged.codes, minlength=len(judged.reasons)).tolist()
            counts.update(dict(zip(judged.reasons, sizes, strict=True)))
            best = _nearest(plan, at, judged)
            if network not in nearest or best[0] < nearest[network][0]:
                nearest[network] = best
    told = {name: _explained(plan, *best[1:], found) for name, best in nearest.items()}
    return Answer(plan, chosen, in_order(plan, counts), told)


def _chosen(plan: Plan, values: Iterable[str]) -> dict[str, Any]:
    """Values of the space's knobs, from `key=value`."""
    chosen, place = dict[str, Any](), f"space {plan.space.name}: knob"
    for text in values:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"value {text!r}", "must look like key=value", "e.g. lanes=4")
        if key not in plan.varied:
            known = list(plan.varied)
            rule = f"must be one of {', '.join(known)}"
            raise InputError(f"{place} {key!r}", rule, meant(key, known, "ask for one of them"))
        there, told = plan.varied[key], parse(value, f"value {text!r}")
        same = [each for each in there if told == each or value == text_of(each)]
        if not same:
            rule = f"must be one of {', '.join(map(text_of, there))}, not {value}"
            raise InputError(f"{place} {key}", rule, "ask for one of them, or add it to the space")
        chosen[key] = same[0]
    return chosen


def _places(grid: Grid, chosen: dict[str, Any]) -> list[Numbers]:
    """Of each knob, the indices of values that are asked for."""
    return [
        np.array([values.index(chosen[key])]) if key in chosen else np.arange(len(values))
        for key, values in grid.knobs.items()
    ]


def _asked(grid: Grid, places: list[Numbers]) -> Iterator[Numbers]:
    """The points at these places, some at a time.

    Of several that are the same design, one stands for it: as the first point that is, which may
    have other values than those that were asked for.
    """
    sizes, asked = ([len(each) for each in all] for all in (grid.knobs.values(), places))
    for start in range(0, prod(asked), PIECE):
        flat = np.arange(start, min(start + PIECE, prod(asked)))
        index = [p[i] for p, i in zip(places, _unravelled(flat, asked), strict=True)]
        numbers = np.ravel_multi_index(index, sizes) if sizes else flat
        first = grid.canonical(numbers)
        free = zip(asked, sizes, index, _unravelled(first, sizes), strict=True)
        stands = [own == other for few, all, own, other in free if few == all]
        yield np.where(np.all(stands, axis=0), first, numbers)


def _unravelled(numbers: Numbers, sizes: list[int]) -> tuple[Numbers, ...]:
    return np.unravel_index(numbers, sizes) if sizes else ()


def _judged(plan: Plan, at: int, numbers: Numbers, found: Found) -> Judged:
    """Points of a grid, compared with the front that was found."""
    grid, judged = plan.grids[at], judge(plan, at, numbers)
    front = found.fronts[grid.network]
    on_front = np.isin(numbers, [point.number for point in front if point.grid is grid])
    left = np.flatnonzero((judged.codes == 0) & ~on_front)
    of_left, beaten = costs(plan, judged.values[left]), np.zeros(len(left), bool)
    for point in front:
        beaten |= (_costs(plan, point) <= of_left).all(axis=1)
    judged.reject(left[beaten], BEATEN)
    judged.reject(left[~beaten], UNVISITED)
    return judged


def _nearest(plan: Plan, at: int, judged: Judged) -> tuple[tuple[float, ...], Point, Reason]:
    """The first by the kind of reason and then the objectives, with these."""
    kinds = np.array([KINDS.index(reason.kind) for reason in judged.reasons])[judged.codes]
    ranks: Values = np.column_stack([kinds, np.nan_to_num(costs(plan, judged.values), nan=np.inf)])
    row = int(np.lexsort(ranks.T[::-1])[0])
    point = Point(plan.grids[at], int(judged.numbers[row]), by_name(judged.values[row]))
    return tuple(ranks[row].tolist()), point, judged.reasons[judged.codes[row]]


def _explained(plan: Plan, point: Point, reason: Reason, found: Found) -> Nearest:
    broken = tuple(
        f"{each.text}: {point.measures[each.measure]:,.6g}"
        for each in plan.constraints
        if each.measure in point.measures and not each.holds(point.measures[each.measure])
    )
    own = _costs(plan, point)
    better = (p for p in found.fronts[point.grid.network] if (_costs(plan, p) <= own).all())
    return Nearest(point, reason, broken, next(better, None) if reason == BEATEN else None)


def _costs(plan: Plan, point: Point) -> Values:
    """What should be small: one number for each objective."""
    return costs(plan, np.array([[point.measures.get(name, np.nan) for name in NAMES]]))[0]
