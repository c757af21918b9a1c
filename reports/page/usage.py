"""Where the resources of a design go: what each unit takes of what there is, and its memories."""

import math

from reports.page.charts import Bar, Stack, bars, stacks
from reports.page.designs import Told
from reports.page.document import section
from reports.page.html import Html, tag

STYLES = ("series-4", "series-1", "series-0", "series-3", "series-2", "series-5")
"""Of the units that take most; the others are one."""
OTHERS, ALL = "untouched", "all units"
KINDS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "block_ram": "block RAM", "ultra_ram": "UltraRAM"}
MEMORIES = 10
"""Of the figure, the largest."""


def resources(told: Told, winner: Told) -> Html | None:
    """Each kind of resource by unit, in shares of what is allowed or of the board."""
    wholes = _wholes(told, winner)
    taken = {kind: by for kind in wholes if (by := _by_unit(winner, kind))}
    if not taken:
        return None
    styles = _styles(
        [
            {unit: amount / wholes[kind][0] for unit, amount in by.items()}
            for kind, by in taken.items()
        ]
    )
    rows = [_stack(winner, kind, by, styles, *wholes[kind]) for kind, by in taken.items()]
    names = {style: unit for unit, style in styles.items()} | {f"of {OTHERS}": "others"}
    return stacks(rows, names, "Resources of each unit", 1.0)


def memories(winner: Told) -> Html | None:
    """The bits of the largest memories."""
    bits = winner["resources"]["memories"]
    if not bits:
        return None
    largest = sorted(bits, key=lambda name: -bits[name])[:MEMORIES]
    drawn = [
        Bar(name, bits[name] / 1024, 0.0, f"{bits[name] / 1024:,.0f}", "series-4")
        for name in largest
    ]
    return bars({"": drawn}, "The largest memories on chip", "Kb")


def used(told: Told, winner: Told, *drawn: Html | None) -> Html | None:
    """The section: what is closest to its limit, and the figures."""
    if not any(drawn):
        return None
    wholes = _wholes(told, winner)
    filled = {
        kind: sum(by.values()) / wholes[kind][0]
        for kind in wholes
        if (by := _by_unit(winner, kind))
    }
    bits = sum(winner["resources"]["memories"].values())
    title = f"Its memories hold {bits / 2**20:,.1f} Mb"
    if filled:
        kind = max(filled, key=lambda kind: filled[kind])
        title = f"{KINDS[kind]} is closest to its limit: {filled[kind]:.1%} is taken"
    return section(
        title,
        "Each bar is what the board has, or less where a constraint allows less."
        + (
            f" Below, the largest of the memories on chip, which hold {bits / 2**20:,.1f} Mb."
            if bits
            else ""
        ),
        *(tag("div", each, class_="wide") for each in drawn if each),
        tags=["modelled"],
    )


def _stack(
    winner: Told, kind: str, by: dict[str, float], styles: dict[str, str], whole: float, sense: str
) -> Stack:
    parts = dict.fromkeys([*styles.values(), f"of {OTHERS}"], 0.0)
    for unit, amount in by.items():
        parts[styles.get(unit, f"of {OTHERS}")] += amount / whole
    total = winner["measures"].get(kind) or sum(by.values())
    text = f"{total:,.0f} of {whole:,.0f} {sense}, {total / whole:.1%}"
    return Stack(KINDS[kind], {style: part for style, part in parts.items() if part}, text)


def _styles(shares: list[dict[str, float]]) -> dict[str, str]:
    """The units that take most of anything, and the style of each."""
    most: dict[str, float] = {}
    for by in shares:
        for unit, part in by.items():
            most[unit] = max(most.get(unit, 0), part)
    ordered = sorted((unit for unit in most if unit != ALL), key=lambda unit: -most[unit])
    return dict(zip(ordered, (f"of {each}" for each in STYLES), strict=False))


def _wholes(told: Told, winner: Told) -> dict[str, tuple[float, str]]:
    """What there is of each kind of resource at most, and in what sense."""
    board = told["boards"].get(winner["board"], {})
    found = {kind: (board[kind], "on the board") for kind in KINDS if board.get(kind)}
    for text in told["space"]["constraints"]:
        name, sense, bound = text.split()
        least, _ = found.get(name, (math.inf, ""))
        if name in KINDS and sense.startswith("<") and float(bound) < least:
            found[name] = (float(bound), "allowed")
    return found


def _by_unit(winner: Told, kind: str) -> dict[str, float]:
    """How much of a kind each unit takes, or all together where it is not known of each."""
    used = winner["resources"]
    found = {unit: taken[kind] for unit, taken in used["units"].items() if taken.get(kind)}
    whole = winner["measures"].get(kind)
    return found or ({ALL: whole} if whole else {})
