"""Generated Verilog is clean to Verilator and to synthesis, and what is not clean is found."""

import re

import pytest

from reports.lint import check, lint, problems, synthesize
from tests.codegen.examples import SPILLED, small_package

CLEAN = "module top(input clk, input d, output reg q); always @(posedge clk) q <= d; endmodule\n"
FAULTS = {
    "a latch": (
        "module top(input a, input b, output reg q); always @* if (a) q = b; endmodule\n",
        "Latch inferred for signal",
        "LATCH",
    ),
    "two drivers": (
        "module top(input a, input b, output q);\n"
        "wire n; assign n = a; assign n = b; assign q = n; endmodule\n",
        "multiple conflicting drivers|Drivers conflicting",
        None,  # it tells it of ports only
    ),
    "no driver": (
        "module top(input a, output q); wire n; assign q = a & n; endmodule\n",
        "is used but has no driver",
        None,  # only with -Wall
    ),
    "a loop": (
        "module top(input a, output q); wire n; assign n = ~(n & a); assign q = n; endmodule\n",
        "found logic loop",
        "UNOPTFLAT",
    ),
    "no Verilog": ("module top(\n", "syntax error", "syntax error"),
}


@pytest.mark.verilog
@pytest.mark.parametrize("more", [(), (SPILLED,)], ids=["state_on_chip", "state_in_memory"])
def test_verilator_accepts_the_accelerator(more):
    assert lint(small_package(*more).verilog, "accelerator") == []


@pytest.mark.verilog
@pytest.mark.parametrize(
    ("target", "more"), [("ultrascale_plus", ()), ("ecp5", ()), ("ecp5", (SPILLED,))]
)
def test_the_accelerator_synthesizes(target, more):
    assert synthesize(small_package(*more).verilog, "accelerator", target) == []


@pytest.mark.verilog
def test_the_clean_is_clean():
    assert lint(CLEAN, "top") == check(CLEAN, "top") == []


@pytest.mark.verilog
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault):
    verilog, yosys, verilator = FAULTS[fault]
    assert any(re.search(yosys, line) for line in check(verilog, "top"))
    if verilator:
        assert any(verilator in line for line in lint(verilog, "top"))


@pytest.mark.verilog
@pytest.mark.parametrize("fault", ["a latch", "two drivers", "no driver"])
def test_synthesis_finds_a_planted_fault(fault):
    verilog, yosys, _ = FAULTS[fault]
    found = synthesize(verilog, "top", "ecp5")
    assert any(re.search(yosys, line) for line in found)


def test_only_the_harmless_is_left_out():
    resized = "Warning: Resizing cell port a.b.0.0.ADDRARDADDR from 16 bits to 14 bits."
    other = "Warning: Resizing cell port a.b.payload from 16 bits to 14 bits."
    log = f"No latch inferred for signal x\n{resized}\n{other}\n{other}\ns.v:3: Warning: odd\n"
    assert problems(log) == [other, "s.v:3: Warning: odd"]
