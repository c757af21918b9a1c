"""A scatter of designs over any two of their numbers, to which a script in the page gives life.

The script decides nothing: every place, tick and text that it shows is made here.
"""

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Literal

from reports.page.charts import keys
from reports.page.html import Html, tag
from reports.page.svg import WIDTH, figure, line, place, ticks

SCRIPT = Path(__file__).with_name("scatter.js")
HEIGHT = 470
LEFT, TOP, RIGHT, BOTTOM = 90, 26, WIDTH - 16, 412
FINE = 10_000
"""Places along an axis."""
WIDE = 10
"""Largest over least number from which an axis is logarithmic."""
FRONT = 0
"""The series of the designs that no other beats."""
LARGE, USUAL, SMALL = 8, 4.5, 3
"""Radii: of the best design, of those of the front, and of the others."""
BESIDE = 10
"""How far a name is from its design."""


@dataclass(frozen=True)
class Quantity:
    """A number of each design, None where it is not known, and whether more of it is better."""

    name: str
    unit: str
    best: Literal["largest", "smallest"] | None
    tag: str
    values: Sequence[float | None]

    @property
    def title(self) -> str:
        unit = "" if self.unit == self.name else f", {self.unit}"
        better = {"largest": "; more is better", "smallest": "; less is better", None: ""}
        return f"{self.name}{unit} ({self.tag}{better[self.best]})"

    @cached_property
    def known(self) -> list[float]:
        return [value for value in self.values if value is not None] or [0.0]

    @cached_property
    def logarithmic(self) -> bool:
        return min(self.known) > 0 and max(self.known) > WIDE * min(self.known)

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Of the axis, or their logarithms; beside the numbers there is room."""
        low, high = self._scaled(min(self.known)), self._scaled(max(self.known))
        room = 0.04 * ((high - low) or abs(high) or 1)
        crosses = not self.logarithmic and low >= 0 > low - room
        return 0.0 if crosses else low - room, high + room

    def at(self, value: float) -> int:
        """Place on the axis."""
        low, high = self.ends
        return round(FINE * (self._scaled(value) - low) / (high - low))

    @property
    def marks(self) -> list[tuple[int, str]]:
        """Places of round numbers."""
        low, high = self.ends
        marked = ticks(low, high, 7, 1e-12)
        if self.logarithmic:
            powers = range(math.floor(low), math.ceil(high) + 1)
            steps = (1, 2, 5) if high - low < 3 else (1,)
            marked = [by * 10.0**power for power in powers for by in steps]
        inside = [tick for tick in marked if low <= self._scaled(tick) <= high]
        return [(self.at(tick), readable(tick)) for tick in inside]

    def cost(self, number: int) -> float:
        """The less the better; an unknown number is the worst."""
        value = self.values[number]
        if value is None:
            return math.inf
        return -value if self.best == "largest" else value

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic and value > 0 else value


@dataclass(frozen=True)
class Series:
    """Designs that are drawn alike, and how many there are, with those that are not drawn."""

    name: str
    count: int
    style: str


@dataclass(frozen=True)
class Knob:
    """A choice of each design: `chosen` of `words`, which a command line has for it."""

    name: str
    words: Sequence[str]
    chosen: Sequence[int]


@dataclass(frozen=True)
class Scatter:
    """Designs: the numbers of each, its series and its knobs. Later designs are drawn over earlier.

    groups    of each design: those of different groups are not compared
    named     what the best of each group is named in the figure; empty where there is one group
    command   what a command line begins with; a word of each knob follows
    best      numbers of the designs that are marked
    """

    quantities: Sequence[Quantity]
    series: Sequence[Series]
    of: Sequence[int]
    groups: Sequence[int]
    knobs: Sequence[Knob]
    command: str
    best: Collection[int]
    named: Sequence[str] = ()

    @property
    def names(self) -> list[tuple[int, str]]:
        """Of the best designs, numbers and names."""
        return [(at, self.named[self.groups[at]]) for at in sorted(self.best)] if self.named else []

    def fronts(self, across: int, up: int) -> list[list[int]]:
        """Designs of each group's front that no other beats in two quantities, from the left."""
        x, y = self.quantities[across], self.quantities[up]
        if x.best is None or y.best is None:
            return []
        members: dict[int, list[tuple[float, float, int]]] = {}
        for at, (series, group) in enumerate(zip(self.of, self.groups, strict=True)):
            if series == FRONT:
                members.setdefault(group, []).append((x.cost(at), y.cost(at), at))
        kept = [_unbeaten(each) for each in members.values()]
        return [each[::-1] for each in kept] if x.best == "largest" else kept


