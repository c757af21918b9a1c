"""Sections of an accuracy table's page about layers: errors, tensors, and inputs before and after.

A section returns None when the table has nothing for it.
"""

import math
from collections.abc import Callable
from itertools import pairwise

from models.quantization.distributions import EDGES, Distribution
from reports.accuracy_table import Accuracy, AccuracyTable
from reports.page import charts
from reports.page.document import section
from reports.page.html import Html, tag

ERRORS = {
    "inputs": "Inputs narrowed, weights exact",
    "weights": "Weights rounded, inputs exact",
    "both": "Both, as in the hardware",
}
"""Fields of MatrixError."""
SERIES = 6
"""That the style sheet has colours for."""
RAREST, LEAST = -6, -4
"""Powers: of ten, of the shares at the bottom of a figure; of two, of the magnitudes at its left,
in RMS."""
FINEST, COARSER = 1.5, 1.6
"""Width of the last recipe's pen, and what each before has more."""
LARGE, SMALL = (520, 260), (250, 150)
"""Width and height of figures."""

Rows = dict[str, Accuracy]


def matrices(table: AccuracyTable) -> Html | None:
    """Errors of every linear layer, as heat maps."""
    groups = table.groups
    rows = [row for within in groups.values() for row in within.values() if row.errors]
    if not rows:
        return None
    kinds = ("in_proj", "out_proj", "head")
    names = [name for kind in kinds for name in rows[0].errors if name.endswith(kind)]
    columns = {kind: sum(name.endswith(kind) for name in names) for kind in kinds}
    cells = {
        error: {
            group: {
                recipe: [getattr(row.errors[name], error) for name in names]
                for recipe, row in within.items()
            }
            for group, within in groups.items()
        }
        for error in ERRORS
    }
    shade = charts.logarithmic([x for each in cells.values() for x in _all(each)])
    maps = [
        [tag("h3", ERRORS[error]),
         tag("div", charts.heat_map(each, columns, shade, percent, ERRORS[error]), class_="wide")]
        for error, each in cells.items()
    ]  # fmt: skip
    worst = max(rows, key=lambda row: max(error.both for error in row.errors.values()))
    name = max(worst.errors, key=lambda name: worst.errors[name].both)
    return section(
        f"The most is lost in {_spoken(name)}, {percent(worst.errors[name].both)} of its output's "
        f"power, by {worst.recipe} at {worst.precision}",
        "Squared error of each linear layer's output over its square, layers from left to right; "
        f"all before it is exact. Over the first {table.error_tokens:,} tokens of the text. The "
        "scale of the colours is logarithmic and the same for all three.",
        maps,
        tags=["measured"],
    )


def tensors(table: AccuracyTable) -> Html | None:
    """Signal over noise of the tensors of the integer network, as a heat map."""
    groups = table.groups
    rows = groups[table.hardest]
    if not all(row.tensors for within in groups.values() for row in within.values()):
        return None
    columns = {name: len(each) for name, each in next(iter(rows.values())).tensors.items()}
    cells = {
        group: {
            recipe: [ratio for each in row.tensors.values() for ratio in each]
            for recipe, row in within.items()
        }
        for group, within in groups.items()
    }
    shade = charts.falling(_all(cells))
    last = {recipe: row.tensors["residual"][-1] for recipe, row in rows.items()}
    best, worst = (pick(last, key=lambda recipe: last[recipe]) for pick in (max, min))
    title = f"After all layers at {table.hardest}, {best}'s residual stream is {last[best]:.1f} dB"
    title += " above its error" + (f", {worst}'s {last[worst]:.1f} dB" if len(last) > 1 else "")
    drawn = charts.heat_map(cells, columns, shade, "{:.0f}".format, "Signal over noise, in dB")
    return section(
        title,
        "Power of the integer network's own tensors over that of their errors, in dB, layers from "
        f"left to right, over {table.tensor_tokens:,} tokens; what the layers before lose is in "
        "it. A bit more is worth 6 dB. delta is after softplus, gated before the norm, residual "
        "after the layer.",
        tag("div", drawn, class_="wide"),
        tags=["measured"],
    )


