"""The command line: mistakes end in a message and the right exit code, never in a traceback."""

import errno
import json
import os

import pytest
from typer.testing import CliRunner

import puffadder
from models.errors import InputError


def raising(error):
    def app():
        raise error

    return app


def run_main(monkeypatch, capsys, app):
    """Exit code and standard error of `main` when the command does what `app` does."""
    monkeypatch.setattr(puffadder, "app", app)
    with pytest.raises(SystemExit) as leaving:
        puffadder.main()
    return leaving.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            InputError("tiny.yaml: lanes", "must be a power of two, not 3", "use 2 or 4"),
            "tiny.yaml: lanes must be a power of two, not 3; use 2 or 4\n",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            "puffadder: No space left on device; make room on the disk, "
            "or name a path on another\n",
        ),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "out/layer.v"),
            "out/layer.v: Permission denied; change its permissions, or name another path\n",
        ),
        (
            FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "model/config.json"),
            "model/config.json: No such file or directory; check the path\n",
        ),
    ],
)
def test_what_the_user_can_mend_is_a_message(error, message, monkeypatch, capsys):
    assert run_main(monkeypatch, capsys, raising(error)) == (2, message)


@pytest.mark.parametrize("error", [RuntimeError("stuck"), TimeoutError("no beats"), OSError("odd")])
def test_a_fault_is_a_traceback_and_no_mismatch(error, monkeypatch, capsys):
    code, told = run_main(monkeypatch, capsys, raising(error))
    assert code == 3
    assert told.startswith("Traceback")
    assert str(error) in told


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_chooses_its_own_exit_code(code, monkeypatch, capsys):
    assert run_main(monkeypatch, capsys, raising(SystemExit(code))) == (code, "")


def test_help_names_every_command_and_the_exit_codes():
    answer = CliRunner().invoke(puffadder.app, ["--help"])
    assert answer.exit_code == 0
    for command in puffadder.app.registered_commands:
        assert command.callback.__name__ in answer.output
    for told in ("design", "model", "puffadder doctor", "Exit codes: 0 done and equal"):
        assert told in answer.output


@pytest.mark.parametrize("arguments", [["nothing"], ["doctor", "--nothing"], []])
def test_a_mistyped_command_is_wrong_input(arguments):
    assert CliRunner().invoke(puffadder.app, arguments).exit_code == 2


@pytest.mark.parametrize("missing", [False, True])
def test_doctor_prints_its_findings(missing, monkeypatch):
    if missing:
        monkeypatch.setenv("PATH", "")
    text = CliRunner().invoke(puffadder.app, ["doctor"])
    raw = CliRunner().invoke(puffadder.app, ["doctor", "--json"])
    assert (text.exit_code, raw.exit_code) == (2, 2) if missing else (0, 0)
    assert json.loads(raw.output)["healthy"] != missing
    assert text.output.endswith(
        "not ready: c++, make, perl\n" if missing else "everything required is there\n"
    )
