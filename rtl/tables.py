"""Function tables in hardware; the arithmetic is defined by `models.tables`."""

from amaranth import Mux
from amaranth.lib import data
from amaranth.lib.memory import Memory

from rtl.arith import bounded, round_shift, saturate, shape_of

LOOKUP_STAGES = 2
"""Rows of registers that `lookup` adds to a pipeline."""


def lookup(m, pipe, table, codes, **carried):
    """Results of `table` for the values `codes`, two stages later, and `carried` beside them.

    Each code has a ROM of its own, named after the function and its place.
    """
    segment_bits = table.segment_bits
    offsets = [code - table.low for code in codes]
    entries = [
        _rom(m, pipe, table, f"{table.function}{at}", offset[segment_bits:])
        for at, offset in enumerate(offsets)
    ]
    s = pipe.stage(
        within=[offset[:segment_bits] for offset in offsets],
        below=[code < table.low for code in codes],
        above=[code >= table.high for code in codes],
        code=list(codes),
        **carried,
    )
    s = pipe.stage(
        **s | {"base": [entry.base for entry in entries]},
        rise=[entry.slope * within for entry, within in zip(entries, s["within"], strict=True)],
    )
    results = [
        _result(table, *parts)
        for parts in zip(s["base"], s["rise"], s["below"], s["above"], s["code"], strict=True)
    ]
    return results, {name: s[name] for name in carried}


def _rom(m, pipe, table, name, segment):
    """The entry of `segment`, out of the range any entry, one stage later."""
    shape = data.StructLayout({"base": shape_of(table.base), "slope": shape_of(table.slope)})
    entries = zip(table.bases.tolist(), table.slopes.tolist(), strict=True)
    init = [{"base": base, "slope": slope} for base, slope in entries]
    m.submodules[name] = memory = Memory(shape=shape, depth=table.segments, init=init)
    port = memory.read_port(domain="sync")
    m.d.comb += [port.addr.eq(segment[: len(port.addr)]), port.en.eq(pipe.advance)]
    return port.data


def _result(table, base, rise, below, above, code):
    line = bounded(base + round_shift(rise, table.slope_frac), table.line)
    result = Mux(below, 0, line)
    if table.above == "input":
        more = table.o.frac - table.i.frac
        passed = code << more if more >= 0 else round_shift(code, -more)
        result = Mux(above, passed, result)
    return saturate(result, table.o)
