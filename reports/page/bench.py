"""The page of a bench: CPU and accelerators beside each other, and what each is bound by."""

from collections.abc import Sequence

from reports.bench_report import Bench, Limits, Row
from reports.beside import Beside
from reports.page.document import document, footer, section
from reports.page.html import Html, tag
from reports.page.roofline import Point, Roof, roofline

CPU, OTHERS = "series-4", "untouched"
DESIGNS = ("series-0", "series-1", "series-2", "series-3", "series-5")
"""Colours."""


def render(bench: Bench) -> str:
    """The page as text."""
    networks = list(dict.fromkeys(row.network for row in bench.rows))
    title = "; ".join(_headline(bench, network) for network in networks[:2]) or "Nothing measured"
    kinds = sorted({"measured", *(row.joules for row in bench.rows)})
    return document(
        f"puffadder bench: {', '.join(networks)}",
        tag("header", tag("h1", title), tag("p", _subtitle(bench), class_="note")),
        [_network(bench, network) for network in networks],
        [tag("p", f"Left out: {reason}", class_="note") for reason in bench.refused.values()],
        footer("`puffadder bench`, from bench.json's numbers",
               [*kinds, *(["modelled"] if bench.designs else [])]),
    )  # fmt: skip


def _headline(bench: Bench, network: str) -> str:
    decoded = [row for row in _own(bench, network) if row.work == "decode"]
    best = max(decoded, key=lambda row: row.tokens_per_second.median, default=None)
    if best is None:
        return f"{network} was measured"
    told = f"{network} decodes {best.tokens_per_second.median:,.1f} tokens/s on this CPU in "
    told += best.precision
    design = max(_designs(bench, network), key=lambda each: each.tokens_per_second, default=None)
    if design:
        told += f", {design.tokens_per_second:,.1f} on {design.design} in {design.precision}"
    return told


def _subtitle(bench: Bench) -> str:
    versions = ", ".join(f"{name} {each}" for name, each in bench.versions.items())
    return f"{bench.machine['processor']}, {bench.machine['cores']} cores; {versions}"


def _network(bench: Bench, network: str) -> Html:
    limits = [each for each in bench.limits if each.network == network]
    most = max(limits, key=lambda each: each.threads)
    drawn = [
        row for row in _own(bench, network) if row.threads == most.threads and row.bytes_per_token
    ]
    return tag(
        "div",
        _table(bench, network, limits),
        _roofs(most, drawn, _designs(bench, network)),
        _beside(drawn, _designs(bench, network)),
    )


def _table(bench: Bench, network: str, limits: Sequence[Limits]) -> Html:
    rows = [row for row in bench.rows if row.network == network]
    own = _own(bench, network)
    best = max(own, key=lambda row: row.bandwidth_share, default=None)
    title = f"{network}: what was measured"
    if best:
        title = (
            f"{network}: {best.work} in {best.precision} moves {best.bandwidth_share:.0%} of the "
            f"bytes that {best.threads} threads can read at most"
        )
    names = ("software", "work", "precision", "threads", "tokens/s", "least to most", "MB/token",
             "of reads", "of MACs", "J/token")  # fmt: skip
    told = "; ".join(
        f"{each.threads} threads read {each.read_bytes_per_second.median / 1e9:.1f} GB/s and do "
        f"{each.multiply_adds_per_second.median / 1e9:.1f} G float32 multiply-adds/s"
        for each in limits
    )
    return section(
        title,
        f"Medians; measured in turns with the machine's limits: {told}. Integers multiply faster "
        "than float32, whose rate the share is of. Bytes are those that the work needs: weights "
        "once, and the state; a prefill reads the weights once for all of its tokens.",
        tag("div", tag("table", tag("tr", [tag("th", name) for name in names]),
                       [_row(row) for row in rows], class_="facts"), class_="wide"),
        tags=sorted({"measured", *(row.joules for row in rows)}),
    )  # fmt: skip


def _row(row: Row) -> Html:
    speed = row.tokens_per_second
    known = bool(row.bytes_per_token)
    numbers = (
        f"{row.threads}",
        f"{speed.median:,.2f}",
        f"{speed.low:,.2f} to {speed.high:,.2f}",
        f"{row.bytes_per_token / 1e6:,.1f}" if known else "",
        f"{row.bandwidth_share:.1%}" if known else "",
        f"{row.multiply_share:.1%}" if known else "",
        f"{row.joules_per_token:.3g}",
    )
    return tag("tr", tag("th", row.software), tag("td", row.work), tag("td", row.precision),
               [tag("td", number, class_="number") for number in numbers])  # fmt: skip


