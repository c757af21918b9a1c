"""Residual in hardware; the arithmetic is defined by `models.units.residual`."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arith import saturate
from rtl.streams import Pipeline, codes_of, stream_of


class Residual(wiring.Component):
    """Add two streams of fixed-point codes, beat by beat.

    Parameters
    ----------
    config : :class:`models.units.residual.ResidualConfig`

    Members
    -------
    i : In(stream of config.i_beat)
    i_update : In(stream of config.update_beat)
    o : Out(stream of config.o_beat)
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "i_update": In(stream_of(config.update_beat)),
                "o": Out(stream_of(config.o_beat)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        both = self.i.valid & self.i_update.valid

        pipe = Pipeline(m, valid=both, o=self.o)
        taken = both & pipe.advance
        m.d.comb += [self.i.ready.eq(taken), self.i_update.ready.eq(taken)]

        x, update = codes_of(self.i.p.x), codes_of(self.i_update.p.y)
        s = pipe.stage(total=[a + b for a, b in zip(x, update, strict=True)])
        pipe.finish(x=[saturate(total, self.config.stream) for total in s["total"]])
        return m
