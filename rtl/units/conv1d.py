"""Conv1d in hardware; the arithmetic is defined by `models.units.conv1d`."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.arith import bounded, round_shift, saturate, total
from rtl.streams import Pipeline, codes_of, layout_of, stream_of


class Conv1d(wiring.Component):
    """Convolve each channel over the tokens so far; those before the first one after reset are 0.

    The beats of the last tokens wait in a memory, one row for each place in a token.

    Parameters
    ----------
    config : :class:`models.units.conv1d.Conv1dConfig`

    Members
    -------
    i : In(stream of config.i_beat)
        Tokens of `config.channels` channels, one after another; with several layers, a token of
        each layer in turn.
    i_weights : In(stream of config.weight_beat)
        In step with `i`: the taps and biases of the same channels.
    o : Out(stream of config.o_beat)
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "i_weights": In(stream_of(config.weight_beat)),
                "o": Out(stream_of(config.o_beat)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        both = self.i.valid & self.i_weights.valid

        pipe = Pipeline(m, valid=both, o=self.o)
        taken = both & pipe.advance
        m.d.comb += [self.i.ready.eq(taken), self.i_weights.ready.eq(taken)]

        m.submodules.history = history = _History(config)
        m.d.comb += [
            history.i.eq(self.i.payload),
            history.valid.eq(both),
            history.advance.eq(pipe.advance),
        ]
        w = self.i_weights.p
        s = pipe.stage(
            tap=codes_of(w.codes), tap_exponent=codes_of(w.exponents), bias=codes_of(w.bias)
        )
        codes = [code for beat in history.window for code in codes_of(beat.codes)]
        exponents = [e for beat in history.window for e in codes_of(beat.exponents)]
        s = pipe.stage(
            product=[code * tap for code, tap in zip(codes, s["tap"], strict=True)],
            shift=[a + b for a, b in zip(exponents, s["tap_exponent"], strict=True)],
            bias=s["bias"],
        )
        per_shift = min(config.lanes, config.x.group)
        s = pipe.stage(
            expanded=[
                bounded(product << s["shift"][at // per_shift], config.total)
                for at, product in enumerate(s["product"])
            ],
            bias=s["bias"],
        )
        sums = [total(s["expanded"][lane :: config.lanes]) for lane in range(config.lanes)]
        s = pipe.stage(total=[bounded(each, config.total) for each in sums], bias=s["bias"])
        biased = [
            round_shift(each, config.shift) + bias
            for each, bias in zip(s["total"], s["bias"], strict=True)
        ]
        s = pipe.stage(biased=biased)
        pipe.finish(y=[saturate(each, config.o) for each in s["biased"]])
        return m


class _History(wiring.Component):
    """A beat and those in its place in earlier tokens, one stage after the beat was taken.

    The row of a place is read when its beat is taken and rewritten one stage later. A token of a
    single beat reads a row while it is being rewritten, and gets what is written: hence the
    transparent port.
    """

    def __init__(self, config):
        # Not below 2: Verilog has no vector without bits for the address of a single row.
        self.rows = max(2, config.state_words)
        self.last = config.state_words - 1
        beat = layout_of(config.i_beat)
        super().__init__(
            {
                "i": In(beat),
                "valid": In(1),
                "advance": In(1),
                "window": Out(data.ArrayLayout(beat, config.taps)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        beats = self.window.shape()
        older = data.ArrayLayout(beats.elem_shape, beats.length - 1)
        m.submodules.rows = rows = Memory(shape=older, depth=self.rows, init=[])
        write = rows.write_port()
        read = rows.read_port(transparent_for=[write])
        place, held_place = Signal(range(self.rows)), Signal(range(self.rows))
        held_valid = Signal()
        first, held_first = Signal(init=1), Signal()
        newest = Signal(beats.elem_shape)
        last = place == self.last

        row = Mux(held_first, 0, read.data.as_value())
        m.d.comb += [
            read.addr.eq(place),
            read.en.eq(self.advance),
            self.window.eq(Cat(row, newest)),
            write.addr.eq(held_place),
            write.en.eq(self.advance & held_valid),
            write.data.eq(Cat(self.window[at] for at in range(1, beats.length))),
        ]
        with m.If(self.advance):
            m.d.sync += [
                newest.eq(self.i),
                held_place.eq(place),
                held_valid.eq(self.valid),
                held_first.eq(first),
            ]
            with m.If(self.valid):
                m.d.sync += [place.eq(Mux(last, 0, place + 1)), first.eq(first & ~last)]
        return m
