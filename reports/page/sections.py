"""Sections of the page; each is a heading that says what is to be seen, and then shows it.

A section returns None when the report has nothing for it.
"""

from dataclasses import fields
from typing import Any

from hwsim.memory import MemoryModel
from models.counters import UNITS, Activity
from reports.page import figures
from reports.page.document import chip, section, tile
from reports.page.html import Html, printable, tag
from reports.run_report import (
    RunReport,
    UnitCycles,
    differing,
    first_difference,
    share,
    words_in_use,
)

MEANINGS = {
    Activity.BUSY: "works on a beat",
    Activity.INPUT: "waits for data",
    Activity.OUTPUT: "is held up by what follows",
    Activity.MEMORY_READ: "waits for weights or a read",
    Activity.MEMORY_WRITE: "waits for a write",
    Activity.STATE: "waits for the last token's state",
    Activity.FILL: "fills before or drains after a pass",
}
MOST_MEMORIES = 16
"""Of a table; smaller ones are told together."""
BOUNDS = {
    "fetch": "the memory port",
    "matvec": "the multipliers",
    "scan": "the scan",
}
"""Units whose busy cycles no schedule can do without, and what they stand for."""


def summary(report: RunReport) -> Html:
    match, cycles = report.match, report.cycles
    verdict = (
        f"EQUAL: all {match['compared']:,} logit codes are the integer network's"
        if report.equal
        else f"DIFFERENT: {match['mismatches']:,} of {match['compared']:,} logit codes"
        + ("" if match["tokens"] else ", and the tokens")
    )
    predicted = cycles.get("predicted")
    return tag(
        "section",
        tag("p", verdict, class_=f"verdict {'equal' if report.equal else 'different'}"),
        _why(match),
        tag("pre", tag("span", printable(report.prompt), class_="given"),
            tag("b", printable(report.text)), class_="text"),
        tag("p", "What the hardware read, and in bold the ", len(report.tokens),
            " tokens that it wrote.", class_="note"),
        tag(
            "div",
            tile(f"{report.tokens_per_second:,.1f}", "tokens/s", "simulated",
                 f"at {_clock(report)}; the LM head is included"),
            tile(f"{report.cycles_per_token:,.0f}", "cycles/token", "simulated",
                 f"{cycles['measured']:,} in all for {len(cycles['per_token'])} tokens"),
            None if predicted is None else
            tile(f"{predicted:,}", "cycles", "modelled",
                 f"for the run: {_error(cycles)} of the simulated"),
            tile(f"{match['compared']:,}", "logit codes", "simulated",
                 f"compared; {match['mismatches']:,} differ"),
            class_="tiles",
        ),
    )  # fmt: skip


def units(report: RunReport) -> Html | None:
    """Cycles by unit and activity, bars beside numbers."""
    by_unit = report.cycles.get("units")
    if not by_unit:
        return None
    words, differ = words_in_use(by_unit), differing(by_unit)
    rows = []
    for unit in (unit for unit in UNITS if unit in by_unit):
        sides = by_unit[unit]
        main = "measured" if "measured" in sides else "predicted"
        bars = tag("td", figures.stacked_bars(sides), class_="bar")
        rows.append(tag("tr", tag("th", unit), bars, _cells(unit, sides, main, words)))
        if unit in differ:
            other = _cells(unit, sides, "predicted", words)
            rows.append(tag("tr", tag("th", "predicted"), tag("td"), other, class_="other"))
    head = tag("tr", tag("th", "unit"), tag("th", _sides(by_unit)),
               [tag("th", _words(word)) for word in words])  # fmt: skip
    return section(
        most_to_do(by_unit),
        f"Each row is all of the run's cycles; what is not {Activity.BUSY.word} is waiting, for "
        "what the colour says. " + _agreement(by_unit),
        legend(words),
        tag("div", tag("table", head, rows, class_="units"), class_="wide"),
        tags=_tags(by_unit),
    )


def token(report: RunReport) -> Html | None:
    """The timeline of one token."""
    if not any(report.timelines.values()):
        return None
    used = {
        str(word)
        for timeline in report.timelines.values()
        for row in timeline.values()
        for word, _, _ in row
    }
    sides = [side for side in ("predicted", "measured") if report.timelines.get(side)]
    rows = f"{' above '.join(sides)} in each row" if len(sides) > 1 else f"only {sides[0]}"
    by_unit = report.cycles.get("units")
    busiest = _busiest(by_unit)[0] if by_unit else "matvec"
    return section(
        f"One token, unit by unit: where {busiest} is not busy, the token loses time",
        f"Cycles from the token's first; {rows}. Where activities alternate within a pixel, the "
        "height of a colour is its share. trace.json has the same to zoom into, for "
        "ui.perfetto.dev.",
        legend([at.word for at in Activity if at.word in used]),
        tag("div", figures.timeline(report.timelines), class_="wide"),
        tags=[{"predicted": "modelled", "measured": "simulated"}[side] for side in sides],
    )


