"""Scan in hardware; the arithmetic is defined by `models.units.scan`."""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory, MemoryData, ReadPort
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from models.beats import fixed_beat
from models.counters import Activity
from models.units.quantize import QuantizeConfig
from rtl.arith import bounded, lossless, round_shift, saturate, shape_of, total
from rtl.streams import Pipeline, Queue, codes_of, layout_of, stream_of
from rtl.units.quantize import Quantize

UPDATE_STAGES, QUANTIZE_STAGES, READ_OUT_STAGES = 5, 3, 8
"""Rows of registers on a tile's way; the skips of the beats on the way wait in a queue."""


class Scan(wiring.Component):
    """Update and read out the state, `channels` times `states` elements a cycle.

    A token is its B and its C, and then its drives in the order of the heads; with several layers,
    a token of each layer in turn. B and C of the next
    token wait until the last word of the state is written, so that no word is read too early.

    A spilled state comes and goes in words: each is taken with the tile that updates it, and leaves
    when it is read out. Those of each layer's first token count as zero.

    Parameters
    ----------
    config : :class:`models.units.scan.ScanConfig`

    Attributes
    ----------
    state : :class:`amaranth.lib.memory.MemoryData`
        Words of config.state_beat; they count as zero until every layer's first token is through.
        None when the state is spilled.

    Members
    -------
    i_b : In(stream of config.b_beat)
    i_c : In(stream of config.c_beat)
    i : In(stream of config.i_beat)
    o : Out(stream of config.o_beat)
    i_state, o_state : In, Out(stream of config.state_beat)
        Of a spilled state: its words before and after.
    activity : Out(Activity)
    """

    def __init__(self, config):
        self.config = config
        self.state = None
        ports = {
            "i_b": In(stream_of(config.b_beat)),
            "i_c": In(stream_of(config.c_beat)),
            "i": In(stream_of(config.i_beat)),
            "o": Out(stream_of(config.o_beat)),
            "activity": Out(Activity),
        }
        word = stream_of(config.state_beat)
        if config.spilled:
            ports |= {"i_state": In(word), "o_state": Out(word)}
        else:
            self.state = MemoryData(
                shape=layout_of(config.state_beat), depth=config.state_words, init=[]
            )
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.b = b = _Vector(config.b_beat, config)
        m.submodules.c = c = _Vector(config.c_beat, config)
        m.submodules.state = state = (
            _Spilled(config) if config.spilled else _Kept(config, self.state)
        )
        m.submodules.update = update = _Update(config)
        m.submodules.narrow = narrow = _Narrow(config)
        m.submodules.skips = skips = Queue(_skip_beat(config), _beats_on_the_way(config))
        m.submodules.written = written = _Walk(config)
        m.submodules.read_out = read_out = _ReadOut(config)
        fresh, updated, done = Signal(init=1), Signal(), Signal()

        wiring.connect(m, wiring.flipped(self.i_b), b.i)
        wiring.connect(m, wiring.flipped(self.i_c), c.i)
        wiring.connect(m, wiring.flipped(self.i), update.i)
        wiring.connect(m, update.h, state.read)
        wiring.connect(m, update.b, b.read)
        wiring.connect(m, update.skip, skips.i)
        wiring.connect(m, update.o, narrow.i)
        wiring.connect(m, narrow.o, state.i)
        wiring.connect(m, state.o, read_out.i)
        wiring.connect(m, read_out.c, c.read)
        wiring.connect(m, skips.o, read_out.skip)
        wiring.connect(m, read_out.o, wiring.flipped(self.o))
        m.d.comb += [
            update.enable.eq(b.full & c.full & ~updated & state.there),
            state.take.eq(update.step),
            update.fresh.eq(fresh),
            written.step.eq(narrow.o.valid & narrow.o.ready),
            state.word.eq(written.word),
            read_out.vector.eq(written.vector),
            read_out.first.eq(written.first_state),
            read_out.last.eq(written.last_state),
            done.eq(written.step & written.last),
            b.clear.eq(done),
            c.clear.eq(done),
        ]
        if config.spilled:
            wiring.connect(m, wiring.flipped(self.i_state), state.i_words)
            wiring.connect(m, state.o_words, wiring.flipped(self.o_state))
        with m.If(update.last):
            m.d.sync += updated.eq(1)
        with m.If(done):
            last_layer = written.word == config.state_words - 1
            m.d.sync += [updated.eq(0), fresh.eq(fresh & ~last_layer)]
        self._tell_activity(m, update, updated, state, b, c)
        return m

    def _tell_activity(self, m, update, updated, state, b, c):
        filling = [vector.i.valid & vector.i.ready for vector in (b, c)]
        with m.If(update.step):
            m.d.comb += self.activity.eq(Activity.BUSY)
        with m.Elif(updated):
            m.d.comb += self.activity.eq(Activity.STATE)
        with m.Elif(~(b.full & c.full)):
            m.d.comb += self.activity.eq(Mux(Cat(filling).any(), Activity.FILL, Activity.INPUT))
        with m.Elif(~self.i.valid):
            m.d.comb += self.activity.eq(Activity.INPUT)
        with m.Elif(~state.there):
            m.d.comb += self.activity.eq(Activity.MEMORY_READ)
        with m.Else():
            m.d.comb += self.activity.eq(Mux(state.held_up, Activity.MEMORY_WRITE, Activity.OUTPUT))


