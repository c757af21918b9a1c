"""Streams: beats as Amaranth payloads, rigid pipelines and queues."""

from amaranth import Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from rtl.arith import lossless, shape_of


def layout_of(beat):
    """Payload layout of a `models.beats.Beat`: an array of `count` codes for each field."""
    return data.StructLayout(
        {field.name: data.ArrayLayout(shape_of(field.format), field.count) for field in beat.fields}
    )


def stream_of(beat):
    """Stream signature that carries a `models.beats.Beat`."""
    return stream.Signature(layout_of(beat))


def codes_of(field):
    """The codes of a beat's field, as a list of values."""
    return [field[at] for at in range(field.shape().length)]


class Pipeline:
    """A rigid pipeline that ends in stream `o`: all stages advance together, or none does.

    `valid` follows the item from stage to stage. Build it in the order of the data: `stage` for
    each row of registers, `finish` for the last, which is the output's own. Memories that are read
    along the way take `advance` as their enable.

    >>> pipe = Pipeline(m, valid=self.i.valid, o=self.o)      # doctest: +SKIP
    >>> m.d.comb += self.i.ready.eq(pipe.advance)             # doctest: +SKIP
    >>> s = pipe.stage(product=self.i.p.a[0] * self.i.p.b[0])  # doctest: +SKIP
    >>> pipe.finish(y=[saturate(s["product"], fmt)])          # doctest: +SKIP
    """

    def __init__(self, m, *, valid, o):
        self._m, self._o = m, o
        self.valid = valid
        self.advance = Signal(name="advance")
        self._may_advance = may_advance(o)
        m.d.comb += self.advance.eq(self._may_advance)

    def stage(self, **values):
        """Registers of exactly the shape of each value, or of each value of a list, by name."""
        valid = Signal(name=f"{next(iter(values))}_valid")
        with self._m.If(self.advance):
            self._m.d.sync += valid.eq(self.valid)
        self.valid = valid
        return {name: self._registers(name, value) for name, value in values.items()}

    def only(self, wanted):
        """Of the items after the last stage, only those that are `wanted` go on."""
        self.valid = self.valid & wanted

    def take(self, side):
        """Every item after the last stage takes a beat of stream `side`; all wait for it."""
        self._may_advance = self._may_advance & (side.valid | ~self.valid)
        self._m.d.comb += [
            self.advance.eq(self._may_advance),  # instead of what `advance` was until here
            side.ready.eq(self.valid & self.advance),
        ]

    def finish(self, **fields):
        """Hand over: a list of values for each field of the output's payload."""
        with self._m.If(self._o.ready):
            self._m.d.sync += self._o.valid.eq(0)  # taken, also while the stages wait for a side
        with self._m.If(self.advance):
            self._m.d.sync += self._o.valid.eq(self.valid)
            for name, values in fields.items():
                for target, value in zip(codes_of(self._o.payload[name]), values, strict=True):
                    self._m.d.sync += lossless(target, value)

    def _registers(self, name, value):
        if isinstance(value, list):
            return [self._register(f"{name}{at}", each) for at, each in enumerate(value)]
        return self._register(name, value)

    def _register(self, name, value):
        value = Value.cast(value)
        register = Signal(value.shape(), name=name)
        with self._m.If(self.advance):
            self._m.d.sync += register.eq(value)
        return register


def may_advance(o):
    """Whether the register behind stream `o` is free at the next edge."""
    return o.ready | ~o.valid


class Queue(wiring.Component):
    """A first-in first-out queue of `depth` beats; its ready does not depend on its output.

    It passes a beat on every edge from a depth of 3, on every other edge below.
    """

    def __init__(self, beat, depth=3):
        self.depth = depth
        super().__init__({"i": In(stream_of(beat)), "o": Out(stream_of(beat))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(
            width=len(Value.cast(self.i.payload)), depth=self.depth
        )
        m.d.comb += [
            fifo.w_data.eq(self.i.payload),
            fifo.w_en.eq(self.i.valid),
            self.i.ready.eq(fifo.w_rdy),
            self.o.payload.eq(fifo.r_data),
            self.o.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.o.ready),
        ]
        return m