def tokens(report: RunReport) -> Html | None:
    """Cycles of each token."""
    measured = report.cycles["per_token"]
    predicted = report.cycles.get("per_token_predicted") or []
    if not measured:
        return None
    low, high = min(measured), max(measured)
    slowest = measured.index(high)
    title = (
        f"Every token takes {low:,} cycles"
        if low == high
        else f"Tokens take {low:,} to {high:,} cycles, {share(high - low, low)} apart; "
        f"token {slowest} is the slowest"
    )
    note = "The axis does not begin at zero. "
    if predicted:
        off = [abs(a - b) for a, b in zip(predicted, measured, strict=False)]
        note += (
            "The dashed line, the prediction, lies on the measurement."
            if not max(off)
            else f"The dashed line is the prediction, at most {max(off):,} cycles off."
        )
    prompt = len(measured) - len(report.tokens) + 1
    return section(
        title,
        note,
        tag("div", figures.per_token(measured, predicted, prompt), class_="wide"),
        tags=["simulated", *(["modelled"] if predicted else [])],
    )


def memory(report: RunReport) -> Html:
    """What the memory gives, what is fetched ahead, and what bounds a token from below."""
    model = MemoryModel(**{f.name: report.memory[f.name] for f in fields(MemoryModel)
                           if f.name in report.memory})  # fmt: skip
    port = report.design.get("memory", {})
    several = f" in {port['ports']} ports" if port.get("ports", 1) > 1 else ""
    peak = model.port_bits / 8 * model.clock_hz
    rows = [
        _fact("port", f"{model.port_bits} bits{several} at {model.clock_hz / 1e6:g} MHz: "
              f"{peak / 1e9:.3g} GB/s at its peak", "assumed"),
        _fact("sustained", f"{model.bandwidth / 1e9:.3g} GB/s, {share(model.bandwidth, peak)} "
              "of the peak", "modelled"),
        _fact("latency", f"{model.latency} cycles until a read answers", "assumed"),
        _fact("refresh", f"{model.refresh_cycles} of {model.refresh_interval} cycles", "assumed")
        if model.refresh_interval else None,
        _fact("bursts", f"up to {port['burst']} words, {port['outstanding']} in flight", "design")
        if {"burst", "outstanding"} <= port.keys() else None,
        _fact("prefetch", f"{port['prefetch']} beats of weights wait before the multipliers",
              "design") if "prefetch" in port else None,
    ]  # fmt: skip
    if "words" in report.traffic:
        octets = report.traffic["words"] * model.port_bits // 8
        per_token = octets / max(len(report.cycles["per_token"]), 1)
        used = share(report.traffic["words"], report.cycles["measured"])
        rows.append(_fact("read", f"{octets:,} bytes, {per_token:,.0f} a token; a word moves in "
                          f"{used} of the cycles", "simulated"))  # fmt: skip
    return section(
        _limit(report),
        "The port moves at most one word a cycle, and each unit does at most one beat: no "
        "schedule is faster than the longest bar.",
        _bounds(report),
        tag("table", rows, class_="facts"),
        tags=_tags(report.cycles.get("units") or {}),
    )


def quantization(report: RunReport) -> Html:
    """The error of each layer, or that there is nothing to hold the integers against."""
    found = report.quantization
    layers = found.get("layers") if found else None
    if not layers:
        return section(
            "What quantization moves is not known: there is no float network",
            "The checkpoint has integers alone. `puffadder accuracy` measures the recipe that made "
            "them on the float checkpoint.",
            tags=[],
        )
    first, last = layers[0]["rms_relative"], layers[-1]["rms_relative"]
    reach = 3.5 * max(layer["rms_relative"] for layer in layers) or 1.0
    title = (
        f"Quantization moves the residual stream by {_percent(last)} of its RMS"
        if len(layers) == 1
        else f"Quantization moves the residual stream by {_percent(first)} of its RMS after the "
        f"first layer, by {_percent(last)} after the last"
    )
    plots = [
        figures.histogram(
            found["bins"], layer["counts"], reach,
            f"layer {at}: RMS {_percent(layer['rms_relative'])}, "
            f"mean {_percent(layer['mean_relative'], '+')}",
        )
        for at, layer in enumerate(layers)
    ]  # fmt: skip
    return section(
        title,
        f"The integer network's value minus the float network's, over {found['tokens']} tokens "
        "of this run, relative to the RMS of the float values after the same layer. A mean off "
        "zero would be a bias, which rounding should not have. Each figure has its own height.",
        tag("div", plots, class_="grid-of"),
        tags=["measured"],
    )


