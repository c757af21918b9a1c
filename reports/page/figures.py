"""Figures as inline SVG; colours are classes of the style sheet, named after activities."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from models.counters import UNITS, Activity
from reports.page.html import Html, tag
from reports.page.svg import WIDTH, figure, line, place, rect, ticks
from reports.trace import SIDES, Timeline

WORDS = [at.word for at in Activity]
LABELS = 96
"""Width of the names at its left."""
RIGHT = 16

_BAR = 9


def stacked_bars(sides: Mapping[str, Mapping[str, int]], width: int = 200) -> Html:
    """A unit's cycles by activity, each side a bar: predicted above measured."""
    bars = []
    for row, side in enumerate(side for side in SIDES if side in sides):
        cycles, x = sides[side], 0.0
        total = sum(cycles.values()) or 1
        for word in WORDS:
            if part := width * cycles.get(word, 0) / total:
                bars.append(rect(x, row * (_BAR + 2), part, _BAR, word))
                x += part
    height = (_BAR + 2) * min(len(sides), 2) - 2
    return tag("svg", bars, viewBox=f"0 0 {width} {height}", width=width, height=height,
               class_="bars")  # fmt: skip


def timeline(timelines: Mapping[str, Timeline], buckets: int = 968) -> Html:
    """What each unit is at over one token, predicted above measured.

    Each side begins at its own first cycle. Where activities alternate within a pixel, the height
    of each colour is its share.
    """
    sides = [side for side in SIDES if timelines.get(side)]
    starts = {side: _ends(timelines[side])[0] for side in sides}
    span = max(_ends(timelines[side])[1] - starts[side] for side in sides)
    units = [unit for unit in UNITS if any(unit in timelines[side] for side in sides)]
    plot, lane, top = WIDTH - LABELS - RIGHT, 22 // len(sides), 18
    pitch = lane * len(sides) + 8
    height = top + pitch * len(units) + 4
    parts = _x_grid(span, plot, top, height)
    for row, unit in enumerate(units):
        y = top + row * pitch + 4
        middle = y + lane * len(sides) / 2 + 4
        parts.append(tag("text", unit, x=LABELS - 8, y=middle, class_="name"))
        for at, side in enumerate(side for side in sides if unit in timelines[side]):
            edges = starts[side] + np.linspace(0, span, buckets + 1)
            cycles = cycles_between(timelines[side][unit], edges)
            place = f"translate({LABELS} {y + at * lane}) scale({plot / buckets:.4f} 1)"
            told = tag("title", f"{unit}, {side}: {_shares(cycles.sum(1))}")
            paths = _stack(cycles / (span / buckets), lane - 1)
            parts.append(tag("g", told, paths, transform=place, shape_rendering="crispEdges"))
    return figure(parts, height, "Activity of each unit over one token")


def cycles_between(intervals: Sequence[Sequence[object]], edges: np.ndarray) -> np.ndarray:
    """Cycles (activity, bucket) of a unit's intervals between consecutive `edges`, in WORDS' order.

    >>> cycles_between([["busy", 0, 3], ["input", 3, 4]], np.array([0, 2, 4]))[:2].tolist()
    [[2.0, 1.0], [0.0, 1.0]]
    """
    if not intervals:
        return np.zeros((len(WORDS), len(edges) - 1))
    at = np.array([WORDS.index(str(word)) for word, _, _ in intervals])
    ends = np.array([[start, end] for _, start, end in intervals], float)
    spent = []
    for activity in range(len(WORDS)):
        total = np.where(at == activity, ends[:, 1] - ends[:, 0], 0).cumsum()
        before = np.concatenate([[0], total[:-1]])
        sums = np.stack([before, total], axis=1).ravel()  # at the start and end of each interval
        spent.append(np.diff(np.interp(edges, ends.ravel(), sums)))
    return np.array(spent)


def _stack(shares: np.ndarray, height: int) -> list[Html]:
    """Paths of shares (activity, bucket) of a lane, piled from its bottom in whole pixels."""
    levels = np.rint(shares.cumsum(axis=0) * height).astype(int)  # (activity, bucket)
    levels[0] = np.maximum(levels[0], shares[0] > 0)  # a little work is seen, too
    levels = np.maximum.accumulate(levels)
    below = np.vstack([np.zeros_like(levels[:1]), levels[:-1]])
    seen = [at for at in range(len(levels)) if (levels[at] > below[at]).any()]
    # Each reaches down to the bottom, so that the later cover the earlier: the first comes last.
    return [tag("path", d=_steps(levels[at], height), class_=WORDS[at]) for at in reversed(seen)]


def _steps(levels: np.ndarray, height: int) -> str:
    """The area under a step for each bucket, one unit wide."""
    changes = np.flatnonzero(np.diff(levels)) + 1
    places = [0, *changes.tolist(), len(levels)]
    drawn, y = [f"M0 {height}"], 0
    for start, end in pairwise(places):
        level = int(levels[start])
        drawn.append((f"v{y - level}" if y != level else "") + f"h{end - start}")
        y = level
    return "".join([*drawn, f"v{y}z"])


def _shares(cycles: np.ndarray) -> str:
    total = cycles.sum() or 1
    order = np.argsort(-cycles)
    return ", ".join(f"{WORDS[at]} {100 * cycles[at] / total:.1f}%" for at in order if cycles[at])


