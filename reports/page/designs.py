"""The designs of an exploration as a scatter: a sample of all, and the front over them."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reports.page.scatter import Knob, Quantity, Scatter, Series

Told = Mapping[str, Any]
"""What explore.json holds, or a part of it."""
KEPT = "front"
"""The kind of reason that designs of the front have."""
PLAIN = ("dominated", "same", "unvisited")
"""Kinds that have no colour of their own."""
STYLES = ("series-4", "series-1", "series-3", "series-2", "series-5")
_PREFIXED = {
    "B": ((1e9, "GB"), (1e6, "MB"), (1.0, "B")),
    "B/s": ((1e9, "GB/s"), (1e6, "MB/s"), (1.0, "B/s")),
    "J": ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")),
}


class _Row(NamedTuple):
    network: int
    reason: int
    chosen: Sequence[int]
    measures: Mapping[str, float | None]


def scatter_of(told: Told) -> Scatter:
    """The designs that are drawn, those of the front last, and of these the winners."""
    rows = _sampled(told) + _kept(told)
    reasons = _reasons(told, {row.reason for row in rows})
    places = {reason: at for at, reason in enumerate(reasons)}
    rows.sort(key=lambda row: -places[row.reason])
    winners = {winner["id"] for winner in told["winners"]}
    kept = [point["id"] for point in told["front"]]
    marked = {len(rows) - len(kept) + at for at, name in enumerate(kept) if name in winners}
    return Scatter(
        quantities=quantities(told, [row.measures for row in rows]),
        series=[_series(told["reasons"][each], style) for each, style in reasons.items()],
        of=[places[row.reason] for row in rows],
        groups=[row.network for row in rows],
        knobs=_knobs(told, rows),
        command=told["space"]["command"],
        best=marked,
        named=told["space"]["networks"] if len(told["winners"]) > 1 else (),
    )


def quantities(told: Told, rows: Sequence[Mapping[str, float | None]]) -> list[Quantity]:
    """The measures that are known of some of the designs, objectives first."""
    first = told["space"]["objectives"]
    names = [*first, *(name for name in told["measures"] if name not in first)]
    found = {name: [row.get(name) for row in rows] for name in names}
    return [
        _quantity(told["measures"][name], values)
        for name, values in found.items()
        if any(value is not None for value in values)
    ]


def prefixed(unit: str, largest: float) -> tuple[float, str]:
    """By what numbers of a unit are divided to be read easily, and the unit then.

    >>> prefixed("B/s", 12e9), prefixed("J", 0.002), prefixed("LUT", 107000)
    ((1000000000.0, 'GB/s'), (0.001, 'mJ'), (1.0, 'LUT'))
    """
    known = _PREFIXED.get(unit, ((1.0, unit),))
    return next((each for each in known if each[0] <= largest), known[-1])


def _quantity(measure: Told, values: Sequence[float | None]) -> Quantity:
    largest = max(abs(value) for value in values if value is not None)
    by, unit = prefixed(measure["unit"], largest)
    scaled = [None if value is None else value / by for value in values]
    return Quantity(measure["label"], unit, measure["best"], measure["tag"], scaled)


def _sampled(told: Told) -> list[_Row]:
    """Without those of the front, which are all told."""
    columns, found = told["sample"]["columns"], []
    for values in told["sample"]["rows"]:
        row = dict(zip(columns, values, strict=True))
        if told["reasons"][row["reason"]]["kind"] != KEPT:
            found.append(_Row(row.pop("network"), row.pop("reason"), row.pop("chosen"), row))
    return found


def _kept(told: Told) -> list[_Row]:
    networks = told["space"]["networks"]
    reason = next((at for at, each in enumerate(told["reasons"]) if each["kind"] == KEPT), 0)
    return [
        _Row(networks.index(point["network"]), reason, point["chosen"], point["measures"])
        for point in told["front"]
    ]


def _reasons(told: Told, met: set[int]) -> dict[int, str]:
    """Those that are met with the style of each, the front's first and then those with a colour."""
    kinds = [each["kind"] for each in told["reasons"]]
    ordered = sorted(met, key=lambda at: (kinds[at] != KEPT, kinds[at] in PLAIN, at))
    coloured = [at for at in ordered if kinds[at] not in (KEPT, *PLAIN)]
    styles = {at: STYLES[place % len(STYLES)] for place, at in enumerate(coloured)}
    return {at: "series-0" if kinds[at] == KEPT else styles.get(at, "untouched") for at in ordered}


def _series(reason: Told, style: str) -> Series:
    return Series(reason["text"], reason["points"], style)


def _knobs(told: Told, rows: Sequence[_Row]) -> list[Knob]:
    """The network, the base and every knob, in the order of a command line."""
    space = told["space"]
    words: Mapping[str, Sequence[str]] = space["words"]
    return [
        Knob("network", [shlex.quote(each) for each in space["networks"]],
             [row.network for row in rows]),
        Knob("base", [shlex.quote(space["base"])], [0] * len(rows)),
        *(
            Knob(name, every, [row.chosen[at] for row in rows])
            for at, (name, every) in enumerate(words.items())
        ),
    ]  # fmt: skip