def resources(report: RunReport) -> Html | None:
    """On-chip memory by what it holds."""
    if not report.resources:
        return None
    sizes = sorted(report.resources.items(), key=lambda item: -item[1])
    total, largest = sum(size for _, size in sizes), sizes[0]
    if len(sizes) > MOST_MEMORIES:
        others = sum(size for _, size in sizes[MOST_MEMORIES - 1 :])
        name = f"{len(sizes) - MOST_MEMORIES + 1} others"
        sizes = [*sizes[: MOST_MEMORIES - 1], (name, others)]
    rows = [
        tag("tr", tag("th", name), tag("td", f"{size:,}", class_="number"),
            tag("td", share(size, total), class_="number"),
            tag("td", figures.share_bar(size, largest[1], "busy"), class_="bar"))
        for name, size in sizes
    ]  # fmt: skip
    return section(
        f"On-chip memory holds {total / 8 / 1024:,.1f} KiB; {share(largest[1], total)} of it is "
        f"{largest[0]}",
        "Bits by what they hold, the largest first.",
        tag("table", tag("tr", *(tag("th", name) for name in ("", "bits", "share", ""))), rows,
            class_="facts"),
        tags=["modelled"],
    )  # fmt: skip


def rotation(report: RunReport) -> Html | None:
    """What the online rotation costs."""
    price, cycles = report.rotation, report.cycles.get("predicted")
    if not price or cycles is None:
        return None
    without = price["cycles_without"]
    rows = [
        _fact("cycles", f"{cycles - without:,} more than the {without:,} of the same design "
              f"without it, {(cycles - without) / without:+.2%}", "modelled"),
        _fact("LUTs", f"{price['unit_luts']:,} in its unit, memories of LUTs included", "modelled"),
        _fact("registers", f"{price['unit_registers']:,}", "modelled"),
        _fact("memory", f"{price['unit_bits']:,} bits", "modelled"),
    ]  # fmt: skip
    return section(
        f"Rotating out_proj's input online costs {(cycles - without) / without:.2%} of the "
        f"cycles and {price['unit_luts']:,} LUTs",
        "A Hadamard transform between the gated norm and out_proj spreads outliers over all "
        f"channels before they meet few bits. Its unit is mapped by Yosys for {price['target']}; "
        "the cycles are the engine's, with it and without.",
        tag("table", rows, class_="facts"),
        tags=["modelled"],
    )


def details(report: RunReport) -> Html:
    """The network, the design and the device, and what the simulation took."""
    tables = [
        _mapping("network", report.model),
        _mapping("design", report.design),
        _mapping("device", report.device) if report.device else None,
        _mapping("simulation, measured on this machine", report.simulation),
    ]
    return tag("section", tag("h2", "What was run"), tag("div", tables, class_="tables"))


def legend(words: list[str]) -> Html:
    """Activities with their colours and meanings."""
    meanings = {at.word: meaning for at, meaning in MEANINGS.items()}
    return tag(
        "ul",
        [
            tag("li", tag("i", class_=f"swatch {word}"), tag("b", _words(word)), " ",
                meanings[word])
            for word in words
        ],
        class_="legend",
    )  # fmt: skip


def _fact(name: str, text: str, kind: str) -> Html:
    return tag("tr", tag("th", name), tag("td", text), tag("td", chip(kind)))


def _why(match: dict[str, Any]) -> list[Html]:
    """What is wrong beside the count of codes."""
    told = []
    if match["first"]:
        told.append(f"First: {first_difference(match['first'])}.")
    if match.get("read_error"):
        told.append(f"The memory was asked for what it does not hold: {match['read_error']}.")
    return [tag("p", line) for line in told]


def _clock(report: RunReport) -> str:
    return f"an assumed {report.memory['clock_hz'] / 1e6:g} MHz"


def _error(cycles: dict[str, Any]) -> str:
    error = cycles["relative_error"]
    return "exactly that" if not error else f"{100 * error:+.3f}%"


