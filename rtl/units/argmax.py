"""Argmax in hardware; the result is defined by `models.units.argmax`."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.arith import bounded, lossless, shape_of
from rtl.streams import Pipeline, codes_of, stream_of

LEVELS = 2
"""Comparisons one after the other in a pipeline stage."""


class Argmax(wiring.Component):
    """Hand over the index of the largest code of each vector; a beat is taken on every edge.

    A comparison tree finds the best lane of a beat, the last stage the best beat of the vector.

    Parameters
    ----------
    config : :class:`models.units.argmax.ArgmaxConfig`

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
        beat = Signal(range(max(2, self.config.beats)))  # Verilog has no signals of no bits
        m.d.comb += self.i.ready.eq(pipe.advance)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += beat.eq(Mux(self._is_last(beat), 0, beat + 1))

        codes = self._without_padding(beat)
        lanes = [Const(0, 0)] * len(codes)
        levels = exact_log2(self.config.lanes)
        for done in range(0, levels, LEVELS):
            for _ in range(min(LEVELS, levels - done)):
                codes, lanes = _level(codes, lanes)
            s = pipe.stage(code=codes, lane=lanes, beat=beat)
            codes, lanes, beat = s["code"], s["lane"], s["beat"]
        self._keep_best(m, pipe, codes[0], Cat(lanes[0], beat), self._is_last(beat))
        return m

    def _is_last(self, beat):
        return beat == self.config.beats - 1

    def _without_padding(self, beat):
        """The codes of the offered beat; the lowest code, which loses, behind the last one."""
        filled = self.config.count - (self.config.beats - 1) * self.config.lanes
        codes = codes_of(self.i.p.x)
        lowest = Const(self.config.i.min_code, shape_of(self.config.i))
        padded = [Mux(self._is_last(beat), lowest, code) for code in codes[filled:]]
        return codes[:filled] + padded

    def _keep_best(self, m, pipe, code, index, last):
        """Hand over the best of a vector's beats with the last of them."""
        fresh = Signal(init=1)
        best_code, best_index = Signal.like(code), Signal(len(index))
        better = fresh | larger(code, best_code)
        winner = Mux(better, index, best_index)
        with m.If(pipe.advance & pipe.valid):
            m.d.sync += [fresh.eq(last), lossless(best_index, winner)]
            with m.If(better):
                m.d.sync += best_code.eq(code)
        pipe.only(last)
        pipe.finish(index=[bounded(winner, self.config.index)])


def larger(code, before):
    """Whether `code` is larger than one `before` it; of equals, the first stays."""
    return code > before


def _level(codes, lanes):
    """The better of each pair of neighbours, and its lane among all below it."""
    better_codes, better_lanes = [], []
    for at in range(0, len(codes), 2):
        second = larger(codes[at + 1], codes[at])
        better_codes.append(Mux(second, codes[at + 1], codes[at]))
        better_lanes.append(Cat(Mux(second, lanes[at + 1], lanes[at]), second))
    return better_codes, better_lanes
