"""Verilog of a component."""

import re
from typing import Any

from amaranth.back import verilog

_SOURCE = re.compile(r'^ *\(\* src = "[^"]*" \*\)\n', re.MULTILINE)
_INITIAL = re.compile(r"  initial begin\n((?:    \S+ ?\[\d+\] = \d+'h[0-9a-f]+;\n)+)  end\n")
_ZERO = re.compile(r"    (\S+ ?)\[(\d+)\] = (\d+)'h0+;")


def to_verilog(component: Any, name: str) -> str:
    """Verilog text of an Amaranth `component`, top module `name`, the same for the same component.

    Ports keep Amaranth's names (`clk`, `rst`, `i__payload`, `i__valid`, ...). Memories of zeros
    are set in a loop, where Amaranth writes a line for each row: a state of 80,000 rows would take
    a compiler minutes. Where in which folder a memory was described is left out.
    """
    text = verilog.convert(component, name=name, strip_internal_attrs=True)
    text = _SOURCE.sub("", text)
    return _INITIAL.sub(_as_loop, text)


def _as_loop(block: re.Match[str]) -> str:
    rows = block[1].splitlines()
    zeros = [_ZERO.fullmatch(row) for row in rows]
    first = zeros[0]
    if first is None or not all(zeros):
        return block[0]
    memory, width = first[1], first[3]
    at = f"row_at_{block.start()}"
    return (
        f"  integer {at};\n"
        f"  initial for ({at} = 0; {at} < {len(rows)}; {at} = {at} + 1) "
        f"{memory}[{at}] = {width}'h0;\n"
    )
