"""The page of a run: one HTML file that needs nothing else."""

from reports.page import sections
from reports.page.document import KINDS, document, footer
from reports.page.html import tag
from reports.run_report import RunReport


def render(report: RunReport) -> str:
    """The page as text; without what the report does not have."""
    title = f"{report.model['layers']}-layer Mamba-2 on design {report.design['name']}"
    return document(
        f"puffadder run: {title}",
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
        footer("`puffadder run`, from report.json's numbers; design "
               f"{report.design['name']}", tuple(KINDS)),
    )  # fmt: skip


def _subtitle(report: RunReport) -> str:
    shape, device = report.model, report.device.get("name")
    return (
        f"d_model {shape['d_model']}, {shape['heads']} heads of {shape['head_dim']}, state "
        f"{shape['state']}, vocabulary {shape['vocab']:,}; quantized by recipe {shape['recipe']}; "
        + (f"device {device}" if device else "no device named")
    )
