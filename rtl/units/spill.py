"""Spill in hardware; how words are packed is defined by `models.units.spill`."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from models.units.fetch import BEATS
from rtl.arith import shape_of
from rtl.streams import may_advance, stream_of


class Spill(wiring.Component):
    """Pack the beats of a state into port words, part after part, and tell where they go.

    The step of the next part is taken with the last beat of a part, or later. A part is told when
    its step is taken, before its words.

    Parameters
    ----------
    config : :class:`models.units.spill.SpillConfig`

    Members
    -------
    i_steps : In(stream of config.step_beat)
    i : In(stream of config.i_beat)
    o : Out(stream of config.o_beat)
    o_writes : Out(stream of config.write_beat)
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i_steps": In(stream_of(config.step_beat)),
                "i": In(stream_of(config.i_beat)),
                "o": Out(stream_of(config.o_beat)),
                "o_writes": Out(stream_of(config.write_beat)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        packer = _Split if self.config.span > 1 else _Join
        m.submodules.pack = pack = packer(self.config)
        step, writes = self.i_steps, self.o_writes
        left = Signal(shape_of(BEATS))  # beats of the part that have not come
        comes = self.i.valid & self.i.ready

        m.d.comb += [
            pack.i.payload.eq(Value.cast(self.i.payload)),
            pack.i.valid.eq(self.i.valid & (left != 0)),
            pack.last.eq(left == 1),
            self.i.ready.eq(pack.i.ready & (left != 0)),
            Value.cast(self.o.payload).eq(pack.o.payload),
            self.o.valid.eq(pack.o.valid),
            pack.o.ready.eq(self.o.ready),
            step.ready.eq(((left == 0) | (comes & (left == 1))) & may_advance(writes)),
        ]
        with m.If(comes):
            m.d.sync += left.eq(left - 1)
        with m.If(writes.ready):
            m.d.sync += writes.valid.eq(0)
        with m.If(step.valid & step.ready):
            m.d.sync += [
                left.eq(step.p.beats[0]),
                writes.valid.eq(1),
                writes.p.place.eq(step.p.place),
                writes.p.words.eq(step.p.words),
            ]
        return m


class _Join(wiring.Component):
    """Several beats in a word, as plain bits: it is handed over with its last beat.

    The last word of a part may have fewer beats than fit, and zeros in their place.
    """

    def __init__(self, config):
        self.per_word = config.per_word
        super().__init__(_members(config))

    def elaborate(self, platform):
        m = Module()
        beat = self.i.payload
        kept = [Signal(beat.shape(), name=f"kept{at}") for at in range(self.per_word - 1)]
        at = Signal(range(max(2, self.per_word)))
        complete = self.last | (at == self.per_word - 1)
        filled = [Mux(at == place, beat, Mux(at > place, one, 0)) for place, one in enumerate(kept)]
        filled.append(Mux(at == self.per_word - 1, beat, 0))

        m.d.comb += self.i.ready.eq(~complete | may_advance(self.o))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += at.eq(Mux(complete, 0, at + 1))
            for place, one in enumerate(kept):
                with m.If(at == place):
                    m.d.sync += one.eq(beat)
            with m.If(complete):
                m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(Cat(filled))]
        return m


class _Split(wiring.Component):
    """Several words of a beat, the lowest bits first; the next is taken with the last of them."""

    def __init__(self, config):
        self.span = config.span
        super().__init__(_members(config))

    def elaborate(self, platform):
        m = Module()
        held, words = Signal(self.i.payload.shape()), Signal(range(self.span + 1))
        m.d.comb += [
            self.o.valid.eq(words != 0),
            self.o.payload.eq(held),
            self.i.ready.eq((words == 0) | ((words == 1) & self.o.ready)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [held.eq(held >> len(self.o.payload)), words.eq(words - 1)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(self.i.payload), words.eq(self.span)]
        return m


def _members(config):
    return {
        "i": In(stream.Signature(config.beat.bits)),
        "last": In(1),
        "o": Out(stream.Signature(config.port_bits)),
    }
