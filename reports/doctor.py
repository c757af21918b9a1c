"""Doctor: what puffadder needs of this machine, what of it is there, and how to get the rest."""

import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
INSTALL = ".venv/bin/pip install -e"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
"""Names of the program that draws pages."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for; `found` is its version, or None when it is not there."""

    name: str
    purpose: str
    found: str | None
    wanted: str  # versions that will do, empty when any will
    required: bool
    way_out: str  # how to get it

    @property
    def ok(self) -> bool:
        if self.found is None or not self.wanted:
            return self.found is not None
        return SpecifierSet(self.wanted).contains(self.found, prereleases=True)

    @property
    def state(self) -> str:
        if self.ok:
            return "ok"
        wrong = "missing" if self.found is None else "unfit"
        return wrong if self.required else f"{wrong}, optional"


@dataclass(frozen=True)
class Health:
    """All findings; a machine is healthy when everything required is there."""

    findings: list[Finding]

    @property
    def healthy(self) -> bool:
        return all(finding.ok for finding in self.findings if finding.required)

    def to_json(self) -> str:
        rows = [asdict(each) | {"ok": each.ok} for each in self.findings]
        return json.dumps({"healthy": self.healthy, "findings": rows}, indent=2)

    def to_text(self) -> str:
        """A line for each finding, what is missing with its way out, and a verdict."""
        width = max(len(finding.name) for finding in self.findings)
        lines = [_line(finding, width) for finding in self.findings]
        verdict = "everything required is there"
        if not self.healthy:
            missing = [each.name for each in self.findings if each.required and not each.ok]
            verdict = f"not ready: {', '.join(missing)}"
        return "\n".join([*lines, "", verdict])


def _line(finding: Finding, width: int) -> str:
    found = finding.found or ""
    note = f"{finding.purpose}; {finding.way_out}"
    if finding.ok:
        note = finding.purpose
    elif finding.found is not None:
        note = f"must be {finding.wanted}; {finding.way_out}"
    return f"{finding.state:18}{finding.name:{width}}  {found:16}  {note}".rstrip()


def examine() -> Health:
    """Look for everything that `pyproject.toml` names and for the system's tools."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return Health(
        [
            _python(project["requires-python"]),
            *_system(),
            *_packages(project["dependencies"], True, "needed to run", "."),
            *_packages(extras["test"], False, "needed by `make test`", "'.[test]'"),
            *_packages(extras["train"], False, "trains, checks the oracle live", "'.[train]'"),
            _chromium(),
        ]
    )


def _python(wanted: str) -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    way_out = f"install Python {wanted} and run `make PYTHON=python3.11 test` with its name"
    return Finding("Python", "runs puffadder", found, wanted, True, way_out)


def _system() -> list[Finding]:
    tools = {
        "c++": ("compiles simulations", "g++", ["--version"]),
        "make": ("builds simulations", "make", ["--version"]),
        "perl": ("runs Verilator's front end", "perl", ["-e", "print substr($^V, 1)"]),
    }
    findings = [
        Finding(tool, purpose, _version(tool, arguments), "", True, f"run `apt-get install {name}`")
        for tool, (purpose, name, arguments) in tools.items()
    ]
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
    way_out = f"run `apt-get install {name}`, or use a Python built with --enable-shared"
    purpose = "runs test benches inside the simulator"
    return [*findings, Finding(name, purpose, _libpython(), "", True, way_out)]


def _version(tool: str, arguments: list[str]) -> str | None:
    """The last word of the first line that a tool answers, or None when it is not there."""
    path = shutil.which(tool)
    if path is None:
        return None
    try:
        answer = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = answer.stdout.partition("\n")[0].split()
    return words[-1] if answer.returncode == 0 and words else None


def _libpython() -> str | None:
    try:
        from find_libpython import find_libpython
    except ImportError:  # comes with cocotb, which is then missing too
        return None
    return ".".join(map(str, sys.version_info[:2])) if find_libpython() else None


def _packages(names: list[str], required: bool, purpose: str, what: str) -> list[Finding]:
    way_out = f"run `{INSTALL} {what}`"
    return [
        Finding(each.name, purpose, _installed(each.name), str(each.specifier), required, way_out)
        for each in map(Requirement, names)
    ]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _chromium() -> Finding:
    found = [version for name in BROWSERS if (version := _version(name, ["--product-version"]))]
    purpose, way_out = "renders reports as pictures", "run `apt-get install chromium`"
    return Finding("chromium", purpose, next(iter(found), None), "", False, way_out)
