"""The accuracy report: the oracle first, each precision beside it on the same text, in files."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.errors import InputError
from models.precision import NAMED
from models.quantization.errors import MatrixError
from models.quantization.recipes import NAMES, find_recipe
from reports.accuracy import accuracies, measure
from reports.accuracy_table import Accuracy, AccuracyTable
from reports.page.accuracy import render
from tests.networks.examples import PLAIN, random_parameters

WINDOWS = np.random.default_rng(0).integers(0, PLAIN.vocab, (2, 6))


@pytest.fixture(scope="module")
def rows():
    return accuracies(
        random_parameters(PLAIN), WINDOWS, [find_recipe("rtn")], list(NAMED.items()), WINDOWS
    )


def test_the_oracle_is_held_against_itself(rows):
    assert [row.precision for row in rows] == ["float", *NAMED]
    assert (rows[0].ratio, rows[0].kl) == (1, 0)
    assert rows[0].perplexity == pytest.approx(np.exp(rows[0].nats))


def test_ratios_are_those_of_the_perplexities(rows):
    for row in rows:
        assert row.ratio == pytest.approx(row.perplexity / rows[0].perplexity)


def test_fewer_bits_stay_less_close_to_the_oracle(rows):
    float_, w8a8, _, w4a4 = (row.kl for row in rows)
    assert float_ < w8a8 < w4a4
    assert w8a8 < w4a4 / 10


def test_text():
    inputs = {"layers.0.in_proj": 0.01, "layers.1.in_proj": 0.03, "layers.0.out_proj": 0.005}
    errors = {name: MatrixError(error, 0.5, 0.6) for name, error in inputs.items()}
    row = Accuracy("w8a8", "rtn", 1.3737, 3.9499, 1.0008, 0.000712, 760.4, 8, 139264)
    row = replace(row, errors=errors)
    assert AccuracyTable(88, 512, 0.5, [row]).to_text().splitlines() == [
        "measured on 88 sequences of 512 tokens, of a network stressed by 0.5",
        "       recipe             scan  state, bytes  nats/token  perplexity    ratio   KL, nats"
        "  in_proj  out_proj  tokens/s",
        "w8a8   rtn                   8        139264      1.3737      3.9499   1.0008   0.000712"
        "    2.00%     0.50%       760",
    ]


def test_json_says_the_same():
    table = AccuracyTable(1, 2, 0.0, [Accuracy("w8a8", "rtn", 1.5, 4.5, 1.25, 0.5, 4.0)])
    told = json.loads(table.to_json())
    assert (told["sequences"], told["window"]) == (1, 2)
    assert told["rows"][0]["ratio"] == 1.25


def test_what_a_row_says_agrees_with_itself(rows):
    floor = rows[0]
    names = list(floor.inputs)
    assert names == [
        *(f"layers.{at}.{m}" for at in (0, 1) for m in ("in_proj", "out_proj")),
        "head",
    ]
    assert (floor.bits_per_weight, floor.errors, floor.tensors, floor.lost) == (None, {}, {}, 0)
    for row in rows[1:]:
        assert row.lost == pytest.approx(row.nats - floor.nats)
        assert row.ratio == pytest.approx(np.exp(row.lost))
        assert list(row.errors) == list(row.inputs) == names
        assert row.inputs == floor.inputs  # rtn moves nothing
        assert row.mean_error("out_proj", "both") == pytest.approx(
            (row.errors["layers.0.out_proj"].both + row.errors["layers.1.out_proj"].both) / 2
        )
        assert all(len(layers) == PLAIN.layers for layers in row.tensors.values())
    # 32 and 64 columns, each row of which is one group, with a scale of 8 bits
    in_proj, out_proj, head = 2 * 164, 2 * 32, 40
    scales = 8 * (in_proj + out_proj + head) / (32 * (in_proj + head) + 64 * out_proj)
    assert [row.bits_per_weight for row in rows[1:]] == [8 + scales, 4 + scales, 4 + scales]


def test_the_error_of_what_is_lost_is_that_of_a_mean(rows):
    """Twice the same text is as uncertain as independent text would be, by the square root of 2."""
    parameters, w4a4 = random_parameters(PLAIN), [("w4a4", NAMED["w4a4"])]
    twice = accuracies(parameters, np.tile(WINDOWS, (2, 1)), [find_recipe("rtn")], w4a4, WINDOWS)
    assert twice[-1].lost == pytest.approx(rows[-1].lost)
    assert twice[-1].lost_error == pytest.approx(rows[-1].lost_error / np.sqrt(2))


def test_rows_are_grouped_by_formats():
    def table(*rows):
        rows = [Accuracy(p, r, 1, 1, 1, kl, 1, bits) for p, r, bits, kl in rows]
        return AccuracyTable(1, 2, 0.0, [Accuracy("float", "", 1, 1, 1, 0, 1), *rows])

    one = table(("w8a8", "a", 8, 0.1), ("w8a8", "b", 16, 0.2), ("w4a4", "a", 8, 0.3))
    assert {name: list(rows) for name, rows in one.groups.items()} == {
        "w8a8": ["a", "b"], "w4a4": ["a"],
    }  # fmt: skip
    assert one.hardest == "w4a4"
    several = table(("w8a8", "a", 8, 0.1), ("w8a8", "a", 4, 0.2))
    assert list(several.groups) == ["w8a8, scan 8", "w8a8, scan 4"]
    assert several.hardest == "w8a8, scan 4"


def test_files(tmp_path):
    out = tmp_path / "new" / "folder"
    arguments = ("bundled", None, 4, 2, ["rtn", "lightmamba"], ["w4a4"], 0.0, [8])
    table = measure(*arguments, out)
    assert {path.name for path in out.iterdir()} == {"accuracy.json", "accuracy.html"}
    told = json.loads((out / "accuracy.json").read_text())
    assert told == json.loads(table.to_json())
    assert (told["model"], told["error_tokens"], told["tensor_tokens"]) == ("bundled", 8, 8)
    assert list(told["sources"]) == ["rtn", "lightmamba"]
    assert (out / "accuracy.html").read_text() == render(table)


def test_files_of_an_earlier_measurement_go_when_the_next_begins(tmp_path, monkeypatch):
    for name in ("accuracy.json", "accuracy.html", "accuracy.json.part", "mine"):
        (tmp_path / name).write_text("old")
    monkeypatch.setattr("reports.accuracy.accuracies", lambda *arguments: 1 / 0)
    with pytest.raises(InputError):
        measure("bundled", None, 4, 1, ["rtn"], ["w3a3"], out=tmp_path)
    assert (tmp_path / "accuracy.json").exists()  # wrong input changes nothing
    with pytest.raises(ZeroDivisionError):
        measure("bundled", None, 4, 1, ["rtn"], ["w4a4"], out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("window", "sequences", "least"), [(512, None, 512), (512, 2, 1024), (4, 200, 800)]
)
def test_names_a_text_that_is_too_short(window, sequences, least, tmp_path):
    text = tmp_path / "text"
    text.write_bytes(b"a" * 500)
    with pytest.raises(InputError) as refusal:
        measure("bundled", text, window, sequences)
    assert str(refusal.value) == (
        f"{text} must have at least {least} bytes, not 500; "
        "give a longer text, or ask for fewer tokens"
    )


@pytest.mark.parametrize(
    ("recipes", "precisions", "message"),
    [
        (
            ["gptq"], ["w4a4"],
            f"recipe must be one of {', '.join(NAMES)} or a YAML file, not 'gptq'; "
            "name one of these, or a file",
        ),
        (["rtn"], ["w3a3"],
         "precision must be one of w8a8, w4a8, w4a4, not 'w3a3'; name one of these"),
    ],
)  # fmt: skip
def test_names_what_it_does_not_know(recipes, precisions, message):
    with pytest.raises(InputError) as refusal:
        measure("bundled", None, 512, 1, recipes, precisions)
    assert str(refusal.value) == message


def test_the_scans_bits_and_the_bytes_of_its_state():
    table = measure("bundled", None, 4, 1, ["rtn", "lightmamba-linear"], ["w8a8"], 0, [8, 4])
    state = 4 * 256 * 64  # layers, channels, state: in groups of 8 with an exponent of 5 bits
    assert [(row.recipe, row.scan_bits, row.state_bytes) for row in table.rows] == [
        ("", None, None),
        ("rtn", 8, state * (8 * 8 + 5) // 8 // 8),
        ("lightmamba-linear", 16, state * (16 * 8 + 4) // 8 // 8),
        ("rtn", 4, state * (4 * 8 + 5) // 8 // 8),
        ("lightmamba-linear", 16, state * (16 * 8 + 4) // 8 // 8),
    ]


def test_refuses_a_scan_without_bits():
    with pytest.raises(InputError) as refusal:
        measure("bundled", None, 4, 1, ["rtn"], ["w8a8"], 0, [1])
    assert str(refusal.value) == (
        "precision w8a8: scan_bits must be at least 2, not 1; choose other bits"
    )
