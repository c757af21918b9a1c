"""Matvec in hardware; the arithmetic is defined by `models.units.matvec`."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from models.beats import fixed_beat
from models.counters import Activity
from models.scales import FIELDS
from rtl.arith import bounded, lossless, round_shift, saturate, shape_of, total
from rtl.streams import Pipeline, Queue, codes_of, layout_of, stream_of

AHEAD = 4
"""Beats of scales, and of biases, that are taken before they are needed."""


class Matvec(wiring.Component):
    """Multiply a matrix that streams past, `rows` times `columns` weights an edge, by a vector.

    For each item of `i_pass`, `beats` of the vector are taken from `i` and kept; then the weights
    of `tiles` tiles of `rows` rows, and with them a beat of scales for each weight group of a
    tile, and a beat of biases for each tile. A tile leaves while the next one is computed.
    Both counts of a pass are at least 1, and its vector fills whole weight beats and groups of
    exponents.

    Parameters
    ----------
    config : :class:`models.units.matvec.MatvecConfig`

    Members
    -------
    i : In(stream of config.i_beat)
    i_pass : In(stream of config.pass_beat)
    i_weights : In(stream of config.weight_beat)
    i_scales : In(stream of config.scale_beat)
    i_bias : In(stream of config.bias_beat), when the configuration has biases
    o : Out(stream of config.o_beat)
    activity : Out(Activity)
    """

    def __init__(self, config):
        self.config = config
        ports = {
            "i": In(stream_of(config.i_beat)),
            "i_pass": In(stream_of(config.pass_beat)),
            "i_weights": In(stream_of(config.weight_beat)),
            "i_scales": In(stream_of(config.scale_beat)),
        }
        if config.bias:
            ports["i_bias"] = In(stream_of(config.bias_beat))
        super().__init__(ports | {"o": Out(stream_of(config.o_beat)), "activity": Out(Activity)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.vector = vector = _Vector(self.config)
        m.submodules.scales = scales = Queue(self.config.scale_beat, AHEAD)
        m.submodules.serialize = serialize = _Serialize(self.config)
        wiring.connect(m, wiring.flipped(self.i), vector.i)
        wiring.connect(m, wiring.flipped(self.i_pass), vector.i_pass)
        wiring.connect(m, wiring.flipped(self.i_scales), scales.i)
        wiring.connect(m, serialize.o, wiring.flipped(self.o))

        pipe = Pipeline(m, valid=vector.valid & self.i_weights.valid, o=serialize.i)
        m.d.comb += [
            self.i_weights.ready.eq(vector.valid & pipe.advance),
            vector.ready.eq(self.i_weights.valid & pipe.advance),
        ]
        s = pipe.stage(
            weights=codes_of(self.i_weights.p.weights),
            ends_group=vector.ends_group,
            ends_row=vector.ends_row,
        )
        products, s = self._multiply(pipe, vector, **s)
        partials = _accumulate(m, pipe, products, s["ends_group"], self.config.partial)
        s = pipe.stage(ends_group=s["ends_group"], ends_row=s["ends_row"])
        pipe.only(s["ends_group"])
        no_scales = pipe.valid & ~scales.o.valid
        pipe.take(scales.o)
        scaled, s = self._scale(pipe, partials, codes_of(scales.o.p.scales), s["ends_row"])
        totals = _accumulate(m, pipe, scaled, s["ends_row"], self.config.total)
        s = pipe.stage(ends_row=s["ends_row"])
        pipe.only(s["ends_row"])
        no_biases = self._finish(m, pipe, totals)
        self._tell_activity(m, vector, no_scales | no_biases)
        return m

    def _multiply(self, pipe, vector, weights, **ends):
        """Sums (rows) of a beat's weights times the columns of the vector that they meet."""
        columns, shared = self.config.columns, self.config.shared
        codes = codes_of(vector.codes)
        s = pipe.stage(
            product=[weight * codes[at % columns] for at, weight in enumerate(weights)],
            exponent=codes_of(vector.exponents),
            **ends,
        )
        products = s.pop("product")
        sums = [total(products[at : at + shared]) for at in range(0, len(products), shared)]
        s = pipe.stage(**s | {"sum": sums})
        exponents = s.pop("exponent")
        shifted = [
            bounded(each << exponents[at % len(exponents)], self.config.expanded)
            for at, each in enumerate(s.pop("sum"))
        ]
        s = pipe.stage(shifted=shifted, **s)
        shifted, several = s.pop("shifted"), len(exponents)
        if several == 1:
            return shifted, s
        rows = [total(shifted[at : at + several]) for at in range(0, len(shifted), several)]
        s = pipe.stage(row=rows, **s)
        return s.pop("row"), s

    def _scale(self, pipe, partials, scales, ends_row):
        """The sums (rows) over a weight group times their scales."""
        kind, fmt = self.config.scale.kind, self.config.total
        shifts = [scale[: FIELDS[kind][0]] for scale in scales]
        others = [scale[FIELDS[kind][0] :] for scale in scales]

        if kind == "pot":
            scaled = _each(lambda partial, shift: partial << shift, partials, shifts)
        elif kind == "pot2":
            s = pipe.stage(
                one=_each(lambda partial, shift: partial << shift, partials, shifts),
                other=_each(lambda partial, shift: partial << shift, partials, others),
                ends_row=ends_row,
            )
            ends_row = s["ends_row"]
            scaled = _each(lambda one, other: one + other, s["one"], s["other"])
        else:
            s = pipe.stage(
                product=_each(lambda partial, m: partial * Cat(m, Const(1)), partials, others),
                shift=shifts,
                ends_row=ends_row,
            )
            ends_row = s["ends_row"]
            scaled = _each(lambda product, shift: product << shift, s["product"], s["shift"])
        s = pipe.stage(scaled=[bounded(each, fmt) for each in scaled], ends_row=ends_row)
        return s.pop("scaled"), s

    def _finish(self, m, pipe, totals):
        """Round the sums (rows) of a tile, add the biases, and hand the tile over.

        Returns whether biases are missing.
        """
        s = pipe.stage(y=[round_shift(each, self.config.shift) for each in totals])
        y, missing = s["y"], Const(0)
        if self.config.bias:
            m.submodules.biases = biases = Queue(self.config.bias_beat, AHEAD)
            wiring.connect(m, wiring.flipped(self.i_bias), biases.i)
            missing = pipe.valid & ~biases.o.valid
            pipe.take(biases.o)
            y = _each(lambda rounded, bias: rounded + bias, y, codes_of(biases.o.p.bias))
        pipe.finish(y=[saturate(each, self.config.o) for each in y])
        return missing

    def _tell_activity(self, m, vector, missing):
        """`missing`: the pipe waits for scales or biases."""
        with m.If(vector.idle):
            m.d.comb += self.activity.eq(
                Mux(self.i_pass.valid, Activity.FILL, Activity.MEMORY_READ)
            )
        with m.Elif(~vector.valid):
            m.d.comb += self.activity.eq(Mux(self.i.valid, Activity.FILL, Activity.INPUT))
        with m.Elif(self.i_weights.valid & self.i_weights.ready):
            m.d.comb += self.activity.eq(Activity.BUSY)
        with m.Else():
            m.d.comb += self.activity.eq(
                Mux(self.i_weights.valid & ~missing, Activity.OUTPUT, Activity.MEMORY_READ)
            )


