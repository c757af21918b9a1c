"""Activate in hardware; the arithmetic is defined by `models.units.activate`."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.streams import Pipeline, codes_of, stream_of
from rtl.tables import lookup


class Activate(wiring.Component):
    """Look every code of a stream up in a table; each lane has a ROM of its own.

    Parameters
    ----------
    config : :class:`models.units.activate.ActivateConfig`

    Members
    -------
    i : In(stream of config.i_beat)
    o : Out(stream of config.o_beat)
    """

    def __init__(self, config):
        self.config = config
        super().__init__({"i": In(stream_of(config.i_beat)), "o": Out(stream_of(config.o_beat))})

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, valid=self.i.valid, o=self.o)
        m.d.comb += self.i.ready.eq(pipe.advance)
        results, _ = lookup(m, pipe, self.config.table, codes_of(self.i.p.x))
        pipe.finish(y=results)
        return m