def _roofs(limits: Limits, rows: Sequence[Row], designs: Sequence[Beside]) -> Html | None:
    if not rows:
        return None
    roofs = [Roof(f"CPU, {limits.threads} threads", limits.read_bytes_per_second.median,
                  limits.multiply_adds_per_second.median, CPU)]  # fmt: skip
    points = [
        Point(f"{row.work} {row.precision}", row.macs_per_token / row.bytes_per_token,
              row.macs_per_token * row.tokens_per_second.median, CPU)
        for row in rows
    ]  # fmt: skip
    series = dict(zip(dict.fromkeys(each.design for each in designs), DESIGNS, strict=False))
    for each in designs:
        colour = series.get(each.design, OTHERS)
        roof = Roof(each.design, each.bytes_per_second, each.multiply_adds_per_second, colour)
        if roof not in roofs:
            roofs.append(roof)
        points.append(
            Point(each.precision, each.macs_per_token / each.bytes_per_token,
                  each.macs_per_token * each.tokens_per_second, colour)
        )  # fmt: skip
    return section(
        _bounds(rows, designs),
        "The roof of each machine: what its memory gives at so many multiply-adds for each byte, "
        "until its multipliers are all busy. A point below its roof loses the rest to waiting.",
        tag("div", roofline(roofs, points), class_="wide"),
        tags=["measured", *(["modelled"] if designs else [])],
    )


def _bounds(rows: Sequence[Row], designs: Sequence[Beside]) -> str:
    """What is closest to which limit."""
    bound: dict[str, list[str]] = {}
    for row in rows:
        bound.setdefault(row.bound, []).append(f"{row.work} in {row.precision}")
    told = [f"{', '.join(works)} by {limit}" for limit, works in bound.items()]
    for limit in dict.fromkeys(each.bound for each in designs):
        names = dict.fromkeys(each.design for each in designs if each.bound == limit)
        told.append(f"{', '.join(names)} by the {limit}")
    return "What bounds it: " + "; ".join(told)


def _beside(rows: Sequence[Row], designs: Sequence[Beside]) -> Html | None:
    """CPU and accelerators at the same precision."""
    decoded = {row.precision: row for row in rows if row.work == "decode"}
    pairs = [(each, decoded[each.precision]) for each in designs if each.precision in decoded]
    if not pairs:
        return None
    names = ("precision", "CPU, tokens/s", "J/token", "MB/token", "design", "board", "tokens/s",
             "times the CPU", "MB/token", "J/token", "bound by")  # fmt: skip
    rows_told = [
        tag("tr", tag("th", row.precision),
            [tag("td", number, class_="number") for number in (
                f"{row.tokens_per_second.median:,.2f}", f"{row.joules_per_token:.3g}",
                f"{row.bytes_per_token / 1e6:,.1f}")],
            tag("td", each.design), tag("td", each.device or "none"),
            [tag("td", number, class_="number") for number in (
                f"{each.tokens_per_second:,.2f}",
                f"{each.tokens_per_second / row.tokens_per_second.median:.2f}",
                f"{each.bytes_per_token / 1e6:,.1f}",
                "" if each.joules_per_token is None else f"{each.joules_per_token:.3g}")],
            tag("td", each.bound))
        for each, row in pairs
    ]  # fmt: skip
    best = max(pairs, key=lambda pair: pair[0].tokens_per_second)
    times = best[0].tokens_per_second / best[1].tokens_per_second.median
    return section(
        f"{best[0].design} writes {times:.2g} times the CPU's tokens/s in {best[0].precision}",
        "The same network at the same precision, code for code: measured on the CPU, predicted for "
        "the accelerator by the engine that `puffadder validate` holds against the simulated "
        "hardware. Its joules are those of an assumed power of the board (`--board-watts`), or "
        "modelled of its chip and memory, within a factor that `puffadder estimate` tells.",
        tag("div", tag("table", tag("tr", [tag("th", name) for name in names]), rows_told,
                       class_="facts"), class_="wide"),
        tags=sorted({"measured", "modelled", *(row.joules for row in rows)}),
    )  # fmt: skip


def _own(bench: Bench, network: str) -> list[Row]:
    return [row for row in bench.rows if row.network == network and row.software == "puffadder"]


def _designs(bench: Bench, network: str) -> list[Beside]:
    return [each for each in bench.designs if each.network == network]
