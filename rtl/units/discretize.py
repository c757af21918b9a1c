"""Discretize in hardware; the arithmetic is defined by `models.units.discretize`."""

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from models.beats import Beat, Field
from models.counters import Activity
from models.units.discretize import EXP2, FRACTION, MANTISSA
from rtl.arith import bit_length, bounded, round_shift, saturate
from rtl.streams import Pipeline, codes_of, layout_of, stream_of
from rtl.tables import lookup


class Discretize(wiring.Component):
    """Time steps to decays, head by head, then inputs to drives and skips, `lanes` at a time.

    A token is its heads' beats, with their weights, and then its beats of x in the order of the
    heads. A beat of x waits until its head is done; the heads of the next token wait until the
    last beat of x is taken.

    Parameters
    ----------
    config : :class:`models.units.discretize.DiscretizeConfig`

    Members
    -------
    i_heads : In(stream of config.head_beat)
    i_weights : In(stream of config.weight_beat)
    i : In(stream of config.i_beat)
    o : Out(stream of config.o_beat)
    activity : Out(Activity)
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i_heads": In(stream_of(config.head_beat)),
                "i_weights": In(stream_of(config.weight_beat)),
                "i": In(stream_of(config.i_beat)),
                "o": Out(stream_of(config.o_beat)),
                "activity": Out(Activity),
            }
        )

    def elaborate(self, platform):
        m = Module()
        heads, beats = self.config.heads, self.config.head_dim // self.config.lanes
        m.submodules.serial = serial = _Heads(self.config)
        m.submodules.results = results = Memory(
            shape=layout_of(_result_beat(self.config)), depth=heads, init=[]
        )
        write, read = results.write_port(), results.read_port()
        done = Signal(range(heads + 1))
        head, beat = Signal(range(heads)), Signal(range(beats))
        known, taken = Signal(), Signal()
        pipe = Pipeline(m, valid=self.i.valid & known, o=self.o)
        last_beat, last_head = beat == beats - 1, head == heads - 1

        wiring.connect(m, wiring.flipped(self.i_heads), serial.i_heads)
        wiring.connect(m, wiring.flipped(self.i_weights), serial.i_weights)
        m.d.comb += [
            serial.o.ready.eq(1),
            serial.restart.eq(taken & last_beat & last_head),
            write.en.eq(serial.o.valid),
            write.addr.eq(done[: len(write.addr)]),
            write.data.eq(serial.o.payload),
            known.eq(head < done),
            read.en.eq(pipe.advance),
            read.addr.eq(head),
            self.i.ready.eq(known & pipe.advance),
            taken.eq(self.i.valid & self.i.ready),
        ]
        with m.If(write.en):
            m.d.sync += done.eq(done + 1)
        with m.If(taken):
            m.d.sync += beat.eq(Mux(last_beat, 0, beat + 1))
            with m.If(last_beat):
                m.d.sync += head.eq(Mux(last_head, 0, head + 1))
        with m.If(serial.restart):
            m.d.sync += done.eq(0)

        self._channels(pipe, read.data)
        self._tell_activity(m, taken, known, serial.working)
        return m

    def _tell_activity(self, m, taken, known, working):
        """Whether x is `taken`, its head is `known`, and the heads are being worked on."""
        with m.If(taken):
            m.d.comb += self.activity.eq(Activity.BUSY)
        with m.Elif(~self.i.valid):
            m.d.comb += self.activity.eq(Activity.INPUT)
        with m.Elif(known):
            m.d.comb += self.activity.eq(Activity.OUTPUT)
        with m.Elif(working):
            m.d.comb += self.activity.eq(Activity.FILL)
        with m.Else():
            m.d.comb += self.activity.eq(
                Mux(self.i_heads.valid, Activity.MEMORY_READ, Activity.INPUT)
            )

    def _channels(self, pipe, head):
        """The stages of a beat of x, whose `head` is known one stage after it is taken."""
        config = self.config
        s = pipe.stage(x=codes_of(self.i.p.codes), exponent=codes_of(self.i.p.exponents))
        group = config.lanes // len(s["exponent"])
        s = pipe.stage(
            product=[x * head.mantissa[0] for x in s["x"]],
            skipped=[x * head.skip[0] for x in s["x"]],
            exponent=s["exponent"],
            raised=[exponent + head.exponent[0] for exponent in s["exponent"]],
            decay=head.decay[0],
        )
        s = pipe.stage(
            drive=[
                saturate(round_shift(product, config.drive_shift), config.drive.code)
                for product in s["product"]
            ],
            skipped=[
                bounded(skipped << s["exponent"][lane // group], config.skipped)
                for lane, skipped in enumerate(s["skipped"])
            ],
            raised=[bounded(raised, config.drive.exponent) for raised in s["raised"]],
            decay=s["decay"],
        )
        pipe.finish(
            decay=[s["decay"]],
            drive=s["drive"],
            exponents=s["raised"],
            skip=[saturate(round_shift(x, config.skip_shift), config.o) for x in s["skipped"]],
        )


class _Heads(wiring.Component):
    """One head a cycle from its time step to its results, through one table of each function.

    After the last head of a token it waits for `restart`. `working` while it takes a head, or has
    taken all of them.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i_heads": In(stream_of(config.head_beat)),
                "i_weights": In(stream_of(config.weight_beat)),
                "restart": In(1),
                "working": Out(1),
                "o": Out(stream_of(_result_beat(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        heads, lanes = self.config.heads, self.config.lanes
        head, lane = Signal(range(heads + 1)), Signal(range(lanes))
        waiting, taken = Signal(), Signal()
        both = self.i_heads.valid & self.i_weights.valid
        pipe = Pipeline(m, valid=both & ~waiting, o=self.o)
        last = (lane == lanes - 1) | (head == heads - 1)

        m.d.comb += [
            waiting.eq(head == heads),
            taken.eq(both & ~waiting & pipe.advance),
            self.working.eq(taken | waiting),
            self.i_heads.ready.eq(taken & last),
            self.i_weights.ready.eq(taken & last),
        ]
        with m.If(taken):
            m.d.sync += [head.eq(head + 1), lane.eq(Mux(last, 0, lane + 1))]
        with m.If(self.restart):
            m.d.sync += head.eq(0)

        weights = self.i_weights.p
        dt, bias, rate, skip = (
            Array(codes_of(field))[lane]
            for field in (self.i_heads.p.dt, weights.bias, weights.rate, weights.skip)
        )
        self._results(m, pipe, dt + bias, rate=rate, skip=skip)
        return m

    def _results(self, m, pipe, biased, *, rate, skip):
        config = self.config
        s = pipe.stage(biased=biased, rate=rate, skip=skip)
        [delta], s = lookup(m, pipe, config.softplus, [s["biased"]], rate=s["rate"], skip=s["skip"])
        s = pipe.stage(delta=delta, **s)
        s = pipe.stage(delta=_clip(s["delta"], config), rate=s["rate"], skip=s["skip"])
        s = pipe.stage(
            steepness=bounded(s["delta"] * s["rate"], config.steepness),
            exponent=_exponent(s["delta"], config),
            delta=s["delta"],
            skip=s["skip"],
        )
        s = pipe.stage(
            power=saturate(_ceil_shift(s["steepness"], config.power_shift), config.power),
            mantissa=saturate(round_shift(s["delta"], s["exponent"]), MANTISSA),
            exponent=s["exponent"],
            skip=s["skip"],
        )
        whole, fraction = s["power"][FRACTION.frac :], s["power"][: FRACTION.frac]
        carried = {name: s[name] for name in ("mantissa", "exponent", "skip")}
        [power], s = lookup(m, pipe, config.exp2, [fraction], whole=whole, **carried)
        s = pipe.stage(exp2=power, **s)
        decay = (s["exp2"] >> s["whole"]) >> EXP2.frac - config.decay.frac
        pipe.finish(
            decay=[saturate(decay, config.decay)],
            mantissa=[s["mantissa"]],
            exponent=[s["exponent"]],
            skip=[s["skip"]],
        )


def _result_beat(config):
    """What the channels of a head need: `mantissa` and `exponent` are those of delta."""
    return Beat(
        (
            Field("decay", config.decay),
            Field("mantissa", MANTISSA),
            Field("exponent", config.delta_exponent),
            Field("skip", config.skip),
        )
    )


def _clip(delta, config):
    """Within the time step limit, where it limits."""
    if config.delta_low > 0:
        delta = Mux(delta < config.delta_low, config.delta_low, delta)
    if config.delta_high < config.delta.max_code:
        delta = Mux(delta > config.delta_high, config.delta_high, delta)
    return bounded(delta, config.delta)


def _exponent(delta, config):
    length, most = bit_length(delta), MANTISSA.width
    return bounded(Mux(length > most, length - most, 0), config.delta_exponent)


def _ceil_shift(value, shift):
    return (value + (1 << shift) - 1) >> shift