def scatter(drawn: Scatter, across: int, up: int, named: bool = False) -> Html:
    """The figure, over two of the quantities; `named` says below it what the colours are."""
    x, y = drawn.quantities[across], drawn.quantities[up]
    circles = []
    for at, series in enumerate(drawn.of):
        size = LARGE if at in drawn.best else USUAL if series == FRONT else SMALL
        style = f"of {drawn.series[series].style}{' best' if at in drawn.best else ''}"
        circles.append(_circle(_point(x, y, at), size, style))
    parts = [
        tag("g", _ticks(x, y), class_="ticks"),
        tag("text", x.title, x=RIGHT, y=HEIGHT - 14, class_="axis across"),
        tag("text", y.title, x=LEFT - 70, y=14, class_="up"),
        tag("path", d=_steps(drawn, across, up), class_="curve series-0 border", stroke_width=1.5),
        tag("g", circles, class_="designs"),
        tag("g", [_name(_point(x, y, at), text) for at, text in drawn.names], class_="names"),
    ]
    height = float(HEIGHT)
    if named:
        colours = [(f"of {each.style}", f"{each.name}: {each.count:,}") for each in drawn.series]
        names, height = keys(colours, HEIGHT)
        parts += names
    return figure(parts, height, f"{x.name} and {y.name} of {len(circles):,} designs")


def for_script(drawn: Scatter) -> Html:
    """The designs over every quantity, as JSON within HTML."""
    quantities = range(len(drawn.quantities))
    told = {
        "box": [LEFT, TOP, RIGHT, BOTTOM, FINE, BESIDE],
        "quantities": [_axis(each) for each in drawn.quantities],
        "fronts": {f"{x},{y}": drawn.fronts(x, y) for x, y in permutations(quantities, 2)},
        "series": [each.name for each in drawn.series],
        "of": drawn.of,
        "knobs": [vars(each) for each in drawn.knobs],
        "command": drawn.command,
        "best": min(drawn.best, default=-1),
        "named": [at for at, _ in drawn.names],
    }
    text = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
    return tag("script", Html(text), type="application/json", id="designs")


def readable(value: float) -> str:
    """A number with the digits that tell.

    >>> [readable(each) for each in (107000.0, 7.2134, 0.00012345, 0)]
    ['107,000', '7.213', '0.0001234', '0']
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _axis(quantity: Quantity) -> dict[str, object]:
    return {
        "name": quantity.name,
        "unit": quantity.unit,
        "title": quantity.title,
        "best": quantity.best,
        "marks": quantity.marks,
        "at": [None if value is None else quantity.at(value) for value in quantity.values],
        "text": [None if value is None else readable(value) for value in quantity.values],
    }


def _point(x: Quantity, y: Quantity, number: int) -> tuple[float, float] | None:
    """Where a design is, if both of its numbers are known."""
    across, up = x.values[number], y.values[number]
    return None if across is None or up is None else (_across(x.at(across)), _up(y.at(up)))


def _across(at: int) -> float:
    return LEFT + (RIGHT - LEFT) * at / FINE


def _up(at: int) -> float:
    return BOTTOM - (BOTTOM - TOP) * at / FINE


def _ticks(x: Quantity, y: Quantity) -> list[Html]:
    parts = []
    for at, text in x.marks:
        parts.append(line(_across(at), TOP, _across(at), BOTTOM))
        parts.append(tag("text", text, x=_across(at), y=BOTTOM + 18, class_="tick"))
    for at, text in y.marks:
        parts.append(line(LEFT, _up(at), RIGHT, _up(at)))
        parts.append(tag("text", text, x=LEFT - 8, y=_up(at) + 4, class_="name"))
    return parts


def _circle(point: tuple[float, float] | None, radius: float, style: str) -> Html:
    x, y = point or (0, 0)
    hidden = None if point else "none"
    return tag("circle", cx=x, cy=y, r=radius, class_=style, display=hidden)


def _name(point: tuple[float, float] | None, text: str) -> Html:
    """Beside a design, on the side where there is room."""
    x, y = point or (0, 0)
    left = x > (LEFT + RIGHT) / 2
    return tag(
        "text", text, x=x - BESIDE if left else x + BESIDE, y=y - BESIDE,
        text_anchor="end" if left else "start", display=None if point else "none",
    )  # fmt: skip


def _unbeaten(costs: list[tuple[float, float, int]]) -> list[int]:
    """Numbers of the designs that none is as good as in both costs, the first cost rising."""
    kept, least = [], math.inf
    for _, cost, number in sorted(costs):
        if cost < least:
            kept.append(number)
            least = cost
    return kept


def _steps(drawn: Scatter, across: int, up: int) -> str:
    """The borders of what the fronts reach: from each design to the side of what is worse."""
    x, y = drawn.quantities[across], drawn.quantities[up]
    path = []
    for front in drawn.fronts(across, up):
        points = [point for at in front if (point := _point(x, y, at))]
        path += [f"M{place(*point)}" for point in points[:1]]
        for at_x, at_y in points[1:]:
            turns = [f"H{at_x:.1f}", f"V{at_y:.1f}"]
            path += turns if x.best == "smallest" else turns[::-1]
    return "".join(path)
