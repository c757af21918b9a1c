"""Streams: queues and pipelines keep every beat in order under stalls, and a breach is noticed."""

import pytest
from amaranth import Module, Signal, Value
from amaranth.hdl import Fragment
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from models.beats import fixed_beat
from models.formats import Fixed
from rtl.arith import saturate
from rtl.streams import Pipeline, Queue, codes_of, layout_of, stream_of
from tests.faces import WILLING, Deaf
from tests.stimulus import codes
from tests.streams import AFTER_VALID, run_streams

NARROW = Fixed(8)
BEAT = fixed_beat(2, x=NARROW)
willingness = st.sampled_from([0.1, 0.5, 1.0])
willing = pytest.mark.parametrize(("offer", "accept"), WILLING)


class Squares(wiring.Component):
    """Squares of two lanes, two stages deep."""

    def __init__(self):
        super().__init__({"i": In(stream_of(BEAT)), "o": Out(stream_of(BEAT))})

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, valid=self.i.valid, o=self.o)
        m.d.comb += self.i.ready.eq(pipe.advance)
        s = pipe.stage(square=[x * x for x in codes_of(self.i.p.x)])
        pipe.finish(x=[saturate(square, NARROW) for square in s["square"]])
        return m


class EvenPlusSide(wiring.Component):
    """The even ones of `i`, each with a beat of `i_side` added."""

    def __init__(self):
        one, sum_of_two = fixed_beat(1, x=NARROW), fixed_beat(1, x=Fixed(9))
        super().__init__(
            {"i": In(stream_of(one)), "i_side": In(stream_of(one)), "o": Out(stream_of(sum_of_two))}
        )

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, valid=self.i.valid, o=self.o)
        m.d.comb += self.i.ready.eq(pipe.advance)
        s = pipe.stage(x=self.i.p.x[0])
        pipe.only(~s["x"][0])
        pipe.take(self.i_side)
        pipe.finish(x=[s["x"] + self.i_side.p.x[0]])
        return m


class Steady(wiring.Component):
    """Offers another word on every edge, whether the one before was taken or not."""

    def __init__(self):
        super().__init__({"i": In(stream_of(BEAT)), "o": Out(stream_of(BEAT))})

    def elaborate(self, platform):
        m = Module()
        count = Signal(8)
        m.d.sync += count.eq(count + 1)
        m.d.comb += [Value.cast(self.o.payload).eq(count), self.o.valid.eq(1), self.i.ready.eq(1)]
        return m


class Shy(wiring.Component):
    """Passes beats through, but offers none before its consumer is ready."""

    def __init__(self):
        super().__init__({"i": In(stream_of(BEAT)), "o": Out(stream_of(BEAT))})

    def elaborate(self, platform):
        m = Module()
        taken = self.i.valid & self.o.ready
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(taken),
            self.i.ready.eq(taken),
        ]
        return m


def words(count, beat=BEAT, seed=0):
    (field,) = beat.fields
    return beat.pack(**{field.name: codes(field.format, (count, field.count), seed)})


def test_a_layout_has_the_bits_of_its_beat():
    layout = layout_of(fixed_beat(3, x=Fixed(5), y=Fixed(7, signed=False)))
    assert layout.size == 3 * (5 + 7)
    assert [name for name, _ in layout] == ["x", "y"]


@settings(max_examples=20)
@given(st.integers(1, 9), willingness, willingness, st.integers(0, 99))
def test_queue_keeps_every_beat_in_order(depth, offer, accept, seed):
    sent = words(30, seed=seed)
    queue = Queue(BEAT, depth)
    run = run_streams(queue, {"i": sent}, {"o": sent}, offer=offer, accept=accept, seed=seed)
    assert run.outputs["o"] == sent