class _Vector(wiring.Component):
    """B or C of one token: filled once, then read until it is cleared."""

    def __init__(self, beat, config):
        self.beat, self.beats = beat, config.vector_beats
        super().__init__(
            {
                "i": In(stream_of(beat)),
                "full": Out(1),
                "clear": In(1),
                "read": Out(_read_signature(beat, self.beats)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = Memory(shape=layout_of(self.beat), depth=self.beats, init=[])
        write = words.write_port()
        filled = Signal(range(self.beats + 1))

        wiring.connect(m, wiring.flipped(self.read), words.read_port())
        m.d.comb += [
            self.full.eq(filled == self.beats),
            self.i.ready.eq(~self.full),
            write.en.eq(self.i.valid & self.i.ready),
            write.addr.eq(filled[: len(write.addr)]),
            write.data.eq(self.i.payload),
        ]
        with m.If(write.en):
            m.d.sync += filled.eq(filled + 1)
        with m.If(self.clear):
            m.d.sync += filled.eq(0)
        return m


class _Kept(wiring.Component):
    """The state in a memory of this unit.

    A word leaves it by `read`, when `take` for a tile; it comes back at `i`, for place `word`, and
    goes on to `o`.
    """

    def __init__(self, config, words):
        self.words = words
        super().__init__(_state_members(config))

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = Memory(self.words)
        write = words.write_port()
        wiring.connect(m, wiring.flipped(self.read), words.read_port())
        wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        m.d.comb += [
            self.there.eq(1),
            write.en.eq(self.i.valid & self.i.ready),
            write.addr.eq(self.word),
            write.data.eq(self.i.payload),
        ]
        return m


class _Spilled(wiring.Component):
    """The state elsewhere: as `_Kept`, but words come in at `i_words` and leave at `o_words`.

    A word goes on to `o` and to the queue of `o_words` at once, so each waits for the other.
    """

    def __init__(self, config):
        self.beat = config.state_beat
        words = {"i_words": In(stream_of(self.beat)), "o_words": Out(stream_of(self.beat))}
        super().__init__(_state_members(config) | words)

    def elaborate(self, platform):
        m = Module()
        m.submodules.leaving = leaving = Queue(self.beat)
        wiring.connect(m, leaving.o, wiring.flipped(self.o_words))
        m.d.comb += [
            self.there.eq(self.i_words.valid),
            self.i_words.ready.eq(self.take),
            self.i.ready.eq(self.o.ready & leaving.i.ready),
            self.o.valid.eq(self.i.valid & leaving.i.ready),
            self.o.payload.eq(self.i.payload),
            leaving.i.valid.eq(self.i.valid & self.o.ready),
            leaving.i.payload.eq(self.i.payload),
            self.held_up.eq(self.i.valid & ~leaving.i.ready),
        ]
        with m.If(self.take):
            m.d.sync += self.read.data.eq(self.i_words.payload)
        return m


class _Walk(wiring.Component):
    """The order of a token's tiles: state tiles, channel tiles of a beat, beats, groups of heads.

    `word` is the place in the state, `vector` that in B and C.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "step": In(1),
                "word": Out(range(config.state_words)),
                "vector": Out(range(config.vector_beats)),
                "channel_tile": Out(range(config.channel_tiles)),
                "first_state": Out(1),
                "last_state": Out(1),
                "first_of_beat": Out(1),
                "last_of_beat": Out(1),
                "last": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        state_tile = Signal(range(config.state_tiles))
        beat, group = Signal(range(config.beats // config.groups)), Signal(range(config.groups))

        last_state = _count(m, state_tile, config.state_tiles, self.step)
        last_tile = _count(m, self.channel_tile, config.channel_tiles, self.step & last_state)
        last_of_beat = last_state & last_tile
        last_beat = _count(m, beat, config.beats // config.groups, self.step & last_of_beat)
        last_group = _count(m, group, config.groups, self.step & last_of_beat & last_beat)
        _count(m, self.word, config.state_words, self.step)
        m.d.comb += [
            self.vector.eq(group * config.state_tiles + state_tile),
            self.first_state.eq(state_tile == 0),
            self.last_state.eq(last_state),
            self.first_of_beat.eq((state_tile == 0) & (self.channel_tile == 0)),
            self.last_of_beat.eq(last_of_beat),
            self.last.eq(last_of_beat & last_beat & last_group),
        ]
        return m


class _Update(wiring.Component):
    """A tile a cycle: decay * h + drive * B, narrowed to the state's fixed-point format.

    While `enable`, B, C and the word of the state are there; while `fresh`, that counts as zero.
    `step` begins a tile, `last` the last one of a token. The skip of a beat leaves with its first
    tile.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "enable": In(1),
                "fresh": In(1),
                "step": Out(1),
                "last": Out(1),
                "h": In(_read_signature(config.state_beat, config.state_words)),
                "b": In(_read_signature(config.b_beat, config.vector_beats)),
                "skip": Out(stream_of(_skip_beat(config))),
                "o": Out(stream_of(_tile_beat(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.walk = walk = _Walk(self.config)
        offered, skipped, valid = Signal(), Signal(), Signal()
        pipe = Pipeline(m, valid=valid, o=self.o)

        m.d.comb += [
            offered.eq(self.i.valid & self.enable),
            self.skip.valid.eq(offered & walk.first_of_beat & ~skipped),
            self.skip.p.skip.eq(self.i.p.skip),
            valid.eq(offered & (self.skip.ready | skipped | ~walk.first_of_beat)),
            walk.step.eq(valid & pipe.advance),
            self.i.ready.eq(walk.step & walk.last_of_beat),
            self.step.eq(walk.step),
            self.last.eq(walk.step & walk.last),
            self.h.en.eq(pipe.advance),
            self.h.addr.eq(walk.word),
            self.b.en.eq(pipe.advance),
            self.b.addr.eq(walk.vector),
        ]
        with m.If(walk.step):
            m.d.sync += skipped.eq(0)
        with m.Elif(self.skip.valid & self.skip.ready):
            m.d.sync += skipped.eq(1)

        self._tile(pipe, walk.channel_tile)
        return m

    def _tile(self, pipe, tile):
        config = self.config
        drives, exponents = codes_of(self.i.p.drive), codes_of(self.i.p.exponents)
        s = pipe.stage(
            decay=Mux(self.fresh, 0, self.i.p.decay[0]),
            drive=_part(drives, tile, config.channels),
            exponent=_part(_spread(exponents, config.lanes), tile, config.channels),
        )
        h, b = self.h.data, self.b.data
        s = pipe.stage(
            kept=[s["decay"] * each for each in codes_of(h.codes)],
            kept_shift=codes_of(h.exponents),
            added=[drive * each for drive in s["drive"] for each in codes_of(b.codes)],
            added_shift=[left + right for left in s["exponent"] for right in codes_of(b.exponents)],
        )
        s = pipe.stage(
            kept=_shifted(s["kept"], s["kept_shift"], config.kept),
            added=_shifted(s["added"], s["added_shift"], config.added),
        )
        s = pipe.stage(
            update=[
                bounded((kept << config.kept_align) + (added << config.added_align), config.update)
                for kept, added in zip(s["kept"], s["added"], strict=True)
            ]
        )
        pipe.finish(
            x=[
                saturate(round_shift(update, config.update_shift), config.h.source)
                for update in s["update"]
            ]
        )


class _Narrow(wiring.Component):
    """A tile of fixed-point codes to a word of the state: a quantizer for each channel."""

    def __init__(self, config):
        self.config = config
        super().__init__(
            {"i": In(stream_of(_tile_beat(config))), "o": Out(stream_of(config.state_beat))}
        )

    def elaborate(self, platform):
        m = Module()
        units = [
            Quantize(QuantizeConfig(self.config.h, self.config.states))
            for _ in range(self.config.channels)
        ]
        x, codes, exponents = [], [], []
        for at, unit in enumerate(units):
            m.submodules[f"channel{at}"] = unit
            m.d.comb += [unit.i.valid.eq(self.i.valid), unit.o.ready.eq(self.o.ready)]
            x += codes_of(unit.i.p.x)
            codes += codes_of(unit.o.p.codes)
            exponents += codes_of(unit.o.p.exponents)

        # The units are fed in step, so they stay in step: the first speaks for all.
        m.d.comb += [self.i.ready.eq(units[0].i.ready), self.o.valid.eq(units[0].o.valid)]
        m.d.comb += [to.eq(of) for to, of in zip(x, codes_of(self.i.p.x), strict=True)]
        m.d.comb += [to.eq(of) for to, of in zip(codes_of(self.o.p.codes), codes, strict=True)]
        m.d.comb += [
            to.eq(of) for to, of in zip(codes_of(self.o.p.exponents), exponents, strict=True)
        ]
        return m


class _ReadOut(wiring.Component):
    """C . h + skip: products of a tile, summed over its states and the tiles of its channels.

    `vector`, `first` and `last` belong to the word at `i`: its place in C, and whether it holds
    the first or the last states of its channels.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(config.state_beat)),
                "vector": In(range(config.vector_beats)),
                "first": In(1),
                "last": In(1),
                "c": In(_read_signature(config.c_beat, config.vector_beats)),
                "skip": In(stream_of(_skip_beat(config))),
                "o": Out(stream_of(config.o_beat)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        pipe = Pipeline(m, valid=self.i.valid, o=self.o)
        m.d.comb += [
            self.i.ready.eq(pipe.advance),
            self.c.en.eq(pipe.advance),
            self.c.addr.eq(self.vector),
        ]

        s = self._partial_sums(pipe)
        sums = [Signal(shape_of(config.total), name=f"sum{k}") for k in range(config.channels)]
        with m.If(pipe.advance & pipe.valid):
            for so_far, partial in zip(sums, s["partial"], strict=True):
                more = Mux(s["first"], 0, so_far) + partial
                m.d.sync += lossless(so_far, bounded(more, config.total))
        s = pipe.stage(last=s["last"])
        pipe.only(s["last"])
        s = pipe.stage(rounded=[round_shift(each, config.total_shift) for each in sums])
        self._gather(m, pipe, s["rounded"])
        return m

    def _partial_sums(self, pipe):
        """Sums over the states of a tile; codes that share exponents are added before the shift."""
        config = self.config
        s = pipe.stage(
            h=codes_of(self.i.p.codes),
            h_exponent=codes_of(self.i.p.exponents),
            first=self.first,
            last=self.last,
        )
        length = min(config.states, config.h.group, config.c.group)
        runs = config.states // length
        c = codes_of(self.c.data.codes) * config.channels
        c_exponents = _spread(codes_of(self.c.data.exponents), runs) * config.channels
        h_exponents = _spread(s["h_exponent"], len(c_exponents))
        s = pipe.stage(
            product=[left * right for left, right in zip(s["h"], c, strict=True)],
            shift=[left + right for left, right in zip(h_exponents, c_exponents, strict=True)],
            **_ends(s),
        )
        s = pipe.stage(run=_sums(s["product"], length), shift=s["shift"], **_ends(s))
        s = pipe.stage(run=_shifted(s["run"], s["shift"], config.total), **_ends(s))
        partial = [bounded(each, config.total) for each in _sums(s["run"], runs)]
        return pipe.stage(partial=partial, **_ends(s))

    def _gather(self, m, pipe, read):
        """The last stage: tiles of channels fill the output's beat."""
        config = self.config
        tile = Signal(range(config.channel_tiles))
        step = pipe.valid & pipe.advance
        last = _count(m, tile, config.channel_tiles, step)
        skips = _part(codes_of(self.skip.p.skip), tile, config.channels)
        y = [saturate(each + skip, config.o) for each, skip in zip(read, skips, strict=True)]
        targets = codes_of(self.o.p.y)

        # A skip enters its queue with the first tile of its beat, so it has long been there.
        m.d.comb += self.skip.ready.eq(step & last)
        with m.If(pipe.advance):
            m.d.sync += self.o.valid.eq(pipe.valid & last)
        for at in range(config.channel_tiles):
            with m.If(step & (tile == at)):
                for k in range(config.channels):
                    m.d.sync += lossless(targets[at * config.channels + k], y[k])


def _state_members(config):
    """What `_Kept` and `_Spilled` have in common."""
    word = stream_of(config.state_beat)
    return {
        "read": Out(_read_signature(config.state_beat, config.state_words)),
        "take": In(1),
        "there": Out(1),
        "held_up": Out(1),
        "i": In(word),
        "word": In(range(config.state_words)),
        "o": Out(word),
    }


def _skip_beat(config):
    return fixed_beat(config.lanes, skip=config.o)


def _tile_beat(config):
    return fixed_beat(config.channels * config.states, x=config.h.source)


def _beats_on_the_way(config):
    """Beats at most between beginning a first tile and reading out a last one, unstalled."""
    gathered = 2 * config.h.group // config.states
    tiles = UPDATE_STAGES + QUANTIZE_STAGES + gathered + READ_OUT_STAGES
    return 2 + tiles // (config.channel_tiles * config.state_tiles)


def _read_signature(beat, depth):
    return ReadPort.Signature(addr_width=ceil_log2(depth), shape=layout_of(beat))


def _count(m, counter, count, step):
    """Advance `counter` through 0..count - 1 with each `step`; returns whether it is at its end."""
    last = counter == count - 1
    with m.If(step):
        m.d.sync += counter.eq(Mux(last, 0, counter + 1))
    return last


def _part(values, at, count):
    """`count` neighbours of `values`: the first ones where `at` is 0."""
    return [Array(values[k::count])[at] for k in range(count)]


def _ends(stage):
    return {"first": stage["first"], "last": stage["last"]}


def _spread(values, count):
    """`values`, each repeated, to `count` in all."""
    return [values[at * len(values) // count] for at in range(count)]


def _shifted(values, shifts, fmt):
    spread = _spread(shifts, len(values))
    return [bounded(value << shift, fmt) for value, shift in zip(values, spread, strict=True)]


def _sums(values, length):
    """Sums of each `length` neighbours."""
    return [total(values[at : at + length]) for at in range(0, len(values), length)]