def _ends(timeline: Timeline) -> tuple[int, int]:
    """First and last cycle of all units."""
    rows = [row for row in timeline.values() if row]
    if not rows:
        return 0, 1
    return min(row[0][1] for row in rows), max(row[-1][2] for row in rows)


def per_token(measured: Sequence[int], predicted: Sequence[int], prompt: int) -> Html:
    """Cycles of each token; those of the prompt lie on a darker ground."""
    everything = [*measured, *predicted]
    room = max(0.15 * (max(everything) - min(everything)), 0.005 * max(everything), 1)
    low, high = min(everything) - room, max(everything) + room
    height, top, bottom = 220, 14, 190
    plot = WIDTH - LABELS - RIGHT
    tokens = len(measured)

    def x(token: float) -> float:
        return LABELS + plot * token / tokens

    def y(cycles: float) -> float:
        return bottom - (bottom - top) * (cycles - low) / (high - low)

    parts = [rect(LABELS, top, x(min(prompt, tokens)) - LABELS, bottom - top, "prompt")]
    for tick in ticks(low, high, 5):
        parts.append(line(LABELS, y(tick), LABELS + plot, y(tick)))
        parts.append(tag("text", f"{tick:,.0f}", x=LABELS - 8, y=y(tick) + 4, class_="name"))
    for tick in ticks(0, tokens, 12):
        parts.append(tag("text", f"{tick:,.0f}", x=x(tick), y=bottom + 16, class_="tick"))
    parts.append(tag("text", "token", x=LABELS + plot, y=bottom + 30, class_="name"))
    if prompt:
        parts.append(tag("text", "prompt", x=LABELS + 6, y=top + 14))
    if prompt < tokens:
        parts.append(tag("text", "generated", x=x(prompt) + 6, y=top + 14))
    for side, values in (("measured", measured), ("predicted", predicted)):
        if len(values):
            steps = [f"{'M' if not at else 'V'}{place(x(0), y(v)) if not at else f'{y(v):.1f}'}"
                     f"H{x(at + 1):.1f}" for at, v in enumerate(values)]  # fmt: skip
            parts.append(tag("path", d="".join(steps), class_=f"curve {side}"))
    return figure(parts, height, "Cycles of each token")


def histogram(
    edges: Sequence[float], counts: Sequence[int], reach: float, title: str, width: int = 250
) -> Html:
    """The density of errors between -reach and reach; bins may have any widths."""
    height, top, bottom = 104, 20, 84
    ends, joined = widened(edges, counts, reach / 25)
    density = joined / np.diff(ends)
    inside = (ends[1:] > -reach) & (ends[:-1] < reach)
    highest = density[inside].max(initial=0) or 1

    def x(value: float) -> float:
        return width / 2 * (1 + max(-1.0, min(1.0, value / reach)))

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / highest

    drawn = [f"M0 {bottom}"]
    for at in np.flatnonzero(inside).tolist():
        drawn.append(f"V{y(density[at]):.1f}H{x(ends[at + 1]):.1f}")
    parts = [
        tag("text", title, x=0, y=12, class_="title"),
        tag("path", d="".join([*drawn, f"V{bottom}z"]), class_="error"),
        line(0, bottom, width, bottom),
        line(width / 2, top, width / 2, bottom),
        tag("text", f"-{_percent(reach)}", x=0, y=bottom + 14),
        tag("text", "0", x=width / 2, y=bottom + 14, class_="tick"),
        tag("text", f"+{_percent(reach)}", x=width, y=bottom + 14, class_="name"),
    ]
    return tag("svg", parts, viewBox=f"0 0 {width} {height}", width=width, height=height,
               role="img", aria_label=title)  # fmt: skip


def widened(
    edges: Sequence[float], counts: Sequence[int], least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Edges and counts of bins joined with their neighbours, from zero outwards, to `least` wide.

    >>> edges, counts = widened([-4, -2, -1, 1, 2, 4], [5, 1, 7, 1, 5], 3)
    >>> edges.tolist(), counts.tolist()
    ([-4, -2, 2, 4], [5, 9, 5])
    """
    sides: list[list[int]] = [[], []]
    for side, direction in zip(sides, (-1, 1), strict=True):
        next_ = least / 2
        for at in range(len(edges))[::direction]:
            if direction * edges[at] >= next_:
                side.append(at)
                next_ = direction * edges[at] + least
    kept = sorted({0, len(edges) - 1, *sides[0], *sides[1]})
    below = np.concatenate([[0], np.cumsum(counts)])
    return np.asarray(edges)[kept], np.diff(below[kept])


def share_bar(part: float, whole: float, kind: str, width: int = 320) -> Html:
    """How much of a whole a number is."""
    filled = width * min(part / whole, 1) if whole else 0
    bars = [rect(0, 0, width, _BAR, "ground"), rect(0, 0, filled, _BAR, kind)]
    return tag("svg", bars, viewBox=f"0 0 {width} {_BAR}", width=width, height=_BAR, class_="bars")


def _x_grid(span: float, plot: int, top: int, height: int) -> list[Html]:
    """Cycles from the left, named at the top."""
    marks = []
    for tick in ticks(0, span, 8):
        x = LABELS + plot * tick / span
        marks.append(line(x, top - 4, x, height - 4))
        marks.append(tag("text", f"{tick:,.0f}", x=x, y=top - 7, class_="tick"))
    return marks


def _percent(value: float) -> str:
    return f"{100 * value:.2g}%"