@pytest.mark.parametrize("depth", [1, 2, 8])
def test_queue_takes_as_many_beats_as_it_is_deep(depth):
    queue = Queue(BEAT, depth)
    taken = []

    async def testbench(ctx):
        ctx.set(queue.i.valid, 1)
        for _ in range(depth + 5):
            taken.append(ctx.get(queue.i.ready))
            await ctx.tick()
        ctx.set(queue.o.ready, 1)
        assert not ctx.get(queue.i.ready), "the ready of a queue must not depend on its output"

    sim = Simulator(queue)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert sum(taken) == depth
    assert taken[-2:] == [0, 0]


@pytest.mark.parametrize(("depth", "interval"), [(1, 2), (2, 2), (3, 1), (8, 1)])
def test_queue_of_three_passes_a_beat_on_every_edge(depth, interval):
    sent = words(40)
    one = run_streams(Queue(BEAT, depth), {"i": sent[:1]}, {"o": sent[:1]}).cycles
    all_ = run_streams(Queue(BEAT, depth), {"i": sent}, {"o": sent}).cycles
    assert all_ == one + 39 * interval


@willing
def test_pipeline_keeps_every_beat_in_order(offer, accept):
    x = codes(NARROW, (60, 2), seed=0)
    sent, expected = BEAT.pack(x=x), BEAT.pack(x=NARROW.saturate(x * x))
    run = run_streams(Squares(), {"i": sent}, {"o": expected}, offer=offer, accept=accept)
    assert run.outputs["o"] == expected


@willing
def test_pipeline_filters_and_waits_for_its_side(offer, accept):
    one = fixed_beat(1, x=NARROW)
    x, side = codes(NARROW, (80,), seed=0), codes(NARROW, (80,), seed=1)
    even = x[x % 2 == 0]
    expected = fixed_beat(1, x=Fixed(9)).pack(x=even + side[: len(even)])
    inputs = {"i": one.pack(x=x), "i_side": one.pack(x=side)}
    run = run_streams(EvenPlusSide(), inputs, {"o": expected}, offer=offer, accept=accept)
    assert 20 < len(expected) < 60
    assert run.outputs["o"] == expected


@pytest.mark.parametrize("beats", [1, 2, 17])
def test_pipeline_takes_an_edge_for_each_row_of_registers(beats):
    sent = [0] * beats
    assert run_streams(Squares(), {"i": sent}, {"o": sent}).cycles == 2 + beats - 1


def test_pipeline_refuses_to_lose_bits_at_its_end():
    m = Module()
    pipe = Pipeline(m, valid=Signal(), o=stream_of(BEAT).create())
    wide = Signal(9)
    with pytest.raises(ValueError, match=r"cannot hold every value of unsigned\(9\)"):
        pipe.finish(x=[wide, wide])
    Fragment.get(m, None)


def test_a_deaf_component_is_noticed():
    x = codes(NARROW, (20, 2), seed=0)
    sent, expected = BEAT.pack(x=x), BEAT.pack(x=NARROW.saturate(x * x))
    unstalled = run_streams(Deaf(Squares()), {"i": sent}, {"o": expected})
    assert unstalled.outputs["o"] == expected
    with pytest.raises(AssertionError, match=r"^Deaf\.o offered 0x\w+, was not taken, and now"):
        run_streams(Deaf(Squares()), {"i": sent}, {"o": expected}, accept=AFTER_VALID)


def test_a_payload_that_changes_before_it_is_taken_is_noticed():
    message = r"^Steady\.o offered 0x0, was not taken, and now offers 0x1$"
    with pytest.raises(AssertionError, match=message):
        run_streams(Steady(), {"i": []}, {"o": [0]}, accept=AFTER_VALID)


def test_a_valid_that_waits_for_ready_is_noticed():
    sent = words(3)
    assert run_streams(Shy(), {"i": sent}, {"o": sent}).outputs["o"] == sent
    with pytest.raises(TimeoutError, match=r"^Shy\.o delivered 0 of 3 beats in 50 cycles$"):
        run_streams(Shy(), {"i": sent}, {"o": sent}, accept=AFTER_VALID, deadline=50)
