"""One number of a design over the values of each of its knobs, the others as they are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.page.html import Html, tag
from reports.page.scatter import readable
from reports.page.svg import figure, line, place, ticks

COLUMNS = 4
PANEL, TALL, GAP = 250, 150, 26
"""Width and height of a panel, and what is between two."""
_LEFT, _TOP, _BOTTOM = 46, 24, 122
_LONGEST, _LETTER = 12, 6.5
"""Characters of a value below its panel, and the width of one."""


@dataclass(frozen=True)
class Trial:
    """A value of a knob: the number with it, None where nothing fits, and why it is rejected."""

    value: str
    number: float | None
    reason: str | None
    chosen: bool


@dataclass(frozen=True)
class Effect:
    """What the values of a knob do."""

    knob: str
    trials: Sequence[Trial]

    @property
    def reach(self) -> float:
        """How far apart the numbers are."""
        known = [each.number for each in self.trials if each.number is not None]
        return max(known, default=0.0) - min(known, default=0.0)


def panels(effects: Sequence[Effect], label: str) -> Html:
    """A panel for each knob on one scale; what is rejected is hollow, what does not fit a cross."""
    numbers = [t.number for effect in effects for t in effect.trials if t.number is not None]
    high = 1.08 * max(numbers, default=1.0) or 1.0
    parts = []
    for at, effect in enumerate(effects):
        x, y = at % COLUMNS * (PANEL + GAP), at // COLUMNS * TALL
        parts.append(tag("g", _panel(effect, high), transform=f"translate({x} {y})"))
    return figure(parts, TALL * -(-len(effects) // COLUMNS), label)


def _panel(effect: Effect, high: float) -> list[Html]:
    room = (PANEL - _LEFT) / len(effect.trials)

    def x(at: int) -> float:
        return _LEFT + room * (at + 0.5)

    def y(number: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * number / high

    parts = [tag("text", effect.knob, x=_LEFT, y=14, class_="title")]
    for tick in ticks(0, high, 3, 1e-12):
        parts.append(line(_LEFT, y(tick), PANEL, y(tick)))
        parts.append(tag("text", readable(tick), x=_LEFT - 5, y=y(tick) + 4, class_="mark"))
    known = [(at, each.number) for at, each in enumerate(effect.trials) if each.number is not None]
    path = "L".join(place(x(at), y(number)) for at, number in known)
    parts.append(tag("path", d=f"M{path}" if path else "", class_="curve untouched"))
    chosen = next((at for at, trial in enumerate(effect.trials) if trial.chosen), 0)
    every = math.ceil((_LETTER * max(len(_short(each)) for each in effect.trials) + 6) / room)
    for at, trial in enumerate(effect.trials):
        parts.append(_mark(trial, x(at), _BOTTOM if trial.number is None else y(trial.number)))
        if (at - chosen) % every == 0:
            style = "tick title" if trial.chosen else "tick"
            parts.append(tag("text", _short(trial), x=x(at), y=_BOTTOM + 16, class_=style))
    return parts


def _mark(trial: Trial, x: float, y: float) -> Html:
    if trial.number is None:
        drawn = tag("path", d=f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8", class_="cross")
    else:
        style = "best series-0" if trial.chosen else "untouched"
        drawn = tag("circle", cx=x, cy=y, r=6 if trial.chosen else 4,
                    class_=f"{'hollow' if trial.reason else 'of'} {style}")  # fmt: skip
    number = "does not fit" if trial.number is None else readable(trial.number)
    reason = f"; rejected: {trial.reason}" if trial.reason else ""
    return tag("g", tag("title", f"{trial.value}: {number}{reason}"), drawn)


def _short(trial: Trial) -> str:
    longer = len(trial.value) > _LONGEST
    return trial.value[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}" if longer else trial.value
