"""Rooflines: multiply-adds/s over multiply-adds for each byte, below what memory and units allow.

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model" (2009).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.page.html import Html, tag
from reports.page.svg import WIDTH, figure, line, place

HEIGHT = 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 190, 16, 372
_TEXT = (75, 14)
"""Width and height that a name takes."""
_UNITS = ("", "K", "M", "G", "T", "P")


@dataclass(frozen=True)
class Roof:
    """What a machine does at most."""

    name: str
    bytes_per_second: float
    multiply_adds_per_second: float
    series: str

    def at(self, intensity: float) -> float:
        """Multiply-adds/s with so many of them for each byte."""
        return min(self.multiply_adds_per_second, self.bytes_per_second * intensity)


@dataclass(frozen=True)
class Point:
    """What was reached: a name, multiply-adds for each byte, and multiply-adds/s."""

    name: str
    intensity: float
    rate: float
    series: str


def roofline(roofs: Sequence[Roof], points: Sequence[Point]) -> Html:
    """Both axes are logarithmic, and cover all points and every roof's corner."""
    corners = [roof.multiply_adds_per_second / roof.bytes_per_second for roof in roofs]
    low = math.floor(math.log10(min([*corners, *(p.intensity for p in points)]) / 2))
    high = math.ceil(math.log10(max([*corners, *(p.intensity for p in points)]) * 2))
    rates = [*(p.rate for p in points), *(roof.multiply_adds_per_second for roof in roofs)]
    least, most = math.floor(math.log10(min(rates) / 2)), math.ceil(math.log10(max(rates) * 1.5))

    def x(intensity: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (math.log10(intensity) - low) / (high - low)

    def y(rate: float) -> float:
        share = (math.log10(rate) - least) / (most - least)
        return _BOTTOM - (_BOTTOM - _TOP) * max(share, 0.0)

    parts = []
    for power in range(low, high + 1):
        parts.append(line(x(10.0**power), _TOP, x(10.0**power), _BOTTOM))
        parts.append(tag("text", f"{10.0**power:g}", x=x(10.0**power), y=_BOTTOM + 16,
                         class_="tick"))  # fmt: skip
    for power in range(least, most + 1):
        parts.append(line(_LEFT, y(10.0**power), WIDTH - _RIGHT, y(10.0**power)))
        parts.append(tag("text", _short(power), x=_LEFT - 8, y=y(10.0**power) + 4, class_="name"))
    name = "multiply-adds for each byte moved"
    parts.append(tag("text", name, x=WIDTH - _RIGHT, y=_BOTTOM + 36, class_="axis"))
    parts.append(tag("text", "multiply-adds/s", x=_LEFT + 6, y=_TOP + 12))
    for roof, corner in zip(roofs, corners, strict=True):
        ends = [max(10.0**low, 10.0**least / roof.bytes_per_second), corner, 10.0**high]
        bent = "L".join(place(x(each), y(roof.at(each))) for each in ends)
        parts.append(tag("path", d=f"M{bent}", class_=f"curve {roof.series}", stroke_width=2))
    heights = spread([y(roof.multiply_adds_per_second) + 4 for roof in roofs], _TEXT[1])
    for roof, height in zip(roofs, heights, strict=True):
        parts.append(tag("text", roof.name, x=WIDTH - _RIGHT + 8, y=height))
    names = labels([(x(point.intensity) + 8, y(point.rate) + 4) for point in points])
    for point, (left, height) in zip(points, names, strict=True):
        told = f"{point.name}: {point.rate / 1e9:.3g} G multiply-adds/s at {point.intensity:.3g}"
        parts.append(tag("g", tag("title", told),
                         tag("circle", cx=x(point.intensity), cy=y(point.rate), r=5,
                             class_=f"of {point.series}"),
                         tag("text", point.name, x=left, y=height)))  # fmt: skip
    return figure(parts, HEIGHT, "Roofline")


def labels(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Places of texts, each moved down until it covers none before it.

    >>> labels([(10, 50), (20, 55), (400, 52)])
    [(10, 50), (20, 69), (400, 52)]
    """
    put: list[tuple[float, float]] = []
    for left, height in places:
        while any(abs(left - x) < _TEXT[0] and abs(height - y) < _TEXT[1] for x, y in put):
            height += _TEXT[1]
        put.append((left, height))
    return put


def spread(heights: Sequence[float], least: float) -> list[float]:
    """Heights of texts, moved down so that no two are closer than `least`.

    >>> spread([10, 40, 12], 15)
    [10, 40, 25]
    """
    order = sorted(range(len(heights)), key=lambda at: heights[at])
    moved, below = list(heights), -math.inf
    for at in order:
        moved[at] = below = max(heights[at], below + least)
    return moved


def _short(power: int) -> str:
    """A power of ten.

    >>> [_short(power) for power in (0, 4, 9, 14)]
    ['1', '10 K', '1 G', '100 T']
    """
    unit = min(max(power, 0) // 3, len(_UNITS) - 1)
    return f"{10.0 ** (power - 3 * unit):g} {_UNITS[unit]}".strip()
