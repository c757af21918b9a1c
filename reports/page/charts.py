"""Charts of numbers by series: bars, heat maps and curves; a series is a class of the style sheet.

Texts are drawn as they are given; positions on logarithmic axes are the caller's logarithms.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.page.html import Html, tag
from reports.page.svg import WIDTH, figure, line, place, rect, ticks

LABELS = 130
"""Width of the names at the left of a chart over the whole page."""
RIGHT = 90
_ROW, _GAP, _TOP = 20, 12, 30
_WIDEST = 84
"""Cell."""
_NAME = 14
"""Half of a column's name, which may be wider than the column."""
_STRONGEST = 0.75
"""Opacity of a cell, so that its number can be read."""
_LETTER, _MARGIN = 6.5, 6
"""Widths of a digit in a cell, and of what must be free beside all of them."""
_WIDE = 7.5
"""Width of most letters."""
_BEHIND = 300
"""Width of what is written behind a stack."""


@dataclass(frozen=True)
class Bar:
    """A value with its uncertainty to both sides, and what is written behind it."""

    name: str
    value: float
    spread: float
    text: str
    series: str


def bars(groups: Mapping[str, Sequence[Bar]], label: str, unit: str) -> Html:
    """Bars on one scale, group below group; those below zero reach to the left."""
    every = [bar for group in groups.values() for bar in group]
    low = min(0.0, *(bar.value - bar.spread for bar in every))
    high = max(0.0, *(bar.value + bar.spread for bar in every))
    plot = WIDTH - LABELS - RIGHT

    def x(value: float) -> float:
        return LABELS + plot * (value - low) / ((high - low) or 1)

    height = _TOP + sum(_GAP + _ROW * (len(group) + bool(name)) for name, group in groups.items())
    parts = [tag("text", unit, x=WIDTH, y=12, class_="name")]
    for tick in ticks(low, high, 8, 1e-9):
        parts.append(line(x(tick), _TOP - 8, x(tick), height - _GAP))
        parts.append(tag("text", f"{tick:g}", x=x(tick), y=_TOP - 12, class_="tick"))
    y = _TOP
    for name, group in groups.items():
        if name:
            parts.append(tag("text", name, x=LABELS - 8, y=y + 14, class_="name title"))
            y += _ROW
        for bar in group:
            parts += _bar(bar, x, y)
            y += _ROW
        y += _GAP
    return figure(parts, height, label)


def _bar(bar: Bar, x: Callable[[float], float], y: float) -> list[Html]:
    left, right = sorted((x(0), x(bar.value)))
    ends = x(bar.value - bar.spread), x(bar.value + bar.spread)
    middle = y + _ROW / 2
    return [
        tag("text", bar.name, x=LABELS - 8, y=middle + 4, class_="name"),
        rect(left, y + 3, max(right - left, 1), _ROW - 6, f"of {bar.series}"),
        tag("line", x1=ends[0], y1=middle, x2=ends[1], y2=middle, class_="whisker"),
        tag("text", bar.text, x=max(right, ends[1]) + 6, y=middle + 4),
    ]


@dataclass(frozen=True)
class Stack:
    """A row of parts, each a value of a style, and what is written behind them."""

    name: str
    parts: Mapping[str, float]
    text: str


def stacks(rows: Sequence[Stack], styles: Mapping[str, str], label: str, whole: float) -> Html:
    """Rows of parts on one scale to `whole`; above them, the names of the styles that they have."""
    plot = WIDTH - LABELS - _BEHIND
    used = [each for each in styles.items() if any(each[0] in row.parts for row in rows)]
    parts, y = keys(used, 4.0)
    for row in rows:
        parts.append(tag("text", row.name, x=LABELS - 8, y=y + 14, class_="name"))
        parts.append(rect(LABELS, y + 3, plot, _ROW - 6, "ground"))
        x = float(LABELS)
        for style, value in row.parts.items():
            width = plot * value / whole
            told = tag("title", f"{row.name}, {styles[style]}: {value / whole:.1%}")
            parts.append(tag("g", told, rect(x, y + 3, width, _ROW - 6, style)))
            x += width
        parts.append(tag("text", row.text, x=LABELS + plot + 8, y=y + 14))
        y += _ROW + 2
    return figure(parts, y + 4, label)


def keys(styles: Iterable[tuple[str, str]], top: float) -> tuple[list[Html], float]:
    """Styles with their names, in lines from `top`, and where what follows begins."""
    parts, x, y = [], float(LABELS), top
    for style, name in styles:
        width = 30 + _WIDE * len(name)
        if x + width > WIDTH:
            x, y = float(LABELS), y + _ROW
        parts.append(rect(x, y, 11, 11, style))
        parts.append(tag("text", name, x=x + 16, y=y + 10))
        x += width
    return parts, y + _TOP


