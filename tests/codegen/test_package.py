"""A package is whole, the same for the same inputs, and says by what it was generated."""

import errno
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from codegen.files import write_whole
from codegen.manifest import verify
from codegen.package import package
from models.counters import counters, units_of
from models.errors import InputError
from reports import generate as module
from reports.generate import generate, write_package
from tests.codegen.examples import LINT, ORIGIN, OVERRIDES, SHAPE, small, small_package

RECORDED = Path(__file__).parents[1] / "networks" / "recorded"
FILES = {
    "accelerator.v", "accelerator.f", "accelerator.core", "package.tcl", "clocks.xdc",
    "registers.h", "registers.md", "driver.py", "image.bin", "manifest.json",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    write_package(small_package(), tmp_path)
    return tmp_path


def test_files_are_there(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    assert list(small_package().files)[-1] == "manifest.json"


def test_each_text_says_its_origin():
    for name, content in small_package().files.items():
        if name in ("image.bin", "manifest.json"):
            continue
        head = content.decode().splitlines()[:3]
        assert any(ORIGIN.sentence in line for line in head), name
        assert any("Do not edit" in line for line in head), name


def test_manifest_tells_the_package():
    _, image = small()
    files = small_package().files
    manifest = json.loads(files["manifest.json"])
    assert manifest["generated_by"] == {"command": ORIGIN.command, "puffadder": "0.1.0"}
    assert set(manifest["files"]) == FILES - {"manifest.json"}
    for name, entry in manifest["files"].items():
        digest = hashlib.sha256(files[name]).hexdigest()
        assert entry == {"sha256": digest, "bytes": len(files[name])}
    assert manifest["shape"]["d_model"] == SHAPE.d_model
    assert manifest["shape"]["time_step_limit"] == [0.0, None]
    assert manifest["design"]["scan"] == {"channels": 1, "states": 2}
    assert manifest["precision"]["weight_bits"] == 4
    assert manifest["clock_hz"] == 200e6
    assert manifest["ports"]["m_axi_read_rdata"] == {"direction": "input", "bits": 64}
    assert manifest["ports"]["m_axis_tokens_tdata"] == {"direction": "output", "bits": 8}
    layout = manifest["image"]
    assert layout == {
        "port_bits": 64,
        "ports": 1,
        "stream_words": len(image.stream),
        "prefix_words": image.prefix,
        "embedding_address": image.embedding,
        "embedding_stride": image.row_words * 8,
        "row_words": image.row_words,
        "rows": SHAPE.vocab,
    }
    size = layout["embedding_address"] + layout["rows"] * layout["embedding_stride"]
    assert manifest["files"]["image.bin"]["bytes"] == size


def test_several_ports_have_a_file_each():
    """Of every word of the image of one port that is as wide as both, each has a half."""
    files = small_package("memory.ports=2").files
    _, wide = small("memory.port_bits=128")
    parts = [files.pop(f"image.{port}.bin") for port in range(2)]
    assert files.keys() == FILES - {"image.bin"}
    halves = {
        "stream": (0, wide.stream),
        "rows": (json.loads(files["manifest.json"])["image"]["embedding_address"],
                 [word for row in wide.rows for word in row]),
    }  # fmt: skip
    for at, words in halves.values():
        low, high = (part[at : at + 8 * len(words)] for part in parts)
        assert low == b"".join((word % 2**64).to_bytes(8, "little") for word in words)
        assert high == b"".join((word >> 64).to_bytes(8, "little") for word in words)
    manifest = json.loads(files["manifest.json"])
    assert (manifest["image"]["port_bits"], manifest["image"]["ports"]) == (64, 2)
    assert manifest["ports"]["m_axi_read_1_rdata"] == {"direction": "input", "bits": 64}
    _, image = small("memory.ports=2")
    settings = image.settings(1, 1, base=0x5000)
    assert settings["image_address"] == 0x5000
    assert settings["image_address_1"] == 0x5000 + -(-len(parts[0]) // 4096) * 4096


@pytest.mark.parametrize("ports", [1, 2])
def test_verilog_has_the_ports_of_the_manifest(ports):
    package = small_package(f"memory.ports={ports}")
    text = re.search(r"^module accelerator\(.*?^endmodule", package.verilog, re.M | re.S)[0]
    declared = {
        name: {"direction": direction, "bits": int(high or 0) + 1}
        for direction, high, name in re.findall(
            r"^  (input|output)\s(?:reg\s|wire\s)?(?:\[(\d+):0\]\s)?(\w+);",
            text,
            re.MULTILINE,
        )
    }
    assert declared == json.loads(package.files["manifest.json"])["ports"]


def test_every_counter_is_told_to_software():
    files = {
        name: content.decode(errors="replace") for name, content in small_package().files.items()
    }
    for name in counters(units_of(hadamard=False)):
        assert f"PUFFADDER_COUNTER_{name.upper()}_LOW " in files["registers.h"]
        assert f"| counter_{name} |" in files["registers.md"]
        assert f'"counter_{name}":' in files["driver.py"]
        assert f"register COUNTER_{name.upper()} " in files["package.tcl"]
    assert "    \"scan_output\": ('busy', 'input', 'output')," in files["driver.py"]


def test_weights_are_not_in_the_verilog():
    """Another network of the same shape has another image, and the same hardware."""
    config, image = small()
    changed = replace(image, stream=[~word & 2**64 - 1 for word in image.stream])
    files = package(config, changed, ORIGIN, lint=LINT).files
    differ = {name for name in FILES if files[name] != small_package().files[name]}
    assert differ == {"image.bin", "manifest.json"}


def test_same_inputs_same_bytes(tmp_path):
    small.cache_clear()
    config, image = small()
    assert package(config, image, ORIGIN, lint=LINT).files == small_package().files


@pytest.mark.parametrize("clock_hz", [0, -1, 2e9, float("nan"), float("inf")])
def test_refuses_a_clock(clock_hz, tmp_path):
    message = (
        f"clock must be 1e+06 to 1e+09 Hz, not {clock_hz:g}; "
        "give the frequency in Hz, for instance 200e6"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        generate(str(RECORDED / "groups"), "tiny", (), tmp_path / "out", clock_hz=clock_hz)
    assert not (tmp_path / "out").exists()


def test_refuses_an_unknown_design(tmp_path):
    with pytest.raises(InputError, match=r"^design 'tinny' must be "):
        generate(str(RECORDED / "groups"), "tinny", (), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_generate_writes_a_whole_package(tmp_path):
    shown = []
    model = str(RECORDED / "groups")
    made = generate(model, "tiny", ("lanes=2", *OVERRIDES[1:]), tmp_path / "a", shown.append, 1e8)
    assert set(made.files) == FILES
    manifest = verify(tmp_path / "a")
    assert (
        manifest["generated_by"]["command"]
        == f"puffadder generate groups tiny {' '.join(OVERRIDES)}"
    )
    assert shown == ["quantizing 13896 parameters", "generating Verilog for design tiny"]
    assert "-period 10.000" in (tmp_path / "a" / "clocks.xdc").read_text()
    assert json.loads(made.to_json())["files"] == made.files
    assert "accelerator.v" in made.to_text()


def test_a_folder_is_reused(folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "accelerator.v").write_text("old")
    write_package(small_package(), folder)
    verify(folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_file_is_in_the_way(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(FileExistsError):
        write_package(small_package(), tmp_path / "out")


@pytest.mark.parametrize("at", range(len(FILES)))
def test_a_full_disk_leaves_nothing_half_written(at, folder, monkeypatch):
    """Over an older package: without its manifest it is no longer taken for whole."""
    name = list(small_package().files)[at]

    def write(path, content):
        if path.name == name:
            monkeypatch.setattr(Path, "write_bytes", full)
        write_whole(path, content)

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    before = (folder / name).read_bytes()
    monkeypatch.setattr(module, "write_whole", write)
    with pytest.raises(OSError, match="No space left"):
        write_package(small_package(), folder)
    monkeypatch.undo()
    assert not list(folder.glob("*.part"))
    if name != "manifest.json":
        assert (folder / name).read_bytes() == before
    message = f"{folder / 'manifest.json'} must be there, or the package is not whole; "
    with pytest.raises(InputError, match=re.escape(message)):
        verify(folder)
    write_package(small_package(), folder)
    verify(folder)


def test_verify_finds_a_changed_file(folder):
    path = folder / "registers.h"
    path.write_text("changed")
    digest = hashlib.sha256(b"changed").hexdigest()
    message = f"^{re.escape(str(path))} must have the manifest's SHA-256 [0-9a-f]+, not {digest}; "
    with pytest.raises(InputError, match=message + "generate the package again$"):
        verify(folder)


def test_verify_finds_a_missing_file(folder):
    path = folder / "image.bin"
    path.unlink()
    message = f"{path} must be there, as the manifest says; generate the package again"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        verify(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"files": {"a": 1}}'])
def test_verify_refuses_what_is_no_manifest(text, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    message = f"{path} must be a manifest of puffadder; generate the package again"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        verify(tmp_path)
