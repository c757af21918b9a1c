"""Gate in hardware; the arithmetic is defined by `models.units.gate`."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arith import bounded, round_shift, saturate
from rtl.streams import Pipeline, codes_of, stream_of


class Gate(wiring.Component):
    """Multiply two streams of blocks, beat by beat, into fixed-point codes.

    The codes are multiplied as they came, narrow, and shifted by the sum of their exponents: the
    product of the expanded codes, without a multiplier of their width.

    Parameters
    ----------
    config : :class:`models.units.gate.GateConfig`

    Members
    -------
    i : In(stream of config.i_beat)
    i_gate : In(stream of config.gate_beat)
    o : Out(stream of config.o_beat)
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "i_gate": In(stream_of(config.gate_beat)),
                "o": Out(stream_of(config.o_beat)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        both = self.i.valid & self.i_gate.valid

        pipe = Pipeline(m, valid=both, o=self.o)
        taken = both & pipe.advance
        m.d.comb += [self.i.ready.eq(taken), self.i_gate.ready.eq(taken)]

        y, y_exponents = _operands(self.i.p, config.y)
        z, z_exponents = _operands(self.i_gate.p, config.z)
        s = pipe.stage(
            product=[a * b for a, b in zip(y, z, strict=True)],
            shift=[a + b for a, b in zip(y_exponents, z_exponents, strict=True)],
        )
        s = pipe.stage(
            expanded=[
                bounded(product << shift, config.product)
                for product, shift in zip(s["product"], s["shift"], strict=True)
            ]
        )
        pipe.finish(
            y=[saturate(round_shift(each, config.shift), config.o) for each in s["expanded"]]
        )
        return m


def _operands(payload, block):
    """The codes of a beat, and the exponent of each."""
    codes, exponents = codes_of(payload.codes), codes_of(payload.exponents)
    return codes, [exponents[lane // block.group] for lane in range(len(codes))]
