"""Reproduce: the kept page is what the model says now, and all of its forms say the same."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import puffadder
from hwsim.published import names
from reports import reproduce as module
from reports.reproduce import ORDER, reproduce

PAGE = Path(module.__file__).with_suffix(".md")


@pytest.fixture(scope="module")
def found():
    return reproduce()


def test_the_kept_page_is_fresh(found):
    way_out = "run `puffadder reproduce --markdown > reports/reproduce.md`"
    assert PAGE.read_text() == found.to_markdown(), way_out


def test_every_published_design_is_told(found):
    assert sorted(ORDER) == names()
    text = found.to_text()
    assert all(name in text for name in names())
    assert max(map(len, text.splitlines())) <= 140


def test_json_has_what_the_page_has(found):
    told = json.loads(found.to_json())
    rows = {row["name"]: row for row in told["designs"]}
    speed = rows["lightmamba-vck190-w4a4"]["numbers"]["tokens_per_second"]
    assert speed["difference"] == pytest.approx(speed["model"] / speed["paper"] - 1)
    assert rows["rtx-2070"]["numbers"]["watts"] == {"paper": 175, "model": None, "difference": None}
    assert rows["fastmamba"]["knew"]
    assert rows["lightmamba-vck190-w8a8"]["ours"]["tokens_per_second"] > speed["model"] / 2
    assert told["energy"]["errors"].keys() == {
        *told["energy"]["model"]["fitted_on"], *told["energy"]["model"]["checked_on"]
    }  # fmt: skip


def test_which_designs_were_fitted_is_told_everywhere(found):
    for text in (found.to_text(), found.to_markdown()):
        flat = " ".join(text.split())
        assert "energy fitted on lightmamba-vck190-w4a4" in flat
        assert "left out of the fit: lightmamba-vck190-w8a8" in flat


@pytest.mark.parametrize(("option", "start"), [("--json", "{"), ("--markdown", "# Published")])
def test_command(option, start, found, monkeypatch):
    monkeypatch.setattr(module, "reproduce", lambda: found)
    answer = CliRunner().invoke(puffadder.app, ["reproduce", option])
    assert answer.exit_code == 0
    assert answer.stdout.startswith(start)
