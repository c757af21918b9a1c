"""Verilog: memories of zeros are set in a loop, others keep their contents."""

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from codegen.verilog import to_verilog


class Table(wiring.Component):
    """A memory of 300 rows of 12 bits with a read port."""

    address: In(9)
    row: Out(12)

    def __init__(self, init):
        self.init = init
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = Memory(shape=12, depth=300, init=self.init)
        read = rows.read_port()
        m.d.comb += [read.addr.eq(self.address), self.row.eq(read.data)]
        return m


def test_zeros_are_a_loop():
    text = to_verilog(Table([]), "table")
    assert "rows[7] =" not in text
    assert text.count("row_at_") == 6
    assert "< 300;" in text
    assert "= 12'h0;" in text


@pytest.mark.parametrize("init", [[5], [0] * 299 + [1], range(300)], ids=["first", "last", "all"])
def test_contents_stay(init):
    text = to_verilog(Table(init), "table")
    for at, row in enumerate(init):
        assert f"rows[{at}] = 12'h{row:03x};" in text
    assert "row_at_" not in text


def test_the_folder_is_not_told():
    assert "src =" not in to_verilog(Table([]), "table")
