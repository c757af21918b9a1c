"""The page of an exploration: its front to play with, its winners, and why the others are not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codegen.files import write_whole
from reports.explore.knobs import text_of
from reports.page import winner
from reports.page.designs import Told, prefixed, scatter_of
from reports.page.document import KINDS, document, footer, section, tile
from reports.page.figures import share_bar
from reports.page.html import Html, tag
from reports.page.layers import percent
from reports.page.pictures import write_figures
from reports.page.scatter import SCRIPT, Scatter, for_script, readable, scatter
from reports.run_report import share

MOST_ROWS = 40
"""Of the table of the front; all of it is in front.csv."""
SPEED = "tokens_per_second"
PAGE, FIGURES = "explore.html", "figures"


def write(told: Told, folder: Path, pictures: bool = True) -> list[Path]:
    """Write the page and its figures into `folder`; returns the files.

    told      what explore.json holds
    pictures  whether figures are drawn as PNG, too, where there is a browser to do so
    """
    write_whole(folder / PAGE, render(told).encode())
    return [folder / PAGE, *write_figures(figures(told), folder / FIGURES, pictures)]


def render(told: Told) -> str:
    """The page as text."""
    title, designs = headline(told), scatter_of(told)
    drawn = _of_winners(told)
    return document(
        f"puffadder explore: {title}",
        tag("header", tag("h1", title), tag("p", _subtitle(told), class_="note")),
        summary(told),
        front(told, designs, scatter(designs, *_axes(designs))),
        reasons(told),
        stages(told),
        [winner.sections(told, each, drawn) for each in told["winners"]],
        footer(f"`{told['command']}`, from explore.json's numbers", _kinds(told)),
        tag("script", Html(SCRIPT.read_text())),
    )  # fmt: skip


def figures(told: Told) -> dict[str, Html]:
    """Every figure of the page by its name; those of a winner with its network's, if several."""
    designs = scatter_of(told)
    return {"front": scatter(designs, *_axes(designs), named=True)} | _of_winners(told)


def headline(told: Told) -> str:
    """What was found, with its numbers."""
    name = told["space"]["objectives"][0]
    found = [f"{each['network']}: {_looked_at(told, name, each)[0]}" for each in told["winners"]]
    designs = f"the best of {told['space']['looked_at']:,} designs"
    return f"{'; '.join(found)}, {designs}" if found else f"None is {designs}"


def number(told: Told, name: str, value: float | None) -> str:
    """A value of a measure with its unit."""
    if value is None:
        return "unknown"
    by, unit = prefixed(told["measures"][name]["unit"], abs(value))
    return f"{readable(value / by)} {unit}"


def summary(told: Told) -> Html:
    """What the winners reach."""
    tiles = []
    for each in told["winners"]:
        for name in dict.fromkeys([*told["space"]["objectives"], SPEED]):
            text, kind, basis = _looked_at(told, name, each)
            value, _, unit = text.partition(" ")
            note = f"{told['measures'][name]['label']} of {each['network']}, by the {basis}"
            tiles.append(tile(value, unit, kind, note))
    run = told["run"]
    if run:
        known = told["space"]["looked_at"] - run["computed"]
        note = f"{run['computed']:,} designs computed, {known:,} known before"
        tiles.append(tile(f"{run['seconds']:,.1f}", "s", "measured", note))
    return tag("section", tag("div", tiles, class_="tiles"))


def _looked_at(told: Told, name: str, winner: Told) -> tuple[str, str, str]:
    """A measure of a winner with its unit, by the last stage that has it, and how it is known."""
    known = told["measures"][name] | {"value": winner["measures"].get(name)}
    if name == SPEED:
        known |= winner[SPEED]
    return number(told, name, known["value"]), known["tag"], known["basis"]


def front(told: Told, drawn: Scatter, figure: Html) -> Html:
    """The scatter with what turns it, and the front as a table."""
    count, objectives = len(told["front"]), told["space"]["objectives"]
    told_of = ", ".join(told["measures"][name]["label"] for name in objectives)
    title = f"{count:,} designs are on the front: none is better than these in {told_of}"
    if count == 1:
        title = f"One design is the best in {told_of}"
    across, up = _axes(drawn)
    options = [
        [tag("option", each.name, value=at, selected="" if at == chosen else None)
         for at, each in enumerate(drawn.quantities)]
        for chosen in (across, up)
    ]  # fmt: skip
    selects = [
        tag("label", f"{name} ", tag("select", each), " ")
        for name, each in zip(("across", "up"), options, strict=True)
    ]
    return tag(
        "div",
        section(
            title,
            f"Every point is a design, {len(drawn.of):,} of {told['space']['points']:,}; a line "
            "is what a network's front reaches in these two. Point at a design to see it; choose "
            "it with a click, or with the arrow keys along the front, for its command line. "
            "front.csv has the whole front.",
            tag("form", selects, class_="axes", hidden=""),
            _legend(drawn),
            tag("div", tag("div", figure, class_="wide"), tag("div", class_="beside", hidden=""),
                class_="turned"),
            tag("output", class_="told"),
            _table(told),
            for_script(drawn),
            tags=sorted({measure["tag"] for measure in told["measures"].values()}),
        ),
        id="front",
    )  # fmt: skip