class _Vector(wiring.Component):
    """The vector of a pass on chip, in words of `columns`, read again for every tile.

    `codes` and `exponents` are those of the word that was taken last; `ends_group` and `ends_row`
    belong to the word that is offered.
    """

    def __init__(self, config):
        self.config = config
        self.depth = max(2, config.max_columns // config.columns)
        self.word = data.StructLayout(
            {
                "codes": data.ArrayLayout(shape_of(config.x.code), config.columns),
                "exponents": data.ArrayLayout(
                    shape_of(config.x.exponent), config.columns // config.shared
                ),
            }
        )
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "i_pass": In(stream_of(config.pass_beat)),
                "idle": Out(1),
                "valid": Out(1),
                "ready": In(1),
                "ends_group": Out(1),
                "ends_row": Out(1),
                "codes": Out(self.word["codes"].shape),
                "exponents": Out(self.word["exponents"].shape),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.word, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        fills = self.config.columns // self.config.lanes  # beats that fill a word
        group = self.config.group // self.config.columns  # words of a weight group
        beats, tiles = codes_of(self.i_pass.p.beats)[0], codes_of(self.i_pass.p.tiles)[0]
        # At least 1 bit each: Verilog has no signals of none.
        fill, within = Signal(range(max(2, fills))), Signal(range(max(2, group)))
        at, last = Signal(range(self.depth)), Signal(range(self.depth))
        tiles_left = Signal.like(tiles)

        self._gather(m, write.data, fills)
        m.d.comb += [
            write.addr.eq(at),
            read.addr.eq(at),
            read.en.eq(self.valid & self.ready),
            self.codes.eq(read.data.codes),
            self.exponents.eq(read.data.exponents),
            self.ends_row.eq(at == last),
            self.ends_group.eq(self.ends_row | (within == group - 1)),
        ]
        with m.If(write.en | read.en):
            m.d.sync += at.eq(Mux(at == last, 0, at + 1))
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [self.idle.eq(1), self.i_pass.ready.eq(1)]
                with m.If(self.i_pass.valid):
                    words = beats >> exact_log2(fills)
                    m.d.sync += [last.eq((words - 1)[: len(last)]), tiles_left.eq(tiles)]
                    m.next = "Load"
            with m.State("Load"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += fill.eq(Mux(fill == fills - 1, 0, fill + 1))
                    m.d.comb += write.en.eq(fill == fills - 1)
                    with m.If(write.en & (at == last)):
                        m.next = "Read"
            with m.State("Read"):
                m.d.comb += self.valid.eq(1)
                with m.If(read.en):
                    m.d.sync += within.eq(Mux(self.ends_group, 0, within + 1))
                    with m.If(self.ends_row):
                        m.d.sync += tiles_left.eq(tiles_left - 1)
                        with m.If(tiles_left == 1):
                            m.next = "Idle"
        return m

    def _gather(self, m, word, fills):
        """The beats of a word: those before, held in registers, and the one that is offered."""
        held = [Signal(layout_of(self.config.i_beat), name=f"held{at}") for at in range(fills - 1)]
        beats = [*held, self.i.p]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [older.eq(newer) for older, newer in zip(held, beats[1:], strict=True)]
        m.d.comb += word.codes.eq(Cat(beat.codes for beat in beats))
        lanes, group = self.config.lanes, self.config.x.group
        for at, exponent in enumerate(codes_of(word.exponents)):
            column = at * self.config.shared  # the first that has this exponent
            exponents = codes_of(beats[column // lanes].exponents)
            m.d.comb += exponent.eq(exponents[column % lanes // group])


class _Serialize(wiring.Component):
    """A tile of outputs, handed over by `lanes` while the next tile may already wait."""

    def __init__(self, config):
        self.config = config
        tile = fixed_beat(config.rows, y=config.o)
        super().__init__({"i": In(stream_of(tile)), "o": Out(stream_of(config.o_beat))})

    def elaborate(self, platform):
        m = Module()
        lanes, beats = self.config.lanes, self.config.rows // self.config.lanes
        held = Signal.like(self.i.p)
        rows = codes_of(held.y)
        left = Signal(range(beats + 1))

        m.d.comb += [
            self.o.valid.eq(left != 0),
            self.i.ready.eq((left == 0) | ((left == 1) & self.o.ready)),
        ]
        m.d.comb += [to.eq(y) for to, y in zip(codes_of(self.o.p.y), rows[:lanes], strict=True)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += left.eq(left - 1)
            m.d.sync += [to.eq(y) for to, y in zip(rows, rows[lanes:], strict=False)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [left.eq(beats), held.eq(self.i.p)]
        return m


def _each(operation, *operands):
    """Results of `operation` for the first of all `operands`, for the second, and so on."""
    return [operation(*items) for items in zip(*operands, strict=True)]


def _accumulate(m, pipe, values, last, fmt):
    """Running sums of `values` in `fmt`, up to an item that is `last`; a stage of `pipe`."""
    fresh = Signal(init=1)
    sums = [Signal(shape_of(fmt), name=f"sum{at}") for at in range(len(values))]
    with m.If(pipe.advance & pipe.valid):
        m.d.sync += fresh.eq(last)
        for so_far, value in zip(sums, values, strict=True):
            m.d.sync += lossless(so_far, bounded(Mux(fresh, 0, so_far) + value, fmt))
    return sums