def _cells(unit: str, sides: dict[str, dict[str, int]], side: str, words: list[str]) -> list[Html]:
    possible, cycles = {at.word for at in UNITS[unit]}, sides[side]
    total = sum(cycles.values())
    return [
        tag("td", f"{cycles.get(word, 0):,} ", tag("small", share(cycles.get(word, 0), total)),
            class_="number" if cycles.get(word) else "number none")
        if word in possible else tag("td")
        for word in words
    ]  # fmt: skip


def _busiest(by_unit: UnitCycles) -> tuple[str, dict[str, int]]:
    """The unit that is busy in the most cycles, and its cycles."""
    rows = {unit: sides.get("measured", sides.get("predicted", {}))
            for unit, sides in by_unit.items()}  # fmt: skip
    return max(rows.items(), key=lambda row: row[1].get("busy", 0))


def most_to_do(by_unit: UnitCycles) -> str:
    """Who has most to do, and what it waits for most."""
    unit, cycles = _busiest(by_unit)
    total = sum(cycles.values())
    stalls = {word: count for word, count in cycles.items() if word != "busy" and count}
    title = f"{unit} has most to do, busy in {share(cycles.get('busy', 0), total)} of the cycles"
    if not stalls:
        return title
    worst = max(stalls, key=lambda word: stalls[word])
    return f"{title}; what costs it most is {_words(worst)}, {share(stalls[worst], total)}"


def _agreement(by_unit: UnitCycles) -> str:
    both = [unit for unit, sides in by_unit.items() if len(sides) == 2]
    if not both:
        return f"All numbers are {_sides(by_unit)}."
    differ = differing(by_unit)
    if not differ:
        return f"The prediction is equal to the cycle for all {len(both)} units."
    return (
        f"The prediction is equal to the cycle for {len(both) - len(differ)} of {len(both)} "
        "units; for the others it has a row of its own."
    )


def _sides(by_unit: UnitCycles) -> str:
    """Which sides there are, in the order of their bars."""
    found = {side for sides in by_unit.values() for side in sides}
    return " above ".join(side for side in figures.SIDES if side in found)


def _tags(by_unit: UnitCycles) -> list[str]:
    sides = {side for unit in by_unit.values() for side in unit}
    kinds = {"measured": "simulated", "predicted": "modelled"}
    return [kind for side, kind in kinds.items() if side in sides]


def _busy(report: RunReport) -> dict[str, float]:
    """Busy cycles a token of the units in BOUNDS."""
    by_unit = report.cycles.get("units") or {}
    tokens = max(len(report.cycles["per_token"]), 1)
    found = {}
    for unit in BOUNDS:
        sides = by_unit.get(unit, {})
        if cycles := sides.get("measured") or sides.get("predicted"):
            found[unit] = cycles.get("busy", 0) / tokens
    return found


def _limit(report: RunReport) -> str:
    busy = _busy(report)
    if not busy:
        return "Memory"
    unit = max(busy, key=lambda unit: busy[unit])
    per_token = report.cycles["measured"] / max(len(report.cycles["per_token"]), 1)
    return f"What limits a token is {BOUNDS[unit]}: alone it takes " + (
        f"{share(busy[unit], per_token)} of the cycles"
    )


def _bounds(report: RunReport) -> Html | None:
    busy = _busy(report)
    if not busy:
        return None
    per_token = report.cycles["measured"] / max(len(report.cycles["per_token"]), 1)
    rows = [("the token", per_token, "fill"), *((BOUNDS[u], busy[u], "busy") for u in busy)]
    return tag(
        "table",
        tag("tr", tag("th"), tag("th", "cycles a token"), tag("th", "of the token's"), tag("th")),
        [
            tag("tr", tag("th", name), tag("td", f"{cycles:,.0f}", class_="number"),
                tag("td", share(cycles, per_token), class_="number"),
                tag("td", figures.share_bar(cycles, per_token, kind), class_="bar"))
            for name, cycles, kind in rows
        ],
        class_="facts",
    )  # fmt: skip


def _mapping(title: str, mapping: dict[str, Any]) -> Html:
    rows = [
        tag("tr", tag("th", name), tag("td", _shown(value)))
        for name, value in _flat(mapping).items()
    ]
    return tag("div", tag("h3", title), tag("table", rows, class_="facts"))


def _flat(mapping: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Mappings within mappings as one, with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in mapping.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _percent(value: float, sign: str = "") -> str:
    return f"{100 * value:{sign}.2g}%"


def _words(word: str) -> str:
    return word.replace("_", " ")
