"""A bench measures each network against the machine's limits, and refuses what cannot be."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from hwsim.devices import find_device
from models.errors import InputError
from models.networks.shape import Mamba1Shape
from reports import bench as module
from reports import kernels, subjects
from reports.bench import bench
from reports.bench_report import Against, Spread
from reports.limits import cores
from reports.page.bench import render
from reports.page.roofline import Point, Roof, roofline
from tests.networks.examples import PLAIN
from tests.reports.test_subjects import Counting

SMALL = {"small": PLAIN}
MAMBA1 = Mamba1Shape(d_model=32, layers=2, inner=64, dt_rank=2, vocab=40)


class Known(Counting):
    weight_bytes, bytes_per_token, macs_per_token = 1000, 1200, 50_000


@pytest.fixture
def measured(monkeypatch):
    """Limits and speeds that are what they are told to be."""
    monkeypatch.setattr(subjects, "PAUSE", 0)
    monkeypatch.setattr(module, "cores", lambda: 2)
    monkeypatch.setattr(module, "find_shape", SMALL.__getitem__)
    monkeypatch.setattr(module, "decoder_of", lambda shape, precision: Known())
    monkeypatch.setattr(module, "read_bandwidth", lambda threads: lambda: threads * 6000.0)
    monkeypatch.setattr(module, "multiply_rate", lambda threads: lambda: threads * 5_000_000.0)
    monkeypatch.setattr(module, "decoding", lambda decoder, threads: lambda: threads * 4.0)
    monkeypatch.setattr(module, "prefilling", lambda decoder, text, threads: lambda: 90.0)


def run(names=("small",), precisions=("fp32", "w4a4"), works=("decode", "prefill"), **changes):
    arguments = {
        "threads": [1, 2], "tokens": 10, "repeats": 3, "compare": [], "watts_per_core": 8.0,
        "designs": [], "board_watts": None, "out": None, "show": lambda line: None,
    }  # fmt: skip
    return bench(names, precisions, works, **arguments | changes)


@pytest.mark.usefixtures("measured")
def test_rows_are_shares_of_the_limits_beside_them():
    found = run()
    rows = {(row.work, row.precision, row.threads): row for row in found.rows}
    assert list(rows) == [
        (work, precision, threads)
        for threads in (1, 2)
        for work, precision in (("decode", "fp32"), ("prefill", "fp32"), ("decode", "w4a4"))
    ]
    decode = rows["decode", "fp32", 2]
    assert decode.tokens_per_second == Spread(8.0, 8.0, 8.0, 3)
    assert decode.bandwidth_share == 1200 * 8 / 12_000
    assert decode.multiply_share == 50_000 * 8 / 10_000_000
    assert decode.bound == "memory"
    assert (decode.joules, decode.joules_per_token) == ("assumed", 2 * 8.0 / 8)
    prefill = rows["prefill", "fp32", 1]
    assert prefill.bytes_per_token == 1000 / 10
    assert prefill.macs_per_token == 50_000 - 0.9 * PLAIN.vocab * PLAIN.d_model
    assert prefill.bound == "memory"


@pytest.mark.usefixtures("measured")
def test_results_are_files_that_agree(tmp_path):
    found = run(designs=["tiny"], out=tmp_path)
    told = json.loads((tmp_path / "bench.json").read_text())
    assert [row["bound"] for row in told["rows"]] == [row.bound for row in found.rows]
    assert told["designs"][0]["precision"] == "w4a4"
    page = (tmp_path / "bench.html").read_text()
    assert page == render(found)
    assert not re.search(r"https?:|//|@import|url\(", page)
    HTMLParser().feed(page)
    assert "tiny writes" in page
    assert "small" in found.to_text()


@pytest.mark.usefixtures("measured")
def test_a_prefill_may_be_longer_than_the_vocabulary(monkeypatch):
    read = []

    def prefilling(decoder, text, threads):
        read.append(text)
        return lambda: 1.0

    monkeypatch.setattr(module, "prefilling", prefilling)
    run(precisions=["fp32"], works=["prefill"], tokens=2 * PLAIN.vocab, threads=[1])
    assert len(read[0]) == 2 * PLAIN.vocab
    assert read[0].max() == PLAIN.vocab - 1


@pytest.mark.usefixtures("measured")
def test_a_folder_that_cannot_be_is_told_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "decoder_of", lambda shape, precision: 1 / 0)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        run(out=tmp_path / "file")


@pytest.mark.usefixtures("measured")
def test_a_design_is_the_estimate_of_it():
    (told,) = run(designs=["tiny memory.burst=4"]).designs
    assert told.macs_per_token >= PLAIN.vocab * PLAIN.d_model
    assert told.multiply_adds_per_second == 16 * 200e6
    assert told.design == "tiny memory.burst=4"
    assert told.tokens_per_second == pytest.approx(200e6 / told.cycles_per_token)
    assert (told.joules_per_token, told.joules) == (None, "")


@pytest.mark.usefixtures("measured")
def test_energy_of_a_board_is_assumed_or_modelled():
    design = "tiny device=ulx3s-85f"
    (modelled,), (assumed,) = (
        run(designs=[design], board_watts=watts).designs for watts in (None, 2.0)
    )
    assert modelled.joules == "modelled"
    least = find_device("ulx3s-85f").number("static_w") / modelled.tokens_per_second
    assert modelled.joules_per_token > least
    assert assumed.joules == "assumed"
    assert assumed.joules_per_token == pytest.approx(2 / assumed.tokens_per_second)


@pytest.mark.usefixtures("measured")
def test_other_software_is_in_the_same_turns():
    found = run(compare=["echo 3.5 tok/s"], works=["decode"])
    others = [row for row in found.rows if row.software != "puffadder"]
    assert [row.tokens_per_second.median for row in others] == [3.5, 3.5]
    assert {row.bound for row in others} == {""}


@pytest.mark.usefixtures("measured")
def test_precisions_that_do_not_fit_together_come_one_after_the_other(monkeypatch):
    order = []
    needs = {"fp32": 80, "w4a4": 20}
    monkeypatch.setattr(module, "needed_bytes", lambda shape, precision: needs[precision])
    monkeypatch.setattr(module, "available_bytes", lambda: 100)
    run(show=order.append, threads=[1])
    assert [line for line in order if "weights" in line] == [
        "small: random weights, fp32", "small: random weights, w4a4",
    ]  # fmt: skip
    monkeypatch.setattr(module, "available_bytes", lambda: 200)
    order.clear()
    run(show=order.append, threads=[1])
    assert "small: random weights, fp32, w4a4" in order


@pytest.mark.usefixtures("measured")
def test_what_does_not_fit_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(module, "decoder_of", lambda shape, precision: 1 / 0)
    monkeypatch.setattr(module, "available_bytes", lambda: 1000)
    monkeypatch.setattr(module, "needed_bytes", lambda shape, precision: 2_000_000_000)
    message = (
        "network small must fit 90% of the 0.0 GB of memory that is available, not need 2.0 GB in "
        "fp32; choose a smaller network or fewer bits"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        run()
    monkeypatch.setattr(module, "SHAPES", SMALL)
    found = run(names=[])
    assert found.rows == []
    assert found.refused == {"small": message}
    assert f"left out: {message}" in found.to_text()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precisions": ["int8"]}, "precision must be one of fp32, w8a8, w4a8, w4a4, not 'int8';"),
        (
            {"works": ["train"]},
            "work must be one of decode, prefill, scan, kernels, not 'train'; name one",
        ),
        (
            {"threads": [1, 9999]},
            f"threads must be at most the {cores()} cores that there are, not",
        ),
        ({"names": ["mamba-3"]}, "shape 'mamba-3' must be one of"),
        (
            {"names": ["mamba-130m"], "precisions": ["w4a4"]},
            "network mamba-130m must have fp32 among its precisions, not w4a4 alone: Mamba-1 has",
        ),
    ],
)
def test_wrong_input(wrong, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        run(**wrong)


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("shape", [PLAIN, MAMBA1], ids=["mamba2", "mamba1"])
def test_every_kernel_is_held_against_numpy(shape, monkeypatch):
    monkeypatch.setattr(kernels, "SECONDS", 0)
    monkeypatch.setattr(kernels, "COLD_BYTES", 0)
    monkeypatch.setattr(subjects, "PAUSE", 0)
    monkeypatch.setattr(module, "find_shape", lambda name: shape)
    monkeypatch.setattr(module, "SCANNED", 40)
    found = run(precisions=["fp32"], works=["scan", "kernels"], threads=[1], repeats=2)
    names = {each.kernel for each in found.kernels}
    assert {"matvec head", "norm, 1", "norm, 10", "conv1d, 1", "scan, 10", "hadamard"} <= names
    assert "C-like loop" in {row.software for row in found.rows}
    assert all(each.ratio.low > 0 for each in found.kernels)


@pytest.mark.parametrize("shape", [PLAIN, MAMBA1], ids=["mamba2", "mamba1"])
def test_what_is_compared_computes_the_same(shape, monkeypatch):
    results = {}

    def times(call, work, threads):
        first = call()
        results.setdefault(work, []).append(first[0] if isinstance(first, tuple) else first)
        return lambda: 1.0

    monkeypatch.setattr(kernels, "_times", times)
    monkeypatch.setattr(kernels, "COLD_BYTES", 0)
    kernels.scans(shape, 40, 1)
    scanned = results.pop(40)
    for other in scanned[1:]:
        np.testing.assert_allclose(other, scanned[0], rtol=1e-3, atol=1e-4)
    pairs = list(kernels.against_numpy(shape, 10, 1))
    for name, mine, other in zip(pairs, results[1][::2], results[1][1::2], strict=True):
        if not name.startswith("scan"):  # numpy's is without the skip
            np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4, err_msg=name)


def test_a_kernel_is_slower_only_if_it_always_is():
    assert Against("n", "k", 1, Spread(0.8, 0.7, 0.9, 3)).slower
    assert not Against("n", "k", 1, Spread(0.9, 0.7, 1.1, 3)).slower


def test_a_roof_is_the_memory_until_the_multipliers_are_busy():
    roof = Roof("r", 10.0, 100.0, "series-0")
    assert [roof.at(each) for each in (1, 10, 1000)] == [10, 100, 100]
    drawn = roofline([roof], [Point("<p>", 2, 15, "series-0")])
    assert "&lt;p&gt;: 1.5e-08 G multiply-adds/s at 2" in drawn
    places = re.search(r'd="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', drawn)
    left, low, corner, high, right, end = map(float, places.groups())
    assert left < corner < right
    assert low > high == end
    assert np.isclose((corner - left) / (right - left), 1 / 2)  # decades 1 to 100, bent at 10


@pytest.mark.parametrize("intensity", [0.02, 1.77, 60.0])
def test_a_point_on_the_roof_is_drawn_on_it(intensity):
    roof = Roof("roof", 12e9, 25.6e9, "series-4")
    figure = roofline([roof], [Point("p", intensity, roof.at(intensity), "series-0")])
    path = re.search(r'd="M([^"]*)"', figure)[1]
    x, y = zip(*(map(float, end.split()) for end in path.split("L")), strict=True)
    at = [float(place) for place in re.search(r'cx="([^"]*)" cy="([^"]*)"', figure).groups()]
    assert at[1] == pytest.approx(np.interp(at[0], x, y), abs=0.2)
