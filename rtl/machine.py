"""A whole network in hardware, between a stream of memory words and streams of tokens."""

from amaranth import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from models.networks.layer import queue_depths
from models.networks.machine import EMBEDDED, LOOPED
from models.registers import REGISTERS
from rtl.arith import bounded
from rtl.core import Core, connect, counted
from rtl.counters import activities_of, fetch_activity, pipe_activity
from rtl.routing import Fork, Select
from rtl.streams import Queue, codes_of, stream_of
from rtl.units.argmax import Argmax
from rtl.units.fetch import Fetch
from rtl.units.spill import Spill

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
        Reads of memory, with the addresses of the first port, and their words.
    reading : In(1)
        Words will come of a read that was taken.
    i_tokens : In(stream)
        The prompt.
    o_tokens : Out(stream)
        The argmax after each token; from the last one of the prompt on, the generated text.
    o_logits : Out(stream)
        All logits of each token, `lanes` in a beat, the last beat padded.
    o_writes, o_words, written : Out(stream), Out(stream), In(1)
        Of a state in memory: where it is written, its words, and whether nothing is being written.
        The address is the first port's.
    activity : Out(activities_of(config.units.counted))
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
                "i": In(stream_of(config.word_beat)),
                "reading": In(1),
                "i_tokens": In(token),
                "o_tokens": Out(token),
                "o_logits": Out(stream_of(config.units.matvec.o_beat)),
                "activity": Out(activities_of(config.units.counted)),
                **_write_members(config),
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
        m.d.comb += [network.reading.eq(self.reading), self.activity.eq(network.activity)]
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
        if self.config.spill:
            self._write(m, network, sequence)
        return m

    def _write(self, m, network, sequence):
        """Hand the state over, with addresses for its places in the image."""
        connect(m, network.o_words, wiring.flipped(self.o_words))
        place, size = network.o_writes.p.place[0], self.config.port.word_bytes
        m.d.comb += [
            self.o_writes.p.address[0].eq(self.image_address + place * size),
            self.o_writes.p.words.eq(network.o_writes.p.words),
            self.o_writes.valid.eq(network.o_writes.valid),
            network.o_writes.ready.eq(self.o_writes.ready),
            sequence.written.eq(self.written & ~network.spills),
        ]


def _write_members(config):
    if not config.spill:
        return {}
    return {
        "o_writes": Out(stream_of(config.port.i_beat)),
        "o_words": Out(stream_of(config.word_beat)),
        "written": In(1),
    }


class _Network(wiring.Component):
    """Memory words in, logits and their argmax out; the words say what to do.

    A state in memory leaves by `o_words`, for the places in the image that `o_writes` tells;
    `spills` as long as some of it is to be told.
    """

    def __init__(self, config):
        self.config = config
        spilling = {}
        if config.spill:
            spilling["o_words"] = Out(stream_of(config.spill.o_beat))
            spilling["o_writes"] = Out(stream_of(config.spill.write_beat))
            spilling["spills"] = Out(1)
        super().__init__(
            {
                "i": In(stream_of(config.fetch.word_beat)),
                "reading": In(1),
                "o_tokens": Out(stream_of(config.token_beat)),
                "o_logits": Out(stream_of(config.units.matvec.o_beat)),
                "activity": Out(activities_of(config.units.counted)),
                **spilling,
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, units = self.config, self.config.units
        m.submodules.fetch = fetch = Fetch(config.fetch)
        m.submodules.source = source = Select(units.residual.i_beat, 2)
        m.submodules.core = core = Core(config.shape, units)
        depths = queue_depths(config.shape, units)
        m.submodules.looped = looped = Queue(units.residual.o_beat, depths["looped"])
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
        if config.spill:
            m.submodules.spill = spill = Spill(config.spill)
            connect(m, fetch.o_spills, spill.i_steps)
            connect(m, core.o_state, spill.i)
            connect(m, spill.o, wiring.flipped(self.o_words))
            connect(m, spill.o_writes, wiring.flipped(self.o_writes))
            m.d.comb += self.spills.eq(fetch.o_spills.valid)
        m.d.comb += [
            self.activity.fetch.eq(fetch_activity(self.i, self.reading)),
            self.activity.argmax.eq(pipe_activity([argmax.i])),
            *(self.activity[unit].eq(core.activity[unit]) for unit in counted(units)),
        ]
        return m


class _Sequence(wiring.Component):
    """The tokens of a run: where each comes from, and the reads that it takes.

    A token of the prompt is known at once: its row is read, then the stream, and the next token's
    reads follow without waiting for its result. What is generated is known late: the prefix of the
    stream is read while the result is computed, then the row, then the rest. The row is read before
    weights that wait for it. Nothing is read that no token uses.

    A state in memory comes behind the prefix. What is behind it is asked for only when the token
    before is through and all of its state is `written`; the run ends when the last one's is.
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
                "written": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        token = Signal.like(self.i_prompt.p.index)
        row = Signal.like(self.o_reads.p.address[0])
        begun = Signal.like(self.image_words)  # words of this token's stream that are asked for
        asked, through = Signal.like(self.prompt_tokens), Signal.like(self.prompt_tokens)  # tokens
        tokens = self.prompt_tokens + self.new_tokens - 1

        m.d.comb += self.i_results.ready.eq(1)
        with m.If(self.i_results.valid):
            m.d.sync += through.eq(through + 1)
            with m.If(asked >= self.prompt_tokens):
                m.d.sync += token.eq(self.i_results.p.index)

        with m.FSM():
            with m.State("Idle"):
                m.d.sync += [asked.eq(0), through.eq(0)]
                with m.If(self.start):
                    m.next = "Prompt"
            with m.State("Prompt"):
                m.d.comb += self.i_prompt.ready.eq(1)
                m.d.sync += [token.eq(self.i_prompt.p.index), begun.eq(0)]
                with m.If(self.i_prompt.valid):
                    m.next = "Row"
            with m.State("Prefix"):
                m.d.sync += begun.eq(self.prefix_words)
                with self._ask(m, self.image_address, self.prefix_words):
                    m.next = "Result"
            with m.State("Result"), m.If(through == asked):
                m.next = "Row"
            with m.State("Row"):
                m.d.sync += row.eq(token[0] * self.embedding_stride)
                m.next = "Ask for row"
            with (
                m.State("Ask for row"),
                self._ask(m, self.embedding_address + row, self.embedding_words),
            ):
                m.next = "Written" if self.config.spill else "Ask for stream"
            with m.State("Written"), m.If((through == asked) & self.written):
                m.next = "Ask for stream"
            with m.State("Ask for stream"):
                rest = self.image_address + begun * self.config.port.word_bytes
                with self._ask(m, rest, self.image_words - begun):
                    m.d.sync += asked.eq(asked + 1)
                    with m.If(asked + 1 == tokens):
                        m.next = "Last result"
                    with m.Elif(asked + 1 < self.prompt_tokens):
                        m.next = "Prompt"
                    with m.Else():
                        m.next = "Prefix"
            with m.State("Last result"), m.If(self.i_results.valid & (through + 1 == tokens)):
                if self.config.spill:
                    m.next = "Last written"
                else:
                    self._end(m)
            with m.State("Last written"), m.If(self.written):
                self._end(m)
        return m

    def _end(self, m):
        m.d.comb += self.done.eq(1)
        m.next = "Idle"

    def _ask(self, m, address, words):
        """Offer a read; the context of its transfer."""
        m.d.comb += [
            self.o_reads.valid.eq(1),
            self.o_reads.p.address[0].eq(address),
            self.o_reads.p.words[0].eq(words),
        ]
        return m.If(self.o_reads.ready)