def heat_map(
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    columns: Mapping[str, int],
    shade: Callable[[float], float],
    show: Callable[[float], str],
    label: str,
) -> Html:
    """Rows of cells, group below group; columns are in groups with a name and a count each.

    shade   how strong a value's colour is, 0 to 1
    show    the value as text: in the cell where there is room, and in its title
    """
    count = sum(columns.values())
    gaps = _GAP * (len(columns) - 1)
    cell = min(_WIDEST, (WIDTH - LABELS - gaps - _NAME) / count)
    places, names, x = [], [], float(LABELS)
    for name, width in columns.items():
        names.append(tag("text", name, x=x + cell * width / 2, y=12, class_="tick title"))
        for at in range(width):
            if width > 1 and _fits(str(at), cell):
                names.append(tag("text", at, x=x + cell / 2, y=26, class_="tick"))
            places.append((x, name, at))
            x += cell
        x += _GAP
    parts, y = names, _TOP + 2
    for group, rows in groups.items():
        if group:
            parts.append(tag("text", group, x=LABELS - 8, y=y + 14, class_="name title"))
            y += _ROW
        for row, values in rows.items():
            parts.append(tag("text", row, x=LABELS - 8, y=y + 14, class_="name"))
            for value, (x, name, at) in zip(values, places, strict=True):
                told = f"{group} {row}, {name} {at}: {show(value)}"
                parts.append(_cell(x, y, cell, shade(value), show(value), told))
            y += _ROW
        y += _GAP
    return figure(parts, y, label)


def _cell(x: float, y: float, width: float, strength: float, text: str, title: str) -> Html:
    apart = min(1, 0.1 * width)
    filled = tag("rect", x=x, y=y, width=width - apart, height=_ROW - 1, class_="heat",
                 fill_opacity=_STRONGEST * strength)  # fmt: skip
    written = tag("text", text, x=x + width / 2, y=y + 14, class_="cell")
    return tag("g", tag("title", title), filled, written if _fits(text, width) else None)


def _fits(text: str, width: float) -> bool:
    return _LETTER * len(text) + _MARGIN <= width


@dataclass(frozen=True)
class Curve:
    """Points of a series, drawn with a pen of the given width."""

    series: str
    x: Sequence[float]
    y: Sequence[float]
    pen: float = 2.0


@dataclass(frozen=True)
class Axis:
    """From low to high, with a text at some places."""

    low: float
    high: float
    marks: Mapping[float, str]
    name: str = ""


def curves(drawn: Sequence[Curve], x: Axis, y: Axis, title: str, width: int, height: int) -> Html:
    """Curves above each other, the first at the bottom."""
    left, top, bottom = 60, 24, height - 34

    def across(value: float) -> float:
        share = (value - x.low) / ((x.high - x.low) or 1)
        return left + (width - left - 8) * min(max(share, 0), 1)

    def up(value: float) -> float:
        share = (value - y.low) / ((y.high - y.low) or 1)
        return bottom - (bottom - top) * min(max(share, 0), 1)

    parts = [tag("text", title, x=0, y=12, class_="title")]
    for at, text in y.marks.items():
        parts.append(line(left, up(at), width - 8, up(at)))
        parts.append(tag("text", text, x=left - 5, y=up(at) + 4, class_="mark"))
    for at, text in x.marks.items():
        parts.append(line(across(at), top, across(at), bottom))
        parts.append(tag("text", text, x=across(at), y=bottom + 14, class_="tick"))
    parts.append(tag("text", x.name, x=width - 8, y=bottom + 29, class_="axis"))
    for curve in drawn:
        points = [place(across(a), up(b)) for a, b in zip(curve.x, curve.y, strict=True)]
        parts.append(tag("path", d="M" + "L".join(points), class_=f"curve {curve.series}",
                         stroke_width=curve.pen))  # fmt: skip
    return tag("svg", parts, viewBox=f"0 0 {width} {height}", width=width, height=height,
               role="img", aria_label=title)  # fmt: skip


def logarithmic(values: Sequence[float]) -> Callable[[float], float]:
    """How strong a colour is: from 0 at the least positive of `values` to 1 at the largest."""
    logs = np.log([value for value in values if value > 0] or [1.0])
    return lambda value: _between(np.log(value), logs.min(), logs.max()) if value > 0 else 0.0


def falling(values: Sequence[float]) -> Callable[[float], float]:
    """How strong a colour is: from 0 at the largest of `values` to 1 at the least."""
    return lambda value: 1 - _between(value, min(values), max(values))


def _between(value: float, low: float, high: float) -> float:
    return float((value - low) / ((high - low) or 1))
