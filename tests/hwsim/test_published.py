"""Published designs: their files are whole, and the model of their time meets the papers."""

import pytest

from hwsim.published import TRUST, Port, find_published, names
from hwsim.published.timing import timing
from models.errors import InputError

WITHIN = {
    "lightmamba-vck190-w4a4": 0.08,
    "lightmamba-vck190-w8a8": 0.08,
    "lightmamba-vck190-fp16": 0.10,
    "lightmamba-vck190-naive": 0.10,
    "lightmamba-u280": 0.15,
    "fastmamba": 0.15,
    "lowrank-ssm": 0.15,
}
"""Relative error of tokens/s that is allowed."""

SMALL = """
title: small
paper: none
memory: {type: DDR4, bytes_per_s: 1.0e+9, sustained: 0.5, latency_ns: 100}
clock_hz: 100.0e+6
port: {bits: 64, burst: 4}
layers: 2
tensors: {weights: 1000, state: 100}
bits: {weights: 8, state: 16}
products_per_cycle: 4
scan: {lanes: 1, bits: 8}
phases:
  - {name: in, reads: [weights, state], products: [weights], scan: 1}
  - {name: out, writes: [state]}
ends:
  - {name: last, products: [weights]}
excluded: nothing
why: it is small
told: {tokens_per_second: 1}
sources: {bits: "assumed, a test"}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Published designs of which there is only `small`, whose text can be changed."""
    monkeypatch.setattr("hwsim.published.FOLDER", tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


@pytest.mark.parametrize("name", names())
def test_every_file_is_whole(name):
    design = find_published(name)
    assert all(text.startswith(TRUST) for text in design.sources.values())
    assert any("tokens_per_second" in keys for keys in design.sources)
    assert timing(design).seconds > 0


@pytest.mark.parametrize("name", WITHIN)
def test_the_speed_of_the_paper_is_met(name):
    design = find_published(name)
    error = timing(design).tokens_per_second / design.told.tokens_per_second - 1
    assert abs(error) <= WITHIN[name], f"{error:+.1%}"


def test_every_gpu_stays_below_its_roofline():
    for name in ("rtx-2070", "rtx-3090", "rtx-4090"):
        design = find_published(name)
        assert timing(design).tokens_per_second > design.told.tokens_per_second


def test_lightmambas_words_are_those_of_its_repository():
    """Words of a layer in M_AXI_FLOW; its last loop of scales is filled up by 1.5 words."""
    told, layers = timing(find_published("lightmamba-vck190-w4a4")), 64
    assert told.bytes_read / 32 / layers == 714 + 714 + 21_760 + 635_199 - 1.5
    assert told.bytes_written / 32 / layers == 714 + 21_760


def test_phases_add_up_and_the_slowest_in_each_counts(folder):
    """Weights take 2,000 + 100 ns at 0.4 GB/s of the port's 0.8, the state 500 + 100."""
    port_s = 1000 / 0.4e9 + 200 / 0.4e9 + 2 * 100e-9
    told = timing(find_published("small"))
    assert told.phases["in"] == pytest.approx(2 * max(port_s, 1000 / 4 / 100e6, 100 / 100e6))
    assert told.phases["out"] == pytest.approx(2 * (200 / 0.4e9 + 100e-9))
    assert told.phases["last"] == pytest.approx(1000 / 4 / 100e6)
    assert told.seconds == pytest.approx(sum(told.phases.values()))
    assert (told.bytes_read, told.bytes_written) == (2 * 1200, 2 * 200)


def test_serial_bursts_expose_the_latency_of_each(folder):
    """125 words of weights are 32 bursts of 4, 25 of the state 7."""
    design = find_published("small")
    serial = design.model_copy(update={"port": Port(bits=64, burst=4, serial=True)})
    more = timing(serial).phases["in"] - timing(design).phases["in"]
    assert more == pytest.approx(2 * (31 + 6) * 100e-9)


def test_a_memory_below_its_ports_is_the_limit(folder):
    design = find_published("small")
    wide = design.model_copy(update={"port": Port(bits=64, count=4)})
    assert timing(wide).phases["out"] == pytest.approx(2 * (200 / 0.5e9 + 100e-9))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("products: [weights], scan", "products: [rows], scan",
         "phase 'in' must name tensors of state, weights, not rows"),
        (", state: 16", "", "bits must be given for state, not missing"),
        ("assumed, a test", "guessed", "the source of bits must begin with paper, repository, "),
        ("memory: {", "x: {", "x must not be there"),
    ],
)  # fmt: skip
def test_wrong_files_are_told(folder, old, new, message):
    (folder / "small.yaml").write_text(SMALL.replace(old, new))
    with pytest.raises(InputError) as refused:
        find_published("small")
    assert message in str(refused.value)


def test_a_file_like_another_tells_what_differs(folder):
    (folder / "other.yaml").write_text(
        "like: small\ntitle: other\nlayers: 4\nsources: {layers: paper}\n"
    )
    other = find_published("other")
    assert (other.title, other.layers, other.port) == ("other", 4, find_published("small").port)
    assert other.sources == {"bits": "assumed, a test", "layers": "paper"}


def test_an_unknown_name_is_told():
    with pytest.raises(InputError) as refused:
        find_published("fastmambo")
    assert str(refused.value).startswith("published design 'fastmambo' must be one of fastmamba, ")
    assert str(refused.value).endswith("; did you mean fastmamba?")
