"""Doctor: it finds what is there, and names what is not with the way to get it."""

import json
import sys
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from reports import doctor
from reports.doctor import Finding, Health, examine

PROJECT = tomllib.loads((doctor.ROOT / "pyproject.toml").read_text())["project"]


def finding(**changes):
    given = {
        "name": "numpy",
        "purpose": "needed to run",
        "found": "2.1.0",
        "wanted": "<3,>=2.0",
        "required": True,
        "way_out": "run `make`",
    }
    return Finding(**given | changes)


def by_name():
    return {each.name: each for each in examine().findings}


def test_this_machine_runs_the_tests_and_so_is_healthy():
    assert examine().healthy


def test_every_dependency_of_the_project_is_looked_for():
    extras = PROJECT["optional-dependencies"].values()
    named = [*PROJECT["dependencies"], *(name for extra in extras for name in extra)]
    found = by_name()
    for requirement in map(Requirement, named):
        assert found[requirement.name].wanted == str(requirement.specifier)
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert found[requirement.name].required
        assert found[requirement.name].found == metadata.version(requirement.name)


def test_the_tools_of_the_system_are_looked_for():
    found = by_name()
    libpython = f"libpython3.{sys.version_info.minor}"
    for name in ("Python", "c++", "make", "perl", libpython):
        assert found[name].required
        assert found[name].ok
        assert found[name].found[0].isdigit()
    assert not found["chromium"].required


@pytest.mark.parametrize(
    ("name", "command"),
    [("c++", "apt-get install g++"), ("make", "apt-get install make"), ("perl", "install perl")],
)
def test_a_missing_tool_is_named_with_its_package(name, command, monkeypatch):
    monkeypatch.setenv("PATH", "")
    health = examine()
    (missing,) = [each for each in health.findings if each.name == name]
    assert (missing.found, missing.state, health.healthy) == (None, "missing", False)
    assert command in missing.way_out


def test_a_tool_that_fails_is_not_taken_for_installed(tmp_path, monkeypatch):
    broken = tmp_path / "make"
    broken.write_text("#!/bin/sh\necho GNU Make 4.3\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert by_name()["make"].found is None


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    def version(name):
        if name == "numba":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    real = metadata.version
    monkeypatch.setattr(metadata, "version", version)
    health = examine()
    assert not health.healthy
    assert "missing           numba " in health.to_text()
    assert "needed to run; run `.venv/bin/pip install -e .`" in health.to_text()
    assert health.to_text().endswith("\nnot ready: numba")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ok"),
        ({"found": "3.0.0"}, "unfit"),
        ({"found": "1.26.4"}, "unfit"),
        ({"found": None}, "missing"),
        ({"found": None, "required": False}, "missing, optional"),
        ({"found": "3.0.0", "required": False}, "unfit, optional"),
        ({"found": "4.3-custom", "wanted": ""}, "ok"),
    ],
)
def test_versions_are_held_against_what_is_wanted(changes, state):
    assert finding(**changes).state == state


def test_only_what_is_required_decides():
    assert Health([finding(), finding(found=None, required=False)]).healthy
    assert not Health([finding(), finding(found=None)]).healthy


def test_an_unfit_version_is_told_with_the_versions_that_will_do():
    text = Health([finding(found="3.0.0")]).to_text()
    assert text == (
        "unfit             numpy  3.0.0             must be <3,>=2.0; run `make`\n"
        "\n"
        "not ready: numpy"
    )


def test_json_says_the_same():
    told = json.loads(Health([finding(found=None)]).to_json())
    assert told["healthy"] is False
    assert told["findings"][0]["name"] == "numpy"
    assert told["findings"][0]["ok"] is False
