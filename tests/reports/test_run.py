"""The main job: checkpoints of any shape on generated accelerators, every logit code compared."""

import json
import re
from pathlib import Path

import pytest

from codegen.designs import find_design
from hwsim.memory import MemoryModel
from models.beats import fixed_beat
from models.checkpoints.reader import read_checkpoint
from models.errors import InputError
from models.formats import Fixed
from models.networks.mamba2 import Network
from reports import run as module
from reports import verdict
from reports.run import run, run_network

RECORDED = Path(__file__).parents[1] / "networks" / "recorded"


@pytest.mark.verilog
@pytest.mark.parametrize(
    ("model", "overrides"),
    [
        ("groups", ("precision=w8a8",)),
        ("odd", ("precision.group=4", "matvec.rows=8", "scan.states=4")),
    ],
    ids=["2_groups_biases", "heads_of_24_3_layers"],
)
def test_any_checkpoint_runs(model, overrides, tmp_path):
    shown = []
    prompt = "\x03\x11\x21\x07"
    report = run(str(RECORDED / model), "tiny", overrides, prompt, 3, tmp_path, shown.append)
    assert report.match == {
        "tokens": True,
        "logits": True,
        "compared": 6 * 40,
        "mismatches": 0,
        "first": None,
        "read_error": None,
    }
    assert len(report.tokens) == 3
    assert sum(report.cycles["per_token"]) <= report.cycles["measured"]
    written = (tmp_path / "report.json").read_text()
    assert json.loads(written, parse_constant=pytest.fail)["match"] == report.match  # no Infinity
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "accelerator.v",
        "image.bin",
        "report.html",
        "report.json",
        "trace.json",
    ]
    assert shown[-1].startswith("6 of 6 tokens")


@pytest.mark.verilog
@pytest.mark.parametrize(
    "memory",
    [
        MemoryModel(64, 200e6, latency=7, gap=0.4, jitter=30, seed=1),
        MemoryModel(64, 200e6, latency=150, fraction=0.3, refresh_interval=500, refresh_cycles=90),
    ],
    ids=["gaps", "slow"],
)
def test_no_memory_changes_a_code(memory, tmp_path):
    design = find_design("tiny", ("precision=w8a8",))
    parameters = read_checkpoint(RECORDED / "groups")
    report = run_network(parameters, design, [3, 17, 33], 2, tmp_path, print, memory)
    assert report.equal


@pytest.mark.verilog
def test_a_planted_difference_is_found(tmp_path, monkeypatch):
    """The reference is changed in one code: the accelerator must be told apart from it.

    Also when no unit can be named, here because there is no room for another build.
    """

    def refused(*given):
        raise InputError("the disk", "must have room, not none", "make some")

    class Changed(Network):
        def head(self, residual):
            logits = super().head(residual).copy()
            logits[..., 5] += 1
            return logits

    monkeypatch.setattr(verdict, "Network", Changed)
    monkeypatch.setattr(module, "diagnose", refused)
    overrides = ("precision=w8a8",)
    shown = []
    report = run(str(RECORDED / "groups"), "tiny", overrides, "\x01\x02", 1, tmp_path, shown.append)
    assert not report.equal
    assert shown[-1] == "the unit cannot be named: the disk must have room, not none; make some"
    assert report.match["mismatches"] == 2
    first = report.match["first"]
    assert (first["token"], first["index"]) == (0, 5)
    assert first["expected"] == first["received"] + 1
    assert "\nDIFFERENT\n" in report.to_text()


def test_a_token_whose_logits_are_cut_off_is_not_compared():
    beat = fixed_beat(4, y=Fixed(24, 12))
    words = [f"{word:x}" for word in beat.pack(y=list(range(24)))]  # 2 tokens of 10, padded to 12
    assert verdict._logits(beat, words, 10).tolist() == [list(range(10)), list(range(12, 22))]
    assert verdict._logits(beat, words[:-1], 10).tolist() == [list(range(10))]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "prompt must have at least one byte, not none; give a prompt"),
        (
            "\x01A",
            "prompt: byte 1 must be below the vocabulary's 40, not 65; "
            "give a prompt that the network's tokens can spell",
        ),
    ],
)
def test_refuses_a_prompt(prompt, message, tmp_path):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        run(str(RECORDED / "groups"), "tiny", (), prompt, 1, tmp_path, print)
    assert not list(tmp_path.iterdir())
