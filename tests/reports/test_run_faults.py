"""A run that is killed, lacks something or reads amiss is told, and never taken for a whole one."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import puffadder
from codegen.image import Image
from models.errors import InputError
from reports import job
from reports import run as module
from reports.diagnose import Difference
from reports.job import Job
from reports.run import RESULTS, run
from tests.reports.examples import bare

ROOT = Path(__file__).parents[2]
MODEL = str(ROOT / "tests" / "networks" / "recorded" / "groups")
DESIGN = ("tiny", ("precision=w8a8",))


@pytest.fixture
def used(tmp_path):
    """A folder with what earlier runs left, one of them killed."""
    for name in RESULTS:
        (tmp_path / name).write_text("of an earlier run")
        (tmp_path / f"{name}.part").write_text("of a run that was killed")
    return tmp_path


def without_hardware(monkeypatch):
    monkeypatch.setattr(job, "Accelerator", lambda config: None)
    monkeypatch.setattr(job, "to_verilog", lambda component, top: "")


def test_results_of_an_earlier_run_go_when_the_next_begins(used, monkeypatch):
    def build(verilog, top):
        raise InputError("the disk", "must have room, not none", "make some")

    without_hardware(monkeypatch)
    monkeypatch.setattr(job, "build", build)
    with pytest.raises(InputError):
        run(MODEL, *DESIGN, "\x01\x02", 1, used, print)
    assert sorted(path.name for path in used.iterdir()) == ["accelerator.v", "image.bin"]


def test_results_of_an_earlier_run_stay_when_the_next_is_refused(used):
    with pytest.raises(InputError):
        run(MODEL, *DESIGN, "a byte outside the vocabulary", 1, used, print)
    assert len(list(used.iterdir())) == 2 * len(RESULTS)


@pytest.mark.verilog
@pytest.mark.parametrize("moment", ["quantizing", "compiling", "tokens: "])
def test_a_killed_run_is_finished_by_running_it_again(moment, used):
    command = [
        "run", MODEL, DESIGN[0], *DESIGN[1], "--prompt", "\x03\x11", "--tokens", "500",
        "--out", str(used),
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "puffadder", *command], stderr=subprocess.PIPE, text=True,
        cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    with process:
        reached = any(moment in line for line in process.stderr)
        os.killpg(process.pid, signal.SIGKILL)
    assert reached, "the run ended before it could be killed"
    # Until something new is written, what is there is whole and of the run before.
    assert (used / "report.json").exists() == (moment == "quantizing")
    report = run(MODEL, *DESIGN, "\x03\x11", 2, used, print)
    assert report.equal
    assert json.loads((used / "report.json").read_text())["tokens"] == report.tokens
    assert not list(used.glob("*.part"))


@pytest.mark.verilog
def test_reading_outside_of_the_image_is_told(tmp_path, monkeypatch):
    """The row of token 36 crosses a burst's boundary, and what follows there is not in memory."""
    whole, cut = Image.to_bytes, 4 * 512
    monkeypatch.setattr(Image, "to_bytes", lambda image: whole(image)[: image.embedding + cut])
    monkeypatch.setattr(module, "diagnose", lambda *given: None)
    report = run(MODEL, *DESIGN, "\x24\x24", 1, tmp_path, print)
    assert not report.equal
    assert report.match["read_error"].startswith("2 bursts outside of the image, the first at 0x")
    told = "the memory was asked for what it does not hold: 2 bursts outside of the image"
    assert told in report.to_text()


def test_hardware_that_gets_stuck_is_told_with_the_first_missing_code(tmp_path, monkeypatch):
    def stuck(*given):
        raise RuntimeError("accelerator: the simulation failed\nnothing moved")

    read = []

    def diagnose(quantized, machine, top, image, memory, tokens, rerun, folder):
        read.extend(tokens)
        return Difference("gate", 1, 0, None, "y", 8, 5, None, 1230)

    without_hardware(monkeypatch)
    monkeypatch.setattr(job, "build", lambda verilog, top: None)
    monkeypatch.setattr(Job, "simulate", stuck)
    monkeypatch.setattr(module, "diagnose", diagnose)
    with pytest.raises(RuntimeError) as failure:
        run(MODEL, *DESIGN, "\x01\x02", 3, tmp_path, print)
    assert str(failure.value) == (
        "accelerator: the simulation failed\nnothing moved\n"
        "first: unit gate, layer 1, token 0, y[8]: expected 5, received nothing; "
        "waves.vcd at 1230 ns"
    )
    assert read[:2] == [1, 2]
    assert len(read) == 4


def test_a_read_error_alone_makes_a_run_different():
    report = bare()
    assert report.equal
    report.match["read_error"] = "1 bursts outside of the image, the first at 0x10"
    assert not report.equal
    assert "DIFFERENT" in report.to_text()


def stopped(monkeypatch, capsys, *command):
    """Exit code and standard error of a command line."""
    monkeypatch.setattr("sys.argv", ["puffadder", *command])
    with pytest.raises(SystemExit) as leaving:
        puffadder.main()
    return leaving.value.code, capsys.readouterr().err


def test_without_a_compiler_there_is_one_line_and_exit_code_2(used, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    options = ["--prompt", "\x01", "--out", str(used)]
    code, told = stopped(monkeypatch, capsys, "run", MODEL, *DESIGN[:1], *DESIGN[1], *options)
    assert (code, told) == (
        2,
        "simulation: c++ must be installed, but is not on PATH; "
        "run `apt-get install g++ make perl`, then `puffadder doctor`\n",
    )
    assert len(list(used.iterdir())) == 2 * len(RESULTS)


@pytest.mark.parametrize("name", ["accelerator.v", "image.bin", "report.html", "report.json"])
def test_a_full_disk_is_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    def write(path, content):
        if path.name == f"{name}.part":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(path, content)

    whole = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", write)
    without_hardware(monkeypatch)
    monkeypatch.setattr(job, "build", lambda verilog, top: None)
    monkeypatch.setattr(Job, "simulate", lambda *given: None)
    monkeypatch.setattr(module, "report", lambda *given: bare())
    options = ["--prompt", "\x01", "--out", str(tmp_path), "--quiet"]
    code, told = stopped(monkeypatch, capsys, "run", MODEL, *DESIGN[:1], *DESIGN[1], *options)
    assert (code, told) == (
        2,
        f"{tmp_path / name}: No space left on device; make room on the disk, "
        "or name a path on another\n",
    )
    assert not (tmp_path / name).exists()
    assert not (tmp_path / "report.json").exists()
    assert not list(tmp_path.glob("*.part"))
