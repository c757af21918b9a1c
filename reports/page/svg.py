"""What figures are drawn with: shapes, a frame, and the places of ticks."""

import math

from reports.page.html import Html, tag

WIDTH = 1080
"""Of a figure over the whole page, in its own units: about a pixel each."""


def figure(parts: list[Html], height: float, label: str) -> Html:
    """Over the whole page."""
    box = f"0 0 {WIDTH} {height}"
    return tag("svg", parts, viewBox=box, role="img", aria_label=label, class_="wide")


def rect(x: float, y: float, width: float, height: float, kind: str) -> Html:
    return tag("rect", x=x, y=y, width=width, height=height, class_=kind)


def line(x1: float, y1: float, x2: float, y2: float) -> Html:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="grid")


def place(x: float, y: float) -> str:
    return f"{x:.1f} {y:.1f}"


def ticks(low: float, high: float, most: int, finest: float = 1) -> list[float]:
    """At most `most` + 1 round numbers in low..high, evenly apart: steps of 1, 2 or 5 times 10**n.

    Steps are not below `finest`.

    >>> ticks(0, 95, 5)
    [0.0, 20.0, 40.0, 60.0, 80.0]
    """
    least = max((high - low) / most, finest)
    power = 10 ** math.floor(math.log10(least))
    step = next(power * by for by in (1, 2, 5, 10) if power * by >= least * (1 - 1e-9))
    return [step * at + 0.0 for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
