"""Between units: fork, switch and select streams, change their width, repeat constant beats."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from models.beats import STEP, block_beat
from rtl.streams import codes_of, stream_of


class Fork(wiring.Component):
    """Hand each beat of `i` to every one of `o0`, `o1`, ...; each takes it when it can."""

    def __init__(self, beat, outputs):
        self.outputs = outputs
        super().__init__({"i": In(stream_of(beat))} | _numbered("o", Out, beat, outputs))

    def elaborate(self, platform):
        m = Module()
        outs = [getattr(self, f"o{at}") for at in range(self.outputs)]
        m.d.comb += [o.payload.eq(self.i.payload) for o in outs]
        fork(m, self.i, outs)
        return m


def fork(m, i, outs):
    """Offer each beat of stream `i` to every one of `outs`; the caller connects their payloads."""
    taken = Signal(len(outs))
    done = Cat(taken[at] | o.ready for at, o in enumerate(outs))
    m.d.comb += i.ready.eq(done.all())
    m.d.comb += [o.valid.eq(i.valid & ~taken[at]) for at, o in enumerate(outs)]
    with m.If(i.valid):
        m.d.sync += taken.eq(Mux(i.ready, 0, done))


class Switch(wiring.Component):
    """Hand the beats of `i` to `o0`, `o1`, ... as the steps of `i_steps` say.

    A step is an output's index, or `outputs` to drop, and a number of beats.
    """

    def __init__(self, beat, outputs):
        self.outputs = outputs
        ports = {"i": In(stream_of(beat)), "i_steps": In(stream_of(STEP))}
        super().__init__(ports | _numbered("o", Out, beat, outputs))

    def elaborate(self, platform):
        m = Module()
        _count_beats(m, self.i_steps, self.i.valid & self.i.ready)
        with m.If(self.i_steps.valid), m.Switch(self.i_steps.p.port[0]):
            for at in range(self.outputs):
                o = getattr(self, f"o{at}")
                with m.Case(at):
                    m.d.comb += [o.valid.eq(self.i.valid), self.i.ready.eq(o.ready)]
            with m.Default():
                m.d.comb += self.i.ready.eq(1)
        for at in range(self.outputs):
            m.d.comb += getattr(self, f"o{at}").payload.eq(self.i.payload)
        return m


class Select(wiring.Component):
    """Hand over the beats of `i0`, `i1`, ... as the steps of `i_steps` say.

    A step is an input's index and a number of beats.
    """

    def __init__(self, beat, inputs):
        self.inputs = inputs
        ports = {"o": Out(stream_of(beat)), "i_steps": In(stream_of(STEP))}
        super().__init__(ports | _numbered("i", In, beat, inputs))

    def elaborate(self, platform):
        m = Module()
        _count_beats(m, self.i_steps, self.o.valid & self.o.ready)
        with m.Switch(self.i_steps.p.port[0]):
            for at in range(self.inputs):
                i = getattr(self, f"i{at}")
                with m.Case(at):
                    m.d.comb += [
                        self.o.payload.eq(i.payload),
                        self.o.valid.eq(i.valid & self.i_steps.valid),
                        i.ready.eq(self.o.ready & self.i_steps.valid),
                    ]
        return m


class Repeat(wiring.Component):
    """Offer constant `words` of `beat`, over and over."""

    def __init__(self, beat, words):
        self.words = words
        super().__init__({"o": Out(stream_of(beat))})

    def elaborate(self, platform):
        m = Module()
        width = len(Value.cast(self.o.payload))
        m.submodules.words = words = Memory(shape=width, depth=len(self.words), init=self.words)
        read = words.read_port(domain="comb")
        at = Signal.like(read.addr)
        m.d.comb += [
            read.addr.eq(at),
            self.o.valid.eq(1),
            Value.cast(self.o.payload).eq(read.data),
        ]
        with m.If(self.o.ready):
            m.d.sync += at.eq(Mux(at == len(self.words) - 1, 0, at + 1))
        return m


class Resize(wiring.Component):
    """Beats of `lanes` codes of a block as beats of `to` codes, powers of two both."""

    def __init__(self, block, lanes, to):
        self.block, self.lanes, self.to = block, lanes, to
        ports = {"i": In(stream_of(block_beat(block, lanes)))}
        super().__init__(ports | {"o": Out(stream_of(block_beat(block, to)))})

    def elaborate(self, platform):
        m = Module()
        if self.to == self.lanes:
            wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        elif self.to > self.lanes:
            self._widen(m)
        else:
            self._narrow(m)
        return m

    def _widen(self, m):
        """Keep all but the last beat of a wide one; hand over when that comes."""
        count = self.to // self.lanes
        kept = [Signal(self.i.payload.shape(), name=f"kept{at}") for at in range(count - 1)]
        at = Signal(range(count))
        complete = at == count - 1
        beats = [*kept, self.i.payload]
        codes = [code for beat in beats for code in codes_of(beat.codes)]
        exponents = [self._exponent(beats, channel) for channel in self._firsts()]
        m.d.comb += [
            self.o.valid.eq(self.i.valid & complete),
            self.i.ready.eq(self.o.ready | ~complete),
            *(o.eq(code) for o, code in zip(codes_of(self.o.p.codes), codes, strict=True)),
            *(o.eq(e) for o, e in zip(codes_of(self.o.p.exponents), exponents, strict=True)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += at.eq(Mux(complete, 0, at + 1))
            for place, beat in enumerate(kept):
                with m.If(at == place):
                    m.d.sync += beat.eq(self.i.payload)

    def _narrow(self, m):
        """Hand over part after part of a wide beat; take the next one with the last."""
        count = self.lanes // self.to
        at = Signal(range(count))
        with m.Switch(at):
            for part in range(count):
                first = part * self.to
                codes = codes_of(self.i.p.codes)[first : first + self.to]
                exponents = [
                    self._exponent([self.i.payload], first + channel) for channel in self._firsts()
                ]
                with m.Case(part):
                    targets = codes_of(self.o.p.codes) + codes_of(self.o.p.exponents)
                    m.d.comb += [
                        target.eq(value)
                        for target, value in zip(targets, codes + exponents, strict=True)
                    ]
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & (at == count - 1)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += at.eq(Mux(at == count - 1, 0, at + 1))

    def _firsts(self):
        """First channel of each group in a beat of `to` codes."""
        return range(0, self.to, self.block.group)

    def _exponent(self, beats, channel):
        """Exponent of `channel`, counted over neighbouring beats of `lanes` codes."""
        exponents = beats[channel // self.lanes].exponents
        return exponents[channel % self.lanes // self.block.group]


def _numbered(name, flow, beat, count):
    return {f"{name}{at}": flow(stream_of(beat)) for at in range(count)}


def _count_beats(m, steps, moved):
    """Take the step in front of `steps` with the last of its beats; one goes by when `moved`."""
    beat = Signal.like(steps.p.beats[0])
    last = steps.p.beats[0] - 1 == beat
    m.d.comb += steps.ready.eq(moved & last)
    with m.If(moved):
        m.d.sync += beat.eq(Mux(last, 0, beat + 1))
