"""A board that is wrong or too small is told before anything is generated."""

import pytest
from typer.testing import CliRunner

import puffadder
from models.errors import InputError
from reports.generate import generate
from reports.run import run

WRONG = [
    (("device=vck",), "device 'vck' must be one of "),
    (("device=zcu104", "memory.port_bits=256"), "device zcu104: memory.port_bits must be at most "),
    (("device=ulx3s-85f", "memory.prefetch=100000"),
     "design tiny: on-chip memory must fit the blocks of device ulx3s-85f (208 of 18 Kb: 3.8 Mb), "
     "not need 7.4 Mb: fetch.weights 6.4 Mb, scan.state 0.6 Mb, fetch.scales 0.2 Mb, "),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "message"), WRONG)
def test_nothing_is_generated(overrides, message, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError) as refused:
        generate("bundled", "tiny", overrides, out)
    assert str(refused.value).startswith(message)
    with pytest.raises(InputError) as refused:
        run("bundled", "tiny", overrides, "The ", 1, out, print)
    assert str(refused.value).startswith(message)
    assert not out.exists()


def test_the_command_line_ends_with_2(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(
        "sys.argv", ["puffadder", "run", "bundled", "tiny", "device=vck", "--out", str(tmp_path)]
    )
    with pytest.raises(SystemExit) as leaving:
        puffadder.main()
    assert leaving.value.code == 2
    assert "did you mean vck190?" in capsys.readouterr().err


def test_estimate_says_how_it_is_done():
    answer = CliRunner().invoke(puffadder.app, ["estimate", "--help"])
    assert "leaps over what repeats" in answer.output
