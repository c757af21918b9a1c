"""What every page is made of: one HTML file that needs nothing else, its sections, its footer."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from reports.page.html import Child, Html, tag

STYLE = Path(__file__).with_name("page.css")
KINDS = {
    "simulated": "counted in the generated hardware, in Verilator",
    "modelled": "predicted, without the hardware",
    "measured": "on the machine that ran this",
    "assumed": "given, not looked at",
    "cited": "from a source that the board's file names",
    "design": "chosen in the design file",
}
"""How a number came to be."""


def document(title: str, *content: Child) -> str:
    """The whole page as text."""
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        tag("style", Html(STYLE.read_text())),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, tag("body", content), lang="en") + "\n"


def section(title: str, note: str, *content: Child, tags: Sequence[str]) -> Html:
    """A heading that says what is to be seen, with how it is known, and what shows it."""
    chips = [[" ", chip(kind)] for kind in tags]
    return tag("section", tag("h2", title, chips), tag("p", note, class_="note"), *content)


def chip(kind: str) -> Html:
    """How a number came to be."""
    return tag("span", kind, class_=f"chip {kind}")


def tile(number: str, unit: str, kind: str, note: str) -> Html:
    """A number to be seen first, how it is known, and what is to be said of it."""
    return tag("div", tag("div", tag("strong", number), " ", unit, " ", chip(kind)),
               tag("small", note))  # fmt: skip


def footer(maker: str, kinds: Sequence[str]) -> Html:
    """What the chips of `kinds` mean, and what made the page: a command, and of what."""
    told = [[tag("dt", chip(kind)), tag("dd", KINDS[kind])] for kind in kinds]
    made = f"Made by puffadder {version('puffadder')}, {maker}."
    return tag("footer", tag("dl", told), tag("p", made))
