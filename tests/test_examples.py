"""The examples run, and their tables say what they promise."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))


def run(name):
    """What a script defines."""
    return runpy.run_path(str(FOLDER / f"{name}.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_is_short_and_says_how_it_is_run(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) < 50
    assert f"    python examples/{name}.py" in text


def test_best_for_a_board(tmp_path, capsys):
    script = run("best_for_a_board")
    space = script["SPACE"].model_copy(update={"networks": ("mamba2-130m",)})
    found = script["explore"](space, tmp_path, workers=1)
    script["show"](found)
    rows = capsys.readouterr().out.split("(modelled)\n")[-1].splitlines()
    assert len(rows) == len(found.points) > 1
    speeds = [float(row.split()[0]) for row in rows]
    assert speeds == sorted(speeds, reverse=True)
    assert all(point.measures["lut"] <= 107_000 for point in found.points)
    assert {path.name for path in tmp_path.iterdir()} >= {"front.csv", "winner.yaml"}


def test_memory_ports(capsys):
    run("memory_ports")["main"]()
    told, head, *rows = capsys.readouterr().out.splitlines()
    assert "modelled" in told
    assert head.split()[:4] == ["ports", "1", "in", "flight"]
    table = [[float(cell.rstrip("%")) for cell in row.split()] for row in rows]
    assert [row[0] for row in table] == [1, 2, 4, 8, 16]
    speeds, shares = ([row[at::2] for row in table] for at in (1, 2))
    assert all(row == sorted(row) for row in [*speeds, *shares])
    assert speeds[3][-1] > 6 * speeds[0][-1]
    assert all(share <= 100 for row in shares for share in row)
    assert shares[0][0] < 70 < 99 < shares[0][-1]


def test_state_and_boards(capsys):
    run("state_and_boards")["main"]()
    _, head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["chip,", "4", "chip,", "8", "chip,", "16",
                            "memory,", "4", "memory,", "8", "memory,", "16"]  # fmt: skip
    assert len(rows) == len(run("state_and_boards")["BOARDS"])
    u280 = next(row for row in rows if row.startswith("u280")).split()[1:]
    chip, memory = ([float(speed) for speed in half] for half in (u280[:3], u280[3:]))
    assert len(set(chip)) == 1
    assert chip[0] > memory[0] > memory[1] > memory[2]
    assert "no room" in next(row for row in rows if row.startswith("arty"))
