"""Verilog of a component."""

from typing import Any

from amaranth.back import verilog


def to_verilog(component: Any, name: str) -> str:
    """Verilog text of an Amaranth `component`, top module `name`, the same for the same component.

    Ports keep Amaranth's names (`clk`, `rst`, `i__payload`, `i__valid`, ...).
    """
    return verilog.convert(component, name=name, strip_internal_attrs=True)
