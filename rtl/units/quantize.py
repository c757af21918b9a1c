"""Quantize in hardware; the arithmetic is defined by `models.units.quantize`."""

from functools import reduce
from operator import or_

from amaranth import Array, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.arith import bit_length, magnitude, round_shift, saturate
from rtl.streams import Pipeline, codes_of, layout_of, stream_of


class Quantize(wiring.Component):
    """Narrow a stream of fixed-point codes to blocks.

    With at least as many lanes as a group has channels, a plain pipeline; otherwise the beats of
    a group wait in one of two banks until the group's exponent is known.

    Parameters
    ----------
    config : :class:`models.units.quantize.QuantizeConfig`

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
        group = self.config.block.group

        if self.config.lanes >= group:
            pipe = Pipeline(m, valid=self.i.valid, o=self.o)
            m.d.comb += self.i.ready.eq(pipe.advance)
            x = codes_of(self.i.p.x)
            widest = [_widest(x[at : at + group]) for at in range(0, len(x), group)]
        else:
            m.submodules.gather = gather = _Gather(self.config)
            wiring.connect(m, wiring.flipped(self.i), gather.i)
            pipe = Pipeline(m, valid=gather.valid, o=self.o)
            m.d.comb += gather.ready.eq(pipe.advance)
            x, widest = codes_of(gather.x), [gather.widest]

        s = pipe.stage(x=x, widest=widest)
        exponents = [_exponent(each, self.config.block) for each in s["widest"]]
        s = pipe.stage(x=s["x"], exponent=exponents)
        shifts = [s["exponent"][at // group % len(exponents)] for at in range(self.config.lanes)]
        codes = [
            saturate(round_shift(x, shift), self.config.block.code)
            for x, shift in zip(s["x"], shifts, strict=True)
        ]
        pipe.finish(codes=codes, exponents=s["exponent"])
        return m


class _Gather(wiring.Component):
    """Two banks of a group's beats: one fills while the other is read with its widest magnitude."""

    def __init__(self, config):
        self.beats = config.block.group // config.lanes
        beat = layout_of(config.i_beat)
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "x": Out(beat["x"].shape),
                "widest": Out(config.block.source.width - 1),
                "valid": Out(1),
                "ready": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        last = self.beats - 1
        m.submodules.banks = banks = Memory(
            shape=self.x.shape().size, depth=2 * self.beats, init=[]
        )
        write, read = banks.write_port(), banks.read_port(domain="comb")
        full = Array(Signal(name=f"full{bank}") for bank in range(2))
        widest = Array(Signal.like(self.widest, name=f"widest{bank}") for bank in range(2))
        fill_bank, fill_at = Signal(), Signal(range(self.beats))
        read_bank, read_at = Signal(), Signal(range(self.beats))
        so_far = Signal.like(self.widest)
        gathered = _widest(codes_of(self.i.p.x)) | Mux(fill_at == 0, 0, so_far)

        m.d.comb += [
            self.i.ready.eq(~full[fill_bank]),
            write.en.eq(self.i.valid & self.i.ready),
            write.addr.eq(fill_bank * self.beats + fill_at),
            write.data.eq(Value.cast(self.i.p.x)),
            read.addr.eq(read_bank * self.beats + read_at),
            Value.cast(self.x).eq(read.data),
            self.widest.eq(widest[read_bank]),
            self.valid.eq(full[read_bank]),
        ]
        with m.If(self.valid & self.ready):
            m.d.sync += read_at.eq(Mux(read_at == last, 0, read_at + 1))
            with m.If(read_at == last):
                m.d.sync += [full[read_bank].eq(0), read_bank.eq(~read_bank)]
        with m.If(write.en):
            m.d.sync += [so_far.eq(gathered), fill_at.eq(Mux(fill_at == last, 0, fill_at + 1))]
            with m.If(fill_at == last):
                m.d.sync += [
                    full[fill_bank].eq(1),
                    widest[fill_bank].eq(gathered),
                    fill_bank.eq(~fill_bank),
                ]
        return m


def _widest(codes):
    """The OR of the magnitudes: as long as the largest of them."""
    return reduce(or_, (magnitude(code) for code in codes))


def _exponent(widest, block):
    length = bit_length(widest)
    most = block.bits - 1
    exponent = Mux(length > most, length - most, 0)
    return exponent[: block.exponent.width]
