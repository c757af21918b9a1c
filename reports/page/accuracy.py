"""The page of an accuracy table: what each recipe loses, and where and why it loses it."""

from reports.accuracy_table import Accuracy, AccuracyTable
from reports.page import charts, layers
from reports.page.document import document, footer, section
from reports.page.html import Html, tag
from reports.page.layers import percent, series

MATRICES = ("in_proj", "out_proj")
TEXTS = ("formats", "recipe")
"""Columns that are no numbers."""


def render(table: AccuracyTable) -> str:
    """The page as text; without what the table does not have."""
    title = headline(table)
    return document(
        f"puffadder accuracy: {title}",
        tag("header", tag("h1", title), tag("p", _subtitle(table), class_="note")),
        losses(table),
        causes(table),
        layers.matrices(table),
        layers.tensors(table),
        [layers.inputs(table, matrix) for matrix in MATRICES],
        recipes(table),
        footer("`puffadder accuracy`, from accuracy.json's numbers", ["measured"]),
    )


def headline(table: AccuracyTable) -> str:
    """What was found, with its numbers."""
    groups = table.groups
    first, *others = _by_distance(table)
    if not others:
        away = [f"{_nats(rows[first.recipe].kl)} at {name}" for name, rows in groups.items()]
        return f"{first.recipe} is away from the float network by {', '.join(away)} (KL, nats)"
    following = others[0]
    times = f", {following.kl / first.kl:.2g} times as much" if first.kl else ""
    return (
        f"At {table.hardest}, {first.recipe} stays closest to the float network: KL "
        f"{_nats(first.kl)} nats; the next, {following.recipe}, {_nats(following.kl)}{times}"
    )


def losses(table: AccuracyTable) -> Html:
    """The table, and what is lost as bars."""
    groups = table.groups
    closest, *others = _by_distance(table)
    title = f"At {table.hardest}, {closest.recipe} costs {_lost(closest)} nats a token"
    title += f", {others[-1].recipe} {_lost(others[-1])}" if others else ""
    names = ("formats", "recipe", "scan bits", "state, bytes", "bits/weight", "nats/token",
             "lost", "perplexity", "ratio to float", "KL, nats")  # fmt: skip
    bars = {name: [_bar(table, row) for row in rows.values()] for name, rows in groups.items()}
    return section(
        title,
        "Ratios are those of perplexities. The Kullback-Leibler divergence compares whole "
        "distributions and is the less noisy; what is lost in nats a token depends on which tokens "
        "the text has: ± and thin lines are two standard errors. Bits of weights are those "
        "of in_proj, out_proj and the head, with their scales.",
        tag("div", tag("table", tag("tr", [_head(name) for name in names]),
                       [_row(row, row is closest) for row in table.rows], class_="facts"),
            class_="wide"),
        tag("div", charts.bars(bars, "Nats lost by recipe", "nats lost a token"), class_="wide"),
        tags=["measured"],
    )  # fmt: skip


def causes(table: AccuracyTable) -> Html | None:
    """What happens in the linear layers, beside what it costs."""
    rows = table.groups[table.hardest]
    if not all(row.errors for row in rows.values()):
        return None
    total = {recipe: _mean_of_all(row) for recipe, row in rows.items()}
    least, most = (pick(total, key=lambda recipe: total[recipe]) for pick in (min, max))
    title = f"The outputs of {least}'s matrices are off by {percent(total[least])} of their power"
    if len(rows) > 1:
        title += f", those of {most}'s by {percent(total[most])}"
    kinds = ("kurtosis", *layers.ERRORS)
    head = [
        tag("tr", tag("th", table.hardest), _head("nats lost"),
            [tag("th", matrix, colspan=str(len(kinds))) for matrix in MATRICES]),
        tag("tr", tag("th"), tag("th"), [_head(kind) for kind in kinds * len(MATRICES)]),
    ]  # fmt: skip
    body = [
        tag("tr", tag("th", recipe), _number(_nats(row.lost)),
            [_cause(row, matrix) for matrix in MATRICES])
        for recipe, row in rows.items()
    ]  # fmt: skip
    return section(
        title,
        "Means over the layers; inputs, weights and both are squared errors of a matrix's output "
        "over its square, when the one is narrowed, the other rounded, or both. Smoothing and "
        "rotations act on the inputs: the fewer their outliers (kurtosis; 3 for normal values), "
        "the less narrowing costs. Where both cost less than the one and the other added, the "
        "weights make up for what narrowing does to the inputs.",
        tag("div", tag("table", head, body, class_="facts"), class_="wide"),
        tags=["measured"],
    )


def recipes(table: AccuracyTable) -> Html | None:
    """What each of them does."""
    told = [[tag("dt", name), tag("dd", source)] for name, source in table.sources.items()]
    return tag("section", tag("h2", "What the recipes do"), tag("dl", told)) if told else None


def _subtitle(table: AccuracyTable) -> str:
    stressed = f", stressed by {table.stress:g}," if table.stress else ""
    return (
        f"Model {table.model}{stressed} on {table.sequences:,} sequences of {table.window:,} "
        "tokens, against the float network on the same; recipes are calibrated on the bundled "
        "training topics"
    )


def _by_distance(table: AccuracyTable) -> list[Accuracy]:
    """Recipes in the formats where they differ most, the closest to the float network first."""
    return sorted(table.groups[table.hardest].values(), key=lambda row: row.kl)


def _row(row: Accuracy, best: bool) -> Html:
    cells = (
        f"{row.scan_bits or ''}",
        f"{row.state_bytes:,}" if row.state_bytes else "",
        f"{row.bits_per_weight:.3f}" if row.bits_per_weight else "",
        f"{row.nats:.4f}",
        _nats(row.lost) if row.recipe else "",
        f"{row.perplexity:.4f}",
        f"{row.ratio:.4f}",
        f"{row.kl:.6f}",
    )
    return tag("tr", tag("th", row.precision), tag("th", row.recipe),
               [_number(cell) for cell in cells], class_="best" if best else None)  # fmt: skip


def _bar(table: AccuracyTable, row: Accuracy) -> charts.Bar:
    return charts.Bar(
        row.recipe, row.lost, 2 * row.lost_error, _nats(row.lost), series(table, row.recipe)
    )


def _cause(row: Accuracy, matrix: str) -> list[Html]:
    found = [each.kurtosis for name, each in row.inputs.items() if name.endswith(matrix)]
    kurtosis = f"{sum(found) / len(found):.1f}" if found else ""
    errors = [percent(row.mean_error(matrix, kind)) for kind in layers.ERRORS]
    return [_number(cell) for cell in (kurtosis, *errors)]


def _mean_of_all(row: Accuracy) -> float:
    return sum(error.both for error in row.errors.values()) / len(row.errors)


def _head(name: str) -> Html:
    return tag("th", name, class_=None if name in TEXTS else "number")


def _number(text: str) -> Html:
    return tag("td", text, class_="number")


def _lost(row: Accuracy) -> str:
    return f"{_nats(row.lost)} ± {_nats(2 * row.lost_error)}"


def _nats(value: float) -> str:
    return f"{value:.4f}"
