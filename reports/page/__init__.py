"""The page of a run: one HTML file that needs nothing else."""

from importlib.metadata import version
from pathlib import Path

from reports.page import sections
from reports.page.html import Html, tag
from reports.run_report import RunReport

STYLE = Path(__file__).with_name("page.css")
KINDS = {
    "simulated": "counted in the generated hardware, in Verilator",
    "modelled": "predicted, without the hardware",
    "measured": "on the machine that ran this",
    "assumed": "given, not looked at",
    "design": "chosen in the design file",
}


def render(report: RunReport) -> str:
    """The page as text; without what the report does not have."""
    title = f"{report.model['layers']}-layer Mamba-2 on design {report.design['name']}"
    content = [
        tag("header", tag("h1", title), tag("p", _subtitle(report), class_="note")),
        sections.summary(report),
        sections.units(report),
        sections.token(report),
        sections.tokens(report),
        sections.memory(report),
        sections.quantization(report),
        sections.rotation(report),
        sections.resources(report),
        sections.details(report),
        _footer(report),
    ]
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        tag("title", f"puffadder run: {title}"),
        tag("style", Html(STYLE.read_text())),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, tag("body", content), lang="en") + "\n"


def _subtitle(report: RunReport) -> str:
    shape, device = report.model, report.device.get("name")
    return (
        f"d_model {shape['d_model']}, {shape['heads']} heads of {shape['head_dim']}, state "
        f"{shape['state']}, vocabulary {shape['vocab']:,}; "
        + (f"device {device}" if device else "no device named")
    )


def _footer(report: RunReport) -> Html:
    kinds = [[tag("dt", sections.chip(kind)), tag("dd", told)] for kind, told in KINDS.items()]
    return tag(
        "footer",
        tag("dl", kinds),
        tag("p", f"Made by puffadder {version('puffadder')}, `puffadder run`, from report.json's "
            f"numbers; design {report.design['name']}."),
    )  # fmt: skip
