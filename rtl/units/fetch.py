"""Fetch in hardware; the packets are defined by `models.units.fetch`."""

from amaranth import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from models.units.fetch import BEATS, HEADER, INDEX, REPEATS
from rtl.arith import shape_of
from rtl.streams import Queue, layout_of, stream_of


class Fetch(wiring.Component):
    """Hand the words of a memory port to targets, as the headers among them say.

    A word is taken on every edge, across parts, repeats and packets, as long as its target's queue
    has room. A full queue holds up all words behind. Headers are as `models.units.fetch.pack` makes
    them: a target that exists, and beats for the first target wherever there are repeats.

    Parameters
    ----------
    config : :class:`models.units.fetch.FetchConfig`

    Members
    -------
    i : In(stream of config.word_beat)
    o_<name> : Out(stream of the target's beat), for each target
    """

    def __init__(self, config):
        self.config = config
        outputs = {f"o_{target.name}": Out(stream_of(target.beat)) for target in config.targets}
        super().__init__({"i": In(stream_of(config.word_beat))} | outputs)

    def elaborate(self, platform):
        m = Module()
        header = data.View(layout_of(HEADER), Value.cast(self.i.payload)[: HEADER.bits])
        packet = Signal(layout_of(HEADER))
        target, left = Signal(shape_of(INDEX)), Signal(shape_of(BEATS))
        repeats, in_second = Signal(shape_of(REPEATS)), Signal()
        unpackers = self._unpackers(m, left)
        brings = Signal(range(1 + max(unpack.per_word for unpack in unpackers)))
        turns_to_second = ~in_second & (packet.second_beats[0] != 0)

        with m.FSM():
            with m.State("Header"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [packet.eq(header), repeats.eq(header.repeats[0])]
                m.d.sync += [target.eq(header.first[0]), left.eq(header.first_beats[0])]
                with m.If(self.i.valid & (header.repeats[0] != 0)):
                    m.next = "Payload"
            with m.State("Payload"):
                with m.Switch(target):
                    for at, unpack in enumerate(unpackers):
                        with m.Case(at):
                            m.d.comb += [
                                unpack.i.valid.eq(self.i.valid),
                                self.i.ready.eq(unpack.i.ready),
                                brings.eq(unpack.brings),
                            ]
                with m.If(self.i.valid & self.i.ready):
                    m.d.sync += left.eq(left - brings)
                    with m.If(left <= brings):
                        m.d.sync += [
                            in_second.eq(turns_to_second),
                            target.eq(Mux(turns_to_second, packet.second[0], packet.first[0])),
                            left.eq(
                                Mux(turns_to_second, packet.second_beats[0], packet.first_beats[0])
                            ),
                        ]
                        with m.If(~turns_to_second):
                            m.d.sync += repeats.eq(repeats - 1)
                            with m.If(repeats == 1):
                                m.next = "Header"
        return m

    def _unpackers(self, m, left):
        """For each target what words turn into its beats in, with its queue."""
        unpackers = []
        for at, target in enumerate(self.config.targets):
            unpack = (_Split if self.config.per_word(at) > 1 else _Join)(self.config, at)
            m.submodules[target.name] = unpack
            m.d.comb += [
                unpack.i.payload.eq(Value.cast(self.i.payload)),
                unpack.left.eq(left),
            ]
            wiring.connect(m, unpack.o, wiring.flipped(getattr(self, f"o_{target.name}")))
            unpackers.append(unpack)
        return unpackers


class _Unpack(wiring.Component):
    """The words of one target, as plain bits, and behind a queue as its beats.

    `left` are the beats of the part that have not come, with the offered word's; `brings` says how
    many come with it, where `left` may say fewer.
    """

    def __init__(self, config, at):
        self.target = config.targets[at]
        self.per_word, self.span = config.per_word(at), config.span(at)
        self.waiting = config.waiting(at)
        super().__init__(
            {
                "i": In(stream.Signature(config.port_bits)),
                "left": In(shape_of(BEATS)),
                "brings": Out(range(self.per_word + 1)),
                "o": Out(stream_of(self.target.beat)),
            }
        )


class _Split(_Unpack):
    """Words with several beats wait as they came; the one in front is handed out beat by beat."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(self.waiting, self.target.depth)
        came, word = queue.i.payload, queue.o.payload
        m.d.comb += [
            self.brings.eq(self.per_word),
            Value.cast(came.bits).eq(self.i.payload[: len(Value.cast(came.bits))]),
            came.last[0].eq(self._last()),
            queue.i.valid.eq(self.i.valid),
            self.i.ready.eq(queue.i.ready),
        ]

        at, beat = Signal(range(self.per_word)), Value.cast(self.o.payload)
        # Signals of their own: Amaranth expands each slice of a word from the whole word.
        beats = [Signal(len(beat), name=f"beat{n}") for n in range(self.per_word)]
        last = at == word.last[0]
        m.d.comb += [
            Cat(beats).eq(Value.cast(word.bits)),
            beat.eq(Array(beats)[at]),
            self.o.valid.eq(queue.o.valid),
            queue.o.ready.eq(self.o.ready & last),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += at.eq(Mux(last, 0, at + 1))
        return m

    def _last(self):
        """The last beat in the offered word: the last word of a part may have fewer than fit."""
        return Mux(self.left < self.per_word, self.left - 1, self.per_word - 1)


class _Join(_Unpack):
    """A beat of several words is complete before it waits: all but the last word are kept."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(self.waiting, self.target.depth)
        kept = [Signal(self.i.payload.shape(), name=f"kept{at}") for at in range(self.span - 1)]
        at = Signal(range(max(2, self.span)))  # at least 1 bit: Verilog has no signals of none
        complete = at == self.span - 1
        beat = Value.cast(queue.i.payload)
        m.d.comb += [
            self.brings.eq(complete),
            beat.eq(Cat(*kept, self.i.payload)[: len(beat)]),
            queue.i.valid.eq(self.i.valid & complete),
            self.i.ready.eq(queue.i.ready | ~complete),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += at.eq(Mux(complete, 0, at + 1))
            for place, word in enumerate(kept):
                with m.If(at == place):
                    m.d.sync += word.eq(self.i.payload)
        return m
