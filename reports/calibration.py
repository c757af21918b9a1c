"""Calibration from Vivado: utilization reports, and the factors between them and the model."""

import re
from pathlib import Path

import yaml

from codegen.designs import find_design
from codegen.files import write_whole
from hwsim.devices import device_of
from hwsim.logic import Logic, logic, total
from hwsim.logic.calibration import Calibration
from models.errors import InputError
from models.networks.machine import machine_config
from reports.estimate import shape_of
from reports.inputs import design_of, unheard

TOP = "accelerator"
ROWS = {
    "lut": ("CLB LUTs", "Slice LUTs", "LUTs"),
    "ff": ("CLB Registers", "Slice Registers", "Registers"),
    "dsp": ("DSPs", "DSP Slices", "DSP48E2", "DSP48E1"),
}
"""Site types of `report_utilization` by what is modelled, on the families of Xilinx (UG835)."""
COLUMNS = {"lut": ("Total LUTs",), "ff": ("FFs",), "dsp": ("DSP Blocks", "DSP48 Blocks", "DSPs")}
"""Columns of `report_utilization -hierarchical`."""
_DEVICE = re.compile(r"^\|? *Device *: *(\S+)", re.MULTILINE)
"""The chip with its package; earlier versions leave out the first letters of a part, xc."""
WAY_OUT = "give the text of Vivado's report_utilization, of the accelerator after synthesis"


def calibrate(model: str, design: str, overrides: tuple[str, ...], report: Path, out: Path) -> str:
    """Factors from the model to a utilization `report` of that network and design, kept in `out`.

    Returns what was modelled and what was reported, as text. Raises InputError for everything wrong
    in what is named, and for a report without the counts.
    """
    chosen = design_of(model, find_design(design, overrides), overrides, unheard)
    device = device_of(chosen)
    family = device.family if device else "ultrascale_plus"
    modelled = total(logic(machine_config(shape_of(model), chosen), family))
    reported = read_utilization(report, device.part if device else "")
    source = f"{report.name}, {model} on design {chosen.name}"
    found = _factors(modelled, reported, f"{report}")
    factors = Calibration(source=source, family=family, **found)
    write_whole(out, yaml.safe_dump(factors.model_dump(), sort_keys=False).encode())
    lines = [f"{'':8}{'modelled':>12}{'reported':>12}{'factor':>10}"]
    lines += [
        f"{name:8}{getattr(modelled, name):12,}{getattr(reported, name):12,}"
        f"{getattr(factors, name):10.3f}"
        for name in ROWS
    ]
    return "\n".join([*lines, f"{out}"])


def _factors(modelled: Logic, reported: Logic, place: str) -> dict[str, float]:
    """Reported by modelled; 1 for DSPs where none are modelled."""
    found = {}
    for name in ROWS:
        ours, theirs = getattr(modelled, name), getattr(reported, name)
        if ours and not theirs:
            raise InputError(f"{place}: {name}", f"must be more than 0 where {ours:,} are modelled",
                             "give the report of a design that was synthesized whole")  # fmt: skip
        found[name] = float(f"{theirs / ours:.6g}") if ours else 1.0
    return found


def read_utilization(path: Path, part: str = "") -> Logic:
    """LUTs, registers and DSPs of a report of Vivado's `report_utilization`, flat or hierarchical.

    Raises InputError naming the file and what it does not have, and where it says that it is of
    another chip than `part`.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        rule = f"must be a text that can be read: {getattr(error, 'strerror', None) or error}"
        raise InputError(f"{path}", rule, WAY_OUT) from None
    chip, name = _DEVICE.search(text), part.lower()
    if chip and not chip[1].lower().startswith((name, name.removeprefix("xc"))):
        rule = f"must be of {part} as the board's, not {chip[1]}"
        raise InputError(f"{path}: Device", rule, "name the board that it is of: `device=kv260`")
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    found = _hierarchical(table) or _flat(table)
    missing = [ROWS[name][0] for name in ROWS if name not in found]
    if missing:
        raise InputError(f"{path}", f"must have rows for {', '.join(missing)}", WAY_OUT)
    return Logic(**{name: _count(text, f"{path}: {name}") for name, text in found.items()})


def _flat(table: list[list[str]]) -> dict[str, str]:
    """The used count of each site type; the first row of it is that of the whole."""
    found: dict[str, str] = {}
    for row in table:
        # Vivado marks a row that has a footnote with an asterisk.
        site = row[0].rstrip("*").strip() if len(row) > 1 else ""
        for name, sites in ROWS.items():
            if site in sites:
                found.setdefault(name, row[1])
    return found


def _hierarchical(table: list[list[str]]) -> dict[str, str]:
    """The counts of the instance of module `accelerator`, or of the topmost one."""
    header = next((row for row in table if row[:2] == ["Instance", "Module"]), None)
    if header is None:
        return {}
    rows = [row for row in table[table.index(header) + 1 :] if len(row) == len(header)]
    chosen = next((row for row in rows if row[1] == TOP), rows[0] if rows else None)
    if chosen is None:
        return {}
    return {
        name: chosen[header.index(title)]
        for name, titles in COLUMNS.items()
        for title in titles
        if title in header
    }


def _count(text: str, place: str) -> int:
    if not re.fullmatch(r"\d[\d,]*(\.\d+)?", text):
        raise InputError(place, f"must be a number, not {text!r}", WAY_OUT)
    return int(float(text.replace(",", "")))