def reasons(told: Told) -> Html:
    """How many designs each reason rejects."""
    every = sorted(told["reasons"], key=lambda each: -each["points"])
    total = told["space"]["points"]
    worst = next((each for each in every if each["kind"] != "front"), None)
    title = "Nothing is rejected"
    if worst:
        title = f"What rejects most designs, {share(worst['points'], total)}: {worst['text']}"
    rows = [
        tag("tr", tag("th", each["text"]), tag("td", f"{each['points']:,}", class_="number"),
            tag("td", share(each["points"], total), class_="number"),
            tag("td", share_bar(each["points"], total, "busy"), class_="bar"))
        for each in every if each["points"]
    ]  # fmt: skip
    return section(
        title,
        "Each design has one reason, the first that applies: the network's and the board's rules "
        "come before the constraints, in their order, and these before what others do better.",
        tag("table", rows, class_="facts"),
        tags=["modelled"],
    )


def stages(told: Told) -> Html | None:
    """What each stage says of the one before."""
    rows = [_stage(each) for each in told["stages"]]
    compared = [each for each in told["stages"] if each.get("against")]
    title = "No stage after the first was asked for"
    if compared:
        parts = [f"{each['name']} {_disagreement(each)}" for each in compared]
        title = f"Each stage against the one before: {'; '.join(parts)}"
    names = ("stage", "designs", "left", "what is compared", "against", "median", "worst")
    return section(
        title,
        "The closed form sees every design that is looked at; the engine, synthesis and simulation "
        "the first ones of the front, as many as the space asks for. What they differ by is the "
        "earlier number over the later one, less 1.",
        tag("table", tag("tr", [tag("th", name) for name in names]), rows, class_="facts"),
        tags=["modelled", *(["simulated"] if _simulated(told) else [])],
    )


def _subtitle(told: Told) -> str:
    space = told["space"]
    boards = ", ".join(told["boards"]) or "no board"
    within = f" within {', '.join(space['constraints'])}" if space["constraints"] else ""
    knobs = ", ".join(f"{name} ({len(values)})" for name, values in space["knobs"].items()
                      if len(values) > 1)  # fmt: skip
    return f"Space {told['name']} on {boards}{within}, from design {space['base']}. Knobs: {knobs}"


def _axes(drawn: Scatter) -> tuple[int, int]:
    """The second quantity across and the first up; the first alone when there is no other."""
    return min(1, len(drawn.quantities) - 1), 0


def _of_winners(told: Told) -> dict[str, Html]:
    drawn: dict[str, Html] = {}
    for each in told["winners"]:
        drawn |= winner.figures(told, each)
    return drawn


def _legend(drawn: Scatter) -> Html:
    """What the colours are; a script gives each a box to hide its designs."""
    told = [
        tag("li", tag("label", Html('<input type="checkbox" checked hidden>'), " ",
                      tag("i", class_=f"swatch {each.style}"), tag("b", each.name),
                      f" {each.count:,}"))
        for each in drawn.series
    ]  # fmt: skip
    return tag("ul", told, class_="legend")


def _table(told: Told) -> Html:
    """The first designs of the front, their measures and the knobs that differ."""
    points = told["front"][:MOST_ROWS]
    names = [name for name in told["measures"] if any(name in p["measures"] for p in points)]
    knobs = [name for name, values in told["space"]["knobs"].items() if len(values) > 1]
    heads = [told["measures"][name]["label"] for name in names]
    head = tag("tr", tag("th", "network"), [tag("th", each, class_="number") for each in heads],
               [tag("th", name) for name in knobs])  # fmt: skip
    rows = [
        tag("tr", tag("th", point["network"]),
            [tag("td", number(told, name, point["measures"].get(name)), class_="number")
             for name in names],
            [tag("td", text_of(point["knobs"].get(name, ""))) for name in knobs],
            class_="best" if point["winner"] else None)
        for point in points
    ]  # fmt: skip
    more = f", the first {len(points)}" if len(points) < len(told["front"]) else ""
    commands = "\n".join(point["command"] for point in points)
    return tag(
        "details",
        tag("summary", f"The front as a table{more}, and its command lines"),
        tag("div", tag("table", head, rows, class_="facts"), class_="wide"),
        tag("pre", commands, class_="text"),
    )


def _stage(stage: Told) -> Html:
    error: Mapping[str, Any] = stage.get("error") or {}
    cells = [
        f"{stage['points']:,}",
        f"{stage['left']:,}" if "left" in stage else "",
        f"{stage.get('quantity', '').replace('_', ' ')}",
        stage.get("against", ""),
        *(percent(error[name]) if name in error else "" for name in ("median", "worst")),
    ]
    basis = f", {stage['basis']}" if stage.get("basis") else ""
    return tag("tr", tag("th", stage["name"], basis),
               [tag("td", cell, class_="number" if at in (0, 1, 4, 5) else None)
                for at, cell in enumerate(cells)])  # fmt: skip


def _disagreement(stage: Told) -> str:
    if (equal := stage.get("equal")) is not None:
        return "equal, code for code" if equal else "NOT EQUAL, some codes differ"
    error = stage.get("error") or {}
    return f"at most {percent(abs(error['worst']))} off" if "worst" in error else "not compared"


def _kinds(told: Told) -> list[str]:
    """How the page's numbers are known, in the order of KINDS."""
    met = {measure["tag"] for measure in told["measures"].values()} | {"modelled", "design"}
    met |= ({"simulated"} if _simulated(told) else set()) | ({"measured"} if told["run"] else set())
    return [kind for kind in KINDS if kind in met]


def _simulated(told: Told) -> bool:
    return any(each["name"] == "Verilator" for each in told["stages"])
