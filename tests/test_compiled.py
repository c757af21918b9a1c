"""Compiled functions are kept, and made anew when a file that they are made from has changed."""

import shutil
import subprocess
import sys

import pytest

from models import compiled

ENTRY = """
from models.compiled import compiled
from models.far import triple

@compiled()
def tripled(value):
    return triple(value)

told = tripled(7)
print(told, sum(tripled.stats.cache_hits.values()))
"""
FAR = "from models.compiled import inlined\nfrom models.farther import FACTOR\n" + (
    "\n@inlined\ndef triple(value):\n    return FACTOR * value\n"
)


@pytest.fixture
def project(tmp_path):
    files = {"entry": ENTRY, "far": FAR, "farther": "FACTOR = 2\n", "__init__": ""}
    (tmp_path / "models").mkdir()
    for name, text in files.items():
        (tmp_path / "models" / f"{name}.py").write_text(text)
    shutil.copy(compiled.__file__, tmp_path / "models")
    return tmp_path


def test_code_is_kept_until_a_constant_two_imports_away_changes(project):
    run = [sys.executable, "-m", "models.entry"]
    told = [subprocess.check_output(run, cwd=project, text=True) for _ in range(2)]
    assert told == ["14 0\n", "14 1\n"]
    (project / "models" / "farther.py").write_text("FACTOR = 3\n")
    assert subprocess.check_output(run, cwd=project, text=True) == "21 0\n"


def test_what_is_kept_of_a_type_that_is_no_more_is_made_anew(project):
    entry, far = project / "models" / "entry.py", project / "models" / "far.py"
    entry.write_text(
        "from models.compiled import compiled\nfrom models.far import Two\n\n@compiled()\n"
        "def first(pair):\n    return pair[0]\n\nprint(first(Two(3, 4)))\n"
    )
    for name in ("Two", "Both"):
        far.write_text("from typing import NamedTuple\n\n" + f"class {name}(NamedTuple):\n")
        with far.open("a") as file:
            file.write("    one: int\n    other: int\n")
        entry.write_text(entry.read_text().replace("Two", name))
        run = [sys.executable, "-m", "models.entry"]
        assert subprocess.check_output(run, cwd=project, text=True) == "3\n"
