"""Norm in hardware; the arithmetic is defined by `models.units.norm`."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from models.beats import Beat, Field
from models.counters import Activity
from models.formats import Fixed
from models.units.norm import MANTISSA, ROOT, ROOTS
from rtl.arith import bit_length, bounded, lossless, round_shift, saturate, shape_of, total
from rtl.streams import Pipeline, Queue, codes_of, stream_of
from rtl.tables import lookup


class Norm(wiring.Component):
    """Normalize vectors, one after another; each is held until its root is known.

    Parameters
    ----------
    config : :class:`models.units.norm.NormConfig`

    Members
    -------
    i_pass : In(stream of config.pass_beat)
        One for each vector: its beats, 1 to `config.channels / config.lanes`, and its epsilon.
    i : In(stream of config.i_beat)
    i_weights : In(stream of config.weight_beat)
        In step with the output.
    o : Out(stream of config.o_beat)
    activity : Out(Activity)
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i_pass": In(stream_of(config.pass_beat)),
                "i": In(stream_of(config.i_beat)),
                "i_weights": In(stream_of(config.weight_beat)),
                "o": Out(stream_of(config.o_beat)),
                "activity": Out(Activity),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        longest = config.channels // config.lanes

        m.submodules.squares = squares = _SumOfSquares(config)
        m.submodules.root = root = _Root(config)
        # A beat more than the longest vector has: a full queue takes nothing while it is read.
        m.submodules.vector = vector = Queue(_held_beat(config), max(3, longest + 1))
        m.submodules.scale = scale = _Scale(config)

        wiring.connect(m, wiring.flipped(self.i_pass), squares.i_pass)
        wiring.connect(m, wiring.flipped(self.i), squares.i)
        wiring.connect(m, squares.o_x, vector.i)
        wiring.connect(m, squares.o, root.i)
        wiring.connect(m, vector.o, scale.i)
        wiring.connect(m, root.o, scale.i_root)
        wiring.connect(m, wiring.flipped(self.i_weights), scale.i_weights)
        wiring.connect(m, scale.o, wiring.flipped(self.o))
        self._tell_activity(m, squares, root)
        return m

    def _tell_activity(self, m, squares, root):
        weights = self.i_weights
        with m.If(squares.idle):
            m.d.comb += self.activity.eq(
                Mux(self.i_pass.valid, Activity.FILL, Activity.MEMORY_READ)
            )
        with m.Elif(squares.adding):
            taken = self.i.valid & self.i.ready
            m.d.comb += self.activity.eq(Mux(taken, Activity.BUSY, Activity.INPUT))
        with m.Elif(~root.o.valid):
            m.d.comb += self.activity.eq(Activity.FILL)
        with m.Elif(~weights.valid):
            m.d.comb += self.activity.eq(Activity.MEMORY_READ)
        with m.Else():
            m.d.comb += self.activity.eq(Mux(weights.ready, Activity.BUSY, Activity.OUTPUT))


