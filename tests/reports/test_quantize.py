"""From a float checkpoint to integers in a folder, and from there to hardware with equal codes."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import puffadder
from codegen.designs import find_design
from models.checkpoints.integers import (
    MANIFEST,
    TENSORS,
    read_integers,
    read_manifest,
    tensors_hash,
)
from models.errors import InputError
from models.networks.mamba2 import Network, compiled
from models.precision import NAMED
from models.quantization.calibration import calibration_windows
from models.quantization.recipes import apply, find_recipe
from reports.estimate import shape_of
from reports.generate import generate
from reports.inputs import design_of, find_model, find_network, integers_of
from reports.page import render
from reports.quantize import Part, QuantizeReport, parts_of, quantize, write_checkpoint
from reports.run import run
from tests.reports.examples import full

RECORDED = Path(__file__).parents[1] / "networks" / "recorded"
GROUPS = str(RECORDED / "groups")
"""2 groups, biases, an untied head, 40 tokens."""
ONLINE = {"lightmamba", "mambaquant", "puffadder"}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Bytes that 40 tokens can spell."""
    path = tmp_path_factory.mktemp("text") / "text"
    path.write_bytes(np.random.default_rng(0).integers(0, 40, 400, np.uint8).tobytes())
    return path


@pytest.fixture(scope="module")
def integers(tmp_path_factory, text):
    """The recorded network, quantized by smoothquant."""
    folder = tmp_path_factory.mktemp("integers")
    quantize(GROUPS, "smoothquant", "w8a8", folder, text, 32)
    return folder


def refusal(*arguments, **named):
    with pytest.raises(InputError) as caught:
        quantize(*arguments, **named)
    return str(caught.value)