def inputs(table: AccuracyTable, matrix: str) -> Html | None:
    """Distributions of what `matrix` reads: at large where it loses most, the other layers small.

    Untouched, and as each recipe makes it, in the formats that lose most.
    """
    rows, untouched = table.groups[table.hardest], table.rows[0].inputs
    names = [name for name in untouched if name.endswith(matrix)]
    if not names or not all(row.inputs and row.errors for row in rows.values()):
        return None
    worst = max(names, key=lambda name: max(row.errors[name].inputs for row in rows.values()))
    best = min(rows, key=lambda recipe: rows[recipe].kl)
    before, after = untouched[worst], rows[best].inputs[worst]
    top = max(row.inputs[name].largest[0] for row in _with_float(table).values() for name in names)
    small = [
        _profile(
            table, name, top, SMALL,
            f"layer {_layer(name)}: kurtosis {untouched[name].kurtosis:.1f}, "
            f"{rows[best].inputs[name].kurtosis:.1f}",
        )
        for name in names
        if name != worst
    ]  # fmt: skip
    layer = f"layer {_layer(worst)}"
    return section(
        f"Of what {_spoken(worst)} reads, the largest channel reaches {before.largest[0]:.1f} RMS, "
        f"and kurtosis is {before.kurtosis:.1f}; "
        + (f"{best} leaves them so" if after == before else
           f"with {best} {after.largest[0]:.1f} and {after.kurtosis:.1f}"),
        "On the left, the largest magnitude of each channel in RMS of the whole input, channels in "
        "falling order: a channel that stands out takes bits from those that share its exponent. "
        "On the right, how often magnitudes occur. Equal curves lie on each other, the finer on "
        f"top. At {table.hardest}; large where narrowing costs most, then the other layers, with "
        f"the kurtosis untouched and by {best}.",
        _legend(table),
        tag("div", _profile(table, worst, top, LARGE, f"{layer}: largest magnitude of channels"),
            _magnitudes(table, worst, LARGE, f"{layer}: share of magnitudes, by quarter octaves"),
            class_="pair"),
        tag("div", small, class_="grid-of"),
        tags=["measured"],
    )  # fmt: skip


def series(table: AccuracyTable, recipe: str) -> str:
    """The class of a recipe's colour; of the float network's without a recipe."""
    return f"series-{list(table.sources).index(recipe) % SERIES}" if recipe else "untouched"


def percent(value: float) -> str:
    """Two digits of a share: of an error, the smaller it is the more places.

    >>> percent(0.0123), percent(0.00998), percent(0.000045), percent(0)
    ('1.2%', '1.0%', '0.0045%', '0%')
    """
    if not value:
        return "0%"
    rounded = float(f"{100 * abs(value):.1e}")
    places = max(0, 1 - math.floor(math.log10(rounded)))
    return f"{100 * value:.{places}f}%"


def _profile(
    table: AccuracyTable, name: str, top: float, size: tuple[int, int], title: str
) -> Html:
    """The largest magnitude of each channel, down to the smallest channel; `top` of all layers."""

    def points(found: Distribution) -> tuple[list[float], list[float]]:
        steps = max(len(found.largest) - 1, 1)
        at = [place / steps for place in range(len(found.largest))]
        return at, [_power(reached, 2) for reached in found.largest]

    low, high = -1, max(math.ceil(_power(top, 2)), 0)
    return charts.curves(
        _curves(table, name, points),
        charts.Axis(0, 1, {}, "channels, the largest first"),
        charts.Axis(low, high, {float(at): f"{2.0**at:g}" for at in range(low, high + 1)}),
        title, *size,
    )  # fmt: skip


def _magnitudes(table: AccuracyTable, name: str, size: tuple[int, int], title: str) -> Html:
    """How often magnitudes occur, on logarithmic axes."""
    middles = [_power(math.sqrt(low * high), 2) for low, high in pairwise(EDGES)]

    def points(found: Distribution) -> tuple[list[float], list[float]]:
        seen = [at for at, share in enumerate(found.shares) if share and middles[at] > LEAST]
        return [middles[at] for at in seen], [_power(found.shares[at], 10) for at in seen]

    high = round(_power(EDGES[-1], 2))
    marks = {float(at): f"{2.0**at:g}" for at in range(LEAST, high + 1, 2)}
    shares = {float(at): f"{100 * 10.0**at:g}%" for at in range(RAREST, 1)}
    return charts.curves(
        _curves(table, name, points),
        charts.Axis(LEAST, high, marks, "magnitude, in RMS"),
        charts.Axis(RAREST, 0, shares),
        title, *size,
    )  # fmt: skip


def _curves(
    table: AccuracyTable,
    name: str,
    points: Callable[[Distribution], tuple[list[float], list[float]]],
) -> list[charts.Curve]:
    """Of one matrix's inputs; the later a recipe the finer its pen, so that equal ones are seen."""
    rows = _with_float(table)
    pens = {recipe: FINEST + COARSER * (len(rows) - at) for at, recipe in enumerate(rows, 1)}
    return [
        charts.Curve(series(table, recipe), *points(row.inputs[name]), pens[recipe])
        for recipe, row in rows.items()
    ]


def _with_float(table: AccuracyTable) -> Rows:
    """The float network, without a name, and the recipes in the formats that lose most."""
    return {"": table.rows[0]} | table.groups[table.hardest]


def _legend(table: AccuracyTable) -> Html:
    drawn = [
        tag("li", tag("i", class_=f"swatch {series(table, recipe)}"), recipe or "untouched")
        for recipe in _with_float(table)
    ]
    return tag("ul", drawn, class_="legend")


def _all(cells: dict[str, dict[str, list[float]]]) -> list[float]:
    return [value for rows in cells.values() for row in rows.values() for value in row]


def _layer(name: str) -> str:
    return name.split(".")[1]


def _spoken(name: str) -> str:
    """A matrix in a sentence: `layers.2.in_proj` is layer 2's in_proj."""
    layer, _, matrix = name.removeprefix("layers.").partition(".")
    return f"layer {layer}'s {matrix}" if matrix else f"the {name}"


def _power(value: float, base: float) -> float:
    """Logarithm, of nothing that of the least number."""
    return math.log(max(value, 1e-300), base)