class _SumOfSquares(wiring.Component):
    """Add epsilon and the squares of a vector, and pass the vector on.

    The sum is offered until it is taken; only then the next vector is begun. `idle` while there is
    none, `adding` while one comes in.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i_pass": In(stream_of(config.pass_beat)),
                "i": In(stream_of(config.i_beat)),
                "o_x": Out(stream_of(_held_beat(config))),
                "o": Out(stream.Signature(shape_of(config.total))),
                "idle": Out(1),
                "adding": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        beats, epsilon = self.i_pass.p.beats[0], self.i_pass.p.epsilon[0]
        left = Signal.like(beats)
        taken, squared, added = Signal(), Signal(), Signal()
        squares = [x * x for x in codes_of(self.i.p.x)]
        held = [Signal(square.shape(), name=f"square{at}") for at, square in enumerate(squares)]
        beat_total = Signal.like(total(held))
        vector_total = Signal(shape_of(self.config.total))

        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            self.o_x.p.x.eq(self.i.p.x),
            self.o_x.p.last[0].eq(left == 1),
            self.o.payload.eq(vector_total),
        ]
        m.d.sync += [
            *(register.eq(square) for register, square in zip(held, squares, strict=True)),
            lossless(beat_total, total(held)),
            squared.eq(taken),
            added.eq(squared),
        ]
        with m.If(added):
            m.d.sync += vector_total.eq(bounded(vector_total + beat_total, self.config.total))

        with m.FSM():
            with m.State("Begin"):
                m.d.comb += [self.idle.eq(1), self.i_pass.ready.eq(1)]
                m.d.sync += [left.eq(beats), lossless(vector_total, epsilon)]
                with m.If(self.i_pass.valid):
                    m.next = "Add"
            with m.State("Add"):
                m.d.comb += self.adding.eq(1)
                m.d.comb += [self.o_x.valid.eq(self.i.valid), self.i.ready.eq(self.o_x.ready)]
                with m.If(taken):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "Hand-Over"
            with m.State("Hand-Over"):
                m.d.comb += self.o.valid.eq(~squared & ~added)
                with m.If(self.o.valid & self.o.ready):
                    m.next = "Begin"
        return m


class _Root(wiring.Component):
    """The reciprocal root of a sum, as a code of ROOT and a shift.

    The sum is taken together with its root, so that whoever offers it knows when it was used.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(shape_of(config.total))),
                "o": Out(stream_of(_root_beat(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        under_way = Signal()
        begun = self.i.valid & ~under_way

        pipe = Pipeline(m, valid=begun, o=self.o)
        m.d.comb += self.i.ready.eq(self.o.valid & self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += under_way.eq(0)
        with m.Elif(begun):
            m.d.sync += under_way.eq(1)

        magnitude = self.i.p[:-1]
        # Both bits of a pair count alike: half of the leading bit's place, rounded down.
        pairs = Signal((len(magnitude) + 1) // 2)
        m.d.comb += pairs.eq(
            Cat(magnitude[at : at + 2].any() for at in range(0, len(magnitude), 2))
        )
        half_bits = bit_length(pairs) - 1
        s = pipe.stage(total=magnitude, half_bits=half_bits[: _half_bits(self.config).width])
        aligned = Cat(Const(0, MANTISSA.frac), s["total"]) >> (s["half_bits"] << 1)
        s = pipe.stage(mantissa=aligned[: MANTISSA.width], half_bits=s["half_bits"])
        roots, s = lookup(m, pipe, ROOTS, [s["mantissa"]], half_bits=s["half_bits"])
        pipe.finish(root=roots, half_bits=[s["half_bits"]])
        return m


class _Scale(wiring.Component):
    """Scale a held vector by its root and by the weights; the root is taken with the last beat."""

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(_held_beat(config))),
                "i_root": In(stream_of(_root_beat(config))),
                "i_weights": In(stream_of(config.weight_beat)),
                "o": Out(stream_of(config.o_beat)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        root, half_bits = self.i_root.p.root[0], self.i_root.p.half_bits[0]
        all_valid = self.i.valid & self.i_root.valid & self.i_weights.valid

        pipe = Pipeline(m, valid=all_valid, o=self.o)
        taken = all_valid & pipe.advance
        m.d.comb += [
            self.i.ready.eq(taken),
            self.i_weights.ready.eq(taken),
            self.i_root.ready.eq(taken & self.i.p.last[0]),
        ]

        s = pipe.stage(
            product=[x * root for x in codes_of(self.i.p.x)],
            half_bits=half_bits,
            weight=codes_of(self.i_weights.p.weight),
        )
        # Shift with a bit more and round that off: an adder behind the shifter, not a second one.
        more = config.direction.frac - ROOT.frac + 1
        s = pipe.stage(
            shifted=[(product << more) >> s["half_bits"] for product in s["product"]],
            weight=s["weight"],
        )
        s = pipe.stage(
            direction=[saturate(round_shift(each, 1), config.direction) for each in s["shifted"]],
            weight=s["weight"],
        )
        s = pipe.stage(scaled=[a * b for a, b in zip(s["direction"], s["weight"], strict=True)])
        pipe.finish(y=[saturate(round_shift(each, config.shift), config.o) for each in s["scaled"]])
        return m


def _held_beat(config):
    """A beat of a vector, and whether it is the last."""
    return Beat((*config.i_beat.fields, Field("last", Fixed(1, signed=False))))


def _root_beat(config):
    return Beat((Field("root", ROOT), Field("half_bits", _half_bits(config))))


def _half_bits(config):
    most = (config.total.width - 2) // 2
    return Fixed(max(1, most.bit_length()), signed=False)