def command(monkeypatch, capsys, *arguments):
    """Exit code, standard output and standard error of the command line."""
    monkeypatch.setattr("sys.argv", ["puffadder", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        puffadder.main()
    return leaving.value.code, *capsys.readouterr()


# What is written


@pytest.mark.parametrize("recipe", ["rtn", "smoothquant", "lightmamba", "puffadder"])
def test_the_folder_holds_what_the_recipe_gives(recipe, text, tmp_path):
    quantize(GROUPS, recipe, "w4a4", tmp_path, text, 32)
    parameters = find_model(GROUPS)
    tokens = calibration_windows(40, text.read_bytes(), 32)
    expected = apply(find_recipe(recipe), parameters, NAMED["w4a4"], tokens)
    found = read_integers(tmp_path)
    assert (found.shape, found.precision) == (expected.shape, expected.precision)
    assert found.precision.hadamard == (recipe in ONLINE)
    read = np.arange(8)
    assert np.array_equal(
        Network(found, compiled()).prefill(read), Network(expected, compiled()).prefill(read)
    )
    manifest = read_manifest(tmp_path)
    assert manifest.recipe == find_recipe(recipe).model_dump(mode="json")
    assert manifest.source == tensors_hash(parameters)


def test_the_same_input_gives_the_same_files(text, tmp_path):
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        quantize(GROUPS, "puffadder", "w4a4", folder, text, 32)
    for name in (TENSORS, MANIFEST):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    assert sorted(path.name for path in folders[0].iterdir()) == [TENSORS, MANIFEST]


def test_the_text_is_what_is_calibrated_on(text, tmp_path):
    other = tmp_path / "text"
    other.write_bytes(text.read_bytes()[::-1])
    for at, path in enumerate((text, other)):
        quantize(GROUPS, "smoothquant", "w4a4", tmp_path / str(at), path, 32)
    assert (tmp_path / "0" / TENSORS).read_bytes() != (tmp_path / "1" / TENSORS).read_bytes()


def test_a_checkpoint_that_is_written_again_is_never_half_of_each(tmp_path, monkeypatch):
    """Without its manifest it is none: so that goes first, and comes last."""
    files = {TENSORS: b"old", MANIFEST: b"old"}
    write_checkpoint(files, tmp_path)
    monkeypatch.setattr("reports.quantize.write_whole", lambda path, content: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_checkpoint(files, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [TENSORS]


# What is told


def test_text():
    parts = {"in_proj": Part(8, 331_776, 334_368, 1_347_840), "head": Part(2, 1000, 1010, 4100)}
    files = {TENSORS: 589_240, MANIFEST: 1244}
    report = QuantizeReport(Path("out"), "rtn", "w4a4", parts, files, 4.55)
    assert report.to_text().splitlines() == [
        "out: recipe rtn, w4a4",
        "              tensors        weights          bytes  bits/weight",
        "in_proj             8        331,776        334,368        4.062",
        "head                2          1,000          1,010        4.100",
        "model.safetensors: 589,240 bytes",
        "puffadder.json: 1,244 bytes",
        "measured: 4.5 s to quantize",
    ]
    told = json.loads(report.to_json())
    assert told["parts"]["head"] == {"tensors": 2, "weights": 1000, "octets": 1010, "bits": 4100}
    assert (told["folder"], told["seconds"]) == ("out", 4.55)


def test_parts_are_all_of_the_network(integers):
    quantized = read_integers(integers)
    parts, shape = parts_of(quantized), quantized.shape
    assert sum(part.tensors for part in parts.values()) == 4 + 14 * shape.layers
    assert parts["in_proj"].weights == shape.layers * shape.in_proj_rows * shape.d_model
    assert parts["out_proj"].weights == shape.layers * shape.inner * shape.d_model
    assert parts["others"].weights == shape.d_model + shape.layers * (
        shape.d_model
        + shape.inner
        + shape.conv_channels
        + 3 * shape.heads
        + shape.in_proj_rows
        + shape.d_model  # their biases
    )
    assert parts["head"].weights == parts["embedding"].weights == shape.vocab * shape.d_model
    assert parts["embedding"].bits_per_weight == 16
    assert parts["head"].bits_per_weight == 8 + 8 / shape.d_model  # one scale in each row
    assert parts["taps"].bits_per_weight == 8.5


def test_command(text, tmp_path):
    options = ["--recipe", "rtn", "--precision", "w4a8", "--out", tmp_path, "--text", text]
    options += ["--window", 32, "--json"]
    answer = CliRunner().invoke(puffadder.app, ["quantize", GROUPS, *map(str, options)])
    assert answer.exit_code == 0
    told = json.loads(answer.stdout)
    assert (told["recipe"], told["precision"]) == ("rtn", "w4a8")
    assert told["files"] == {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert answer.stderr.startswith("quantizing ")


# What is refused


def test_a_checkpoint_that_is_quantized(integers, text, tmp_path, monkeypatch, capsys):
    for arguments in (["quantize", integers, "--out", tmp_path], ["accuracy", integers]):
        assert command(monkeypatch, capsys, *arguments) == (
            2, "", f"model '{integers}' must be a float checkpoint, not one quantized by recipe "
            "smoothquant; give the checkpoint that it was made of\n",
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_text_shorter_than_a_window(tmp_path, monkeypatch, capsys):
    path = tmp_path / "text"
    path.write_bytes(b"short")
    out = tmp_path / "out"
    assert command(monkeypatch, capsys, "quantize", "bundled", "--text", path, "--out", out) == (
        2, "", f"{path} must have at least the 512 bytes of a window, not 5; "
        "give a longer text, or ask for shorter windows\n",
    )  # fmt: skip
    assert not out.exists()


def test_a_text_that_is_not_there(tmp_path, monkeypatch, capsys):
    path = tmp_path / "text"
    assert command(monkeypatch, capsys, "quantize", "bundled", "--text", path) == (
        2, "", f"{path}: No such file or directory; check the path\n",
    )  # fmt: skip


def test_a_text_that_the_network_cannot_spell(tmp_path):
    assert refusal(GROUPS, "rtn", "w4a4", tmp_path).startswith(
        "bundled training text: bytes must be below the vocabulary's 40, not "
    )


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
def test_a_folder_with_a_float_checkpoint(name, text, tmp_path):
    (tmp_path / name).touch()
    assert refusal(GROUPS, "rtn", "w4a4", tmp_path, text, 32) == (
        f"{tmp_path} must be a folder without a float checkpoint, not one with {name}; "
        "give another folder with --out"
    )
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_names_that_there_are_not(tmp_path):
    assert refusal("bundled", "rtn", "w3a3", tmp_path) == (
        "precision must be one of w8a8, w4a8, w4a4, not 'w3a3'; name one of these"
    )
    assert refusal("bundled", "gptq", "w4a4", tmp_path).startswith("recipe must be one of ")
    assert refusal("huge", "rtn", "w4a4", tmp_path).startswith("model 'huge' must be the folder")


def test_a_group_that_does_not_divide(text, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("source: here\nprecision: {group: 32}")
    assert refusal(GROUPS, str(recipe), "w4a4", tmp_path, text, 32) == (
        f"model '{GROUPS}': d_model must be whole groups of 32, not 24; "
        "give a recipe file whose precision has a smaller group"
    )


# What integers are good for


def test_a_design_gets_the_precision_of_integers(integers):
    shown = []
    tiny = find_design("tiny")
    network, design = find_network(str(integers), tiny, ("scan.states=4",), shown.append)
    assert tiny.precision == NAMED["w4a4"]
    assert design == tiny.model_copy(update={"precision": NAMED["w8a8"]})
    assert shown == ["precision: that of the checkpoint, which recipe smoothquant quantized"]
    assert integers_of(network, design) is network
    with pytest.raises(ValueError, match=r"^the design's precision must be that of the integers$"):
        integers_of(network, tiny)
    assert shape_of(str(integers)) == network.shape


def test_a_float_checkpoint_is_rounded_to_nearest_in_the_precision_of_the_design():
    shown = []
    design = find_design("tiny", ("precision=w4a8",))
    network, same = find_network("bundled", design, ("precision=w4a8",), shown.append)
    assert same is design
    assert integers_of(network, design, shown.append).precision == NAMED["w4a8"]
    assert shown == ["quantizing 505056 parameters"]


@pytest.mark.parametrize("override", ["precision=w4a4", "precision.group=4"])
def test_refuses_another_precision_for_integers(override, integers, tmp_path):
    message = (
        f"override '{override}' must be of another key, not of the precision, which model "
        f"'{integers}' has already: it is quantized; "
        "leave it out, or quantize the float checkpoint with another precision"
    )
    for ask in (
        lambda: run(str(integers), "tiny", (override,), "\x03", 1, tmp_path, print),
        lambda: generate(str(integers), "tiny", (override,), tmp_path),
        lambda: design_of(str(integers), find_design("tiny"), (override,)),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            ask()
    assert not list(tmp_path.iterdir())


def test_a_damaged_checkpoint_is_a_message(integers, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(integers, tmp_path / "damaged")
    (folder / MANIFEST).write_text("{")
    for name in ("run", "generate", "estimate", "layer"):
        code, out, told = command(monkeypatch, capsys, name, folder, "tiny")
        assert (code, out) == (2, "")
        assert told.startswith(f"{folder}/{MANIFEST} must be JSON, not with an error: ")
        assert told.endswith("; quantize the float checkpoint again\n")


def test_generated_images_are_those_of_the_integers(integers, tmp_path):
    """Alone, the recorded network is rounded to nearest, which smoothing has changed."""
    for name, model in (("integers", str(integers)), ("float", GROUPS)):
        overrides = ("precision=w8a8",) if name == "float" else ()
        generate(model, "tiny", overrides, tmp_path / name)
    images = [(tmp_path / name / "image.bin").read_bytes() for name in ("integers", "float")]
    assert images[0] != images[1]
    assert len(images[0]) == len(images[1])


def test_the_page_of_integers_says_that_nothing_is_compared_with():
    page = render(full(quantization={}))
    assert "What quantization moves is not known: there is no float network" in page


@pytest.mark.verilog
@pytest.mark.parametrize(("recipe", "precision"), [("smoothquant", "w8a8"), ("puffadder", "w4a4")])
def test_integers_run_with_equal_codes(recipe, precision, text, tmp_path):
    """The first in 8 bits where the design has 4, the second with out_proj's input rotated."""
    folder, out, shown = tmp_path / "integers", tmp_path / "out", []
    quantize(GROUPS, recipe, precision, folder, text, 32)
    report = run(str(folder), "tiny", (), "\x03\x11\x21", 3, out, shown.append)
    assert shown[0] == f"precision: that of the checkpoint, which recipe {recipe} quantized"
    assert report.equal
    assert report.match["compared"] == 5 * 40
    assert report.quantization == {}
    assert report.design["precision"]["activation_bits"] == NAMED[precision].activation_bits
    assert json.loads((out / "report.json").read_text())["quantization"] == {}
    assert "there is no float network" in (out / "report.html").read_text()
    assert (out / "trace.json").exists()
