"""A whole network in hardware, between a stream of memory words and streams of tokens."""

from amaranth import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from models.networks.machine import EMBEDDED, LOOPED
from models.registers import REGISTERS
from rtl.arith import bounded
from rtl.core import Core, connect
from rtl.routing import Fork, Select
from rtl.streams import Queue, codes_of, stream_of
from rtl.units.argmax import Argmax
from rtl.units.fetch import Fetch

SETTINGS = {
    field.name: field.bits
    for register in REGISTERS.values()
    for field in register.fields
    if field.access == "read-write"
}
"""What software sets before a run, with its bits."""


class Machine(wiring.Component):
    """Embedding, layers, final norm, head and argmax of a network, one token after the other.

    Parameters
    ----------
    config : :class:`models.networks.machine.MachineConfig`

    Members
    -------
    start : In(1)
        Forget all state and begin a run.
    done : Out(1)
        High for the cycle in which a run has ended.
    prompt_tokens, ..., embedding_words : In
        The settings of `models.registers`, kept during a run.
    o_reads, i : Out(stream), In(stream)
        Reads of memory, and their words.
    i_tokens : In(stream)
        The prompt.
    o_tokens : Out(stream)
        The argmax after each token; from the last one of the prompt on, the generated text.
    o_logits : Out(stream)
        All logits of each token, `lanes` in a beat, the last beat padded.
    """

    def __init__(self, config):
        self.config = config
        token = stream_of(config.token_beat)
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                **{name: In(bits) for name, bits in SETTINGS.items()},
                "o_reads": Out(stream_of(config.port.i_beat)),
                "i": In(stream_of(config.port.o_beat)),
                "i_tokens": In(token),
                "o_tokens": Out(token),
                "o_logits": Out(stream_of(config.units.matvec.o_beat)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        network = _Network(self.config)
        m.submodules.network = ResetInserter(self.start)(network)
        m.submodules.sequence = sequence = _Sequence(self.config)
        m.submodules.results = results = Fork(self.config.token_beat, 2)

        m.d.comb += [sequence.start.eq(self.start), self.done.eq(sequence.done)]
        m.d.comb += [getattr(sequence, name).eq(getattr(self, name)) for name in SETTINGS]
        # Not while the network is being reset, which would lose the word.
        m.d.comb += [
            network.i.payload.as_value().eq(self.i.payload.as_value()),
            network.i.valid.eq(self.i.valid & ~self.start),
            self.i.ready.eq(network.i.ready & ~self.start),
        ]
        for source, sink in [
            (network.o_logits, wiring.flipped(self.o_logits)),
            (network.o_tokens, results.i),
            (results.o0, wiring.flipped(self.o_tokens)),
            (results.o1, sequence.i_results),
            (wiring.flipped(self.i_tokens), sequence.i_prompt),
            (sequence.o_reads, wiring.flipped(self.o_reads)),
        ]:
            connect(m, source, sink)
        return m


class _Network(wiring.Component):
    """Memory words in, logits and their argmax out; the words say what to do."""

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(config.fetch.word_beat)),
                "o_tokens": Out(stream_of(config.token_beat)),
                "o_logits": Out(stream_of(config.units.matvec.o_beat)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, units = self.config, self.config.units
        m.submodules.fetch = fetch = Fetch(config.fetch)
        m.submodules.source = source = Select(units.residual.i_beat, 2)
        m.submodules.core = core = Core(config.shape, units)
        m.submodules.looped = looped = Queue(
            units.residual.o_beat, config.shape.d_model // units.lanes + 2
        )
        m.submodules.logits = logits = Fork(units.matvec.o_beat, 2)
        m.submodules.argmax = argmax = Argmax(config.argmax)

        embedded, row = getattr(source, f"i{EMBEDDED}"), fetch.o_embedding
        more = units.residual.stream.frac - config.embedding.frac
        m.d.comb += [embedded.valid.eq(row.valid), row.ready.eq(embedded.ready)]
        m.d.comb += [
            wide.eq(bounded(code << more, units.residual.stream))
            for wide, code in zip(codes_of(embedded.p.x), codes_of(row.p.x), strict=True)
        ]
        for origin, sink in [
            (wiring.flipped(self.i), fetch.i),
            (fetch.o_sources, source.i_steps),
            (source.o, core.i),
            (core.o, looped.i),
            (looped.o, getattr(source, f"i{LOOPED}")),
            (core.o_logits, logits.i),
            (logits.o0, wiring.flipped(self.o_logits)),
            (logits.o1, argmax.i),
            (argmax.o, wiring.flipped(self.o_tokens)),
            *((getattr(fetch, f"o_{name}"), getattr(core, f"i_{name}")) for name in units.fed),
        ]:
            connect(m, origin, sink)
        return m


class _Sequence(wiring.Component):
    """The tokens of a run: where each comes from, and the two reads that it takes.

    The row of the embedding is read before the stream, so that it is not stuck behind weights
    that wait for it.
    """

    def __init__(self, config):
        self.config = config
        token = stream_of(config.token_beat)
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                **{name: In(bits) for name, bits in SETTINGS.items()},
                "i_prompt": In(token),
                "i_results": In(token),
                "o_reads": Out(stream_of(config.port.i_beat)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        address, words = self.o_reads.p.address[0], self.o_reads.p.words[0]
        token = Signal.like(self.i_prompt.p.index)
        through = Signal.like(self.prompt_tokens)  # tokens whose result is known
        row = Signal.like(address)
        last = through + 1 == self.prompt_tokens + self.new_tokens - 1

        with m.FSM():
            with m.State("Idle"):
                m.d.sync += through.eq(0)
                with m.If(self.start):
                    m.next = "Token"
            with m.State("Token"):
                with m.If(through < self.prompt_tokens):
                    m.d.comb += self.i_prompt.ready.eq(1)
                    m.d.sync += token.eq(self.i_prompt.p.index)
                with m.If(self.i_prompt.valid | (through >= self.prompt_tokens)):
                    m.next = "Row"
            with m.State("Row"):
                m.d.sync += row.eq(token[0] * self.embedding_stride)
                m.next = "Ask for row"
            with m.State("Ask for row"):
                m.d.comb += [
                    self.o_reads.valid.eq(1),
                    address.eq(self.embedding_address + row),
                    words.eq(self.embedding_words),
                ]
                with m.If(self.o_reads.ready):
                    m.next = "Ask for stream"
            with m.State("Ask for stream"):
                m.d.comb += [
                    self.o_reads.valid.eq(1),
                    address.eq(self.image_address),
                    words.eq(self.image_words),
                ]
                with m.If(self.o_reads.ready):
                    m.next = "Result"
            with m.State("Result"):
                m.d.comb += self.i_results.ready.eq(1)
                with m.If(self.i_results.valid):
                    m.d.sync += [token.eq(self.i_results.p.index), through.eq(through + 1)]
                    m.next = "Token"
                    with m.If(last):
                        m.d.comb += self.done.eq(1)
                        m.next = "Idle"
        return m
