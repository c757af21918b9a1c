"""Lint: what Verilator and the synthesis of Yosys have to say about generated Verilog."""

import re
import subprocess
import tempfile
from pathlib import Path

from hwsim.devices.families import FamilyName
from reports.simulation import LINT, tools
from reports.synthesis import SYNTHESES, yosys

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


def synthesize(verilog: str, top: str, target: FamilyName) -> list[str]:
    """Problems that Yosys finds when it synthesizes for `target`, of SYNTHESES.

    Latches, drivers that conflict, nets without a driver, loops, and all other warnings.
    """
    return problems(yosys(verilog, f"{SYNTHESES[target]} -top {top}; check -assert"))


def check(verilog: str, top: str) -> list[str]:
    """Problems that Yosys finds before it maps to any target: a quick `synthesize`."""
    return problems(yosys(verilog, f"hierarchy -check -top {top}; proc; opt; check -assert"))


def problems(log: str) -> list[str]:
    """Lines of a log of Yosys that tell of something wrong, each once."""
    lines = [match[0] for match in (*LATCH.finditer(log), *_WARNING.finditer(log))]
    return [line for line in dict.fromkeys(lines) if not HARMLESS.fullmatch(line)]
