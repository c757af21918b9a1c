"""The layer report: it says what the hardware did, and the first code in which it differs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from codegen.designs import find_design
from models.errors import InputError
from models.networks.layer import layer_units
from models.quantization.rtn import quantize_network
from reports import layer
from reports.layer import LayerReport, Mismatch, layer_codes, report_layer, verify_layer
from reports.simulation import Replay
from tests.networks.examples import PLAIN, random_parameters

TINY = find_design("tiny")
QUANTIZED = quantize_network(random_parameters(PLAIN), TINY.precision)
TOKENS = np.array([3, 1, 39])
GOOD = LayerReport(
    design="tiny", layer=1, tokens=4, compared=512, mismatches=0, first=None, cycles=40_000,
    weight_beats=30_000, build_seconds=21.25, run_seconds=2.0,
)  # fmt: skip


@pytest.fixture
def hardware(monkeypatch):
    """Stands in for Verilator: hands over the right codes, but for `wrong` (token, channel)."""
    wrong = {}

    def replay(verilog, top, inputs, counts, willingness):
        right = layer_codes(QUANTIZED, 1, TOKENS)[1].copy()
        for place, change in wrong.items():
            right[place] += change
        words = layer_units(PLAIN, TINY).residual.o_beat.pack(x=right)
        assert counts == {"o": len(words)}
        return Replay({"o": words}, first=10, last=1010)

    monkeypatch.setattr(layer, "Layer", lambda *_: None)
    monkeypatch.setattr(layer, "to_verilog", lambda *_: "")
    monkeypatch.setattr(layer, "build", lambda *_: None)
    monkeypatch.setattr(layer, "replay", replay)
    return wrong


def test_equal_codes_are_equal(hardware):
    report = verify_layer(QUANTIZED, TINY, 1, TOKENS)
    assert (report.tokens, report.compared, report.mismatches) == (3, 3 * PLAIN.d_model, 0)
    assert (report.first, report.cycles) == (None, 1000)


def test_a_wrong_code_is_counted_and_the_first_one_named(hardware):
    hardware.update({(2, 5): 1, (1, 30): -4, (1, 31): 7})
    expected = int(layer_codes(QUANTIZED, 1, TOKENS)[1][1, 30])
    report = verify_layer(QUANTIZED, TINY, 1, TOKENS)
    assert report.mismatches == 3
    assert report.first == Mismatch(1, 30, expected, expected - 4)


@pytest.mark.parametrize("index", [0, 1])
def test_codes_before_and_after_a_layer_chain(index):
    before, after = layer_codes(QUANTIZED, index, TOKENS)
    assert before.shape == after.shape == (3, PLAIN.d_model)
    if index:
        np.testing.assert_array_equal(before, layer_codes(QUANTIZED, index - 1, TOKENS)[1])


@pytest.mark.parametrize("index", [-1, 2])
def test_names_a_layer_that_is_not_there(index):
    with pytest.raises(InputError) as refusal:
        verify_layer(QUANTIZED, TINY, index, TOKENS)
    assert str(refusal.value) == (
        f"layer index must be in 0..1, not {index}; count the network's layers from 0"
    )


def test_a_design_that_does_not_fit_is_told_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr(layer, "integers_of", None)
    with pytest.raises(InputError, match=r"^design tiny: scan\.states must divide state = 64, not"):
        report_layer("bundled", "tiny", ("scan.states=128",), 0, 1, None)


def test_text_of_equal_codes():
    assert GOOD.to_text() == (
        "layer 1 on design tiny, 4 tokens in Verilator\n"
        "  compared           512 output codes, 0 differ\n"
        "  simulated        40000 cycles, 10000 a token; multipliers busy in 75.0% of them\n"
        "  measured          21.2 s to build, 2.0 s to run, 20000 cycles/s\n"
        "EQUAL: every code is the integer network's"
    )


def test_text_of_codes_that_differ():
    report = replace(GOOD, mismatches=2, first=Mismatch(3, 17, 5, -6))
    assert report.to_text().endswith(
        "  first       token 3, channel 17: expected 5, received -6\nDIFFERENT"
    )


def test_json_says_the_same():
    told = json.loads(replace(GOOD, mismatches=1, first=Mismatch(3, 17, 5, -6)).to_json())
    assert told["first"] == {"token": 3, "channel": 17, "expected": 5, "received": -6}
    assert (told["mismatches"], told["cycles"], told["run_seconds"]) == (1, 40_000, 2.0)
