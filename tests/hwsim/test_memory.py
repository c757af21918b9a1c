"""Memory: beats arrive exactly when the equations of the model say."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.memory import MemoryModel, ReadPort, Server
from models.memory_port import ReadPortConfig

PORT = ReadPortConfig(port_bits=64, burst=16, outstanding=4)
STEADY = MemoryModel(port_bits=64, clock_hz=100e6, latency=20)
models = st.builds(
    lambda latency, fraction, interval, refresh, gap, jitter, seed: replace(
        STEADY, latency=latency, fraction=fraction, refresh_interval=interval * (refresh > 0),
        refresh_cycles=refresh, gap=gap, jitter=jitter, seed=seed,
    ),
    st.integers(1, 50), st.floats(0.05, 1), st.integers(11, 60), st.integers(0, 10),
    st.sampled_from([0, 0.3]), st.sampled_from([0, 9]), st.integers(0, 5),
)  # fmt: skip
bursts = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30)), min_size=1, max_size=12)


def serve(model, bursts):
    """Arrivals of each of `bursts`, pairs of beats and edges since the one before."""
    server, edge, arrivals = Server(model), 0, []
    for beats, pause in bursts:
        edge += pause
        arrivals.append((edge, server.accept(beats, edge)))
    return arrivals


@pytest.mark.parametrize("edge", [0, 1, 100])
@pytest.mark.parametrize("fraction", [1.0, 0.75, 0.3])
def test_the_first_beat_arrives_after_the_latency(fraction, edge):
    assert Server(replace(STEADY, fraction=fraction)).accept(4, edge)[0] == edge + 20


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (1.0, [20, 21, 22, 23, 24, 25, 26]),
        (0.75, [20, 22, 23, 24, 26, 27, 28]),
        (0.5, [20, 22, 24, 26, 28, 30, 32]),
    ],
)
def test_beats_are_spread_evenly(fraction, expected):
    assert Server(replace(STEADY, fraction=fraction)).accept(7, 0) == expected


@pytest.mark.parametrize("fraction", [1.0, 0.9375, 0.75, 0.6, 0.3])
def test_a_long_sequence_gets_the_fraction(fraction):
    model = replace(STEADY, fraction=fraction)
    arrivals = [edge for _, burst in serve(model, [(16, 0)] * 600) for edge in burst]
    assert (arrivals[-1] - arrivals[0]) == -(-(9600 - 1) // model.rate)


def test_refresh_loses_exactly_its_cycles():
    refreshing = replace(STEADY, refresh_interval=100, refresh_cycles=7)
    without = Server(STEADY).accept(1000, 0)
    arrivals = Server(refreshing).accept(1000, 0)
    assert all(edge % 100 >= 7 or edge < 100 for edge in arrivals)
    free = [edge for edge in range(20, 2000) if edge % 100 >= 7 or edge < 100]
    assert arrivals == free[:1000]
    assert arrivals[-1] - without[-1] == 7 * (arrivals[-1] // 100)


def test_a_burst_that_would_arrive_in_a_refresh_waits_for_its_end():
    refreshing = replace(STEADY, refresh_interval=100, refresh_cycles=7)
    assert Server(refreshing).accept(2, 83) == [107, 108]
    assert Server(refreshing).accept(2, 79) == [99, 107]
    assert Server(refreshing).accept(2, 87) == [107, 108]
    assert Server(refreshing).accept(2, 88) == [108, 109]


@given(models, bursts)
def test_beats_arrive_in_order_and_never_early(model, bursts):
    served = serve(model, bursts)
    arrivals = [edge for _, burst in served for edge in burst]
    assert all(one < other for one, other in pairwise(arrivals))
    assert all(burst[0] >= edge + model.latency for edge, burst in served)
    if model.refresh_interval:
        assert not [
            edge for edge in arrivals
            if edge >= model.refresh_interval
            and edge % model.refresh_interval < model.refresh_cycles
        ]  # fmt: skip


def test_gaps_and_jitter_follow_their_seed_and_only_delay():
    rough = replace(STEADY, gap=0.5, jitter=10, seed=3)
    once = serve(rough, [(16, 0)] * 8)
    assert once == serve(rough, [(16, 0)] * 8)
    assert once != serve(replace(rough, seed=4), [(16, 0)] * 8)
    for (_, late), (_, early) in zip(once, serve(STEADY, [(16, 0)] * 8), strict=True):
        assert all(one >= other for one, other in zip(late, early, strict=True))


def test_gaps_have_the_probability_that_was_asked_for():
    arrivals = Server(replace(STEADY, gap=0.25)).accept(20_000, 0)
    assert (arrivals[-1] - arrivals[0]) / 20_000 == pytest.approx(1 / 0.75, rel=0.02)


def test_enough_outstanding_bursts_hide_the_latency():
    edges = ReadPort(PORT, STEADY).read(0, 1000)
    assert edges == list(range(22, 1022))


def test_one_outstanding_burst_shows_it():
    edges = ReadPort(replace(PORT, outstanding=1), STEADY).read(0, 64)
    assert [edges[at] for at in range(0, 64, 16)] == [22, 59, 96, 133]


def test_a_slow_consumer_holds_the_port_up_but_not_the_memory():
    edges = ReadPort(PORT, STEADY).read(0, 16, take=lambda edge: max(edge, 40))
    assert edges == [40, *range(41, 56)]


def test_bandwidth_counts_the_rate_and_the_refresh():
    model = replace(STEADY, fraction=0.5, refresh_interval=100, refresh_cycles=10)
    assert model.bandwidth == pytest.approx(8 * 100e6 * 0.5 * 0.9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"latency": 0}, "memory latency must be 1 or more cycles, not 0"),
        ({"fraction": 1.5}, "memory fraction must be in 1/4096..1, a share of the port's peak, "
                            "not 1.5"),
        ({"outstanding": 0}, "memory outstanding must be 1 or more bursts, not 0"),
        ({"gap": 1.0}, "memory gap must be a probability below 1, not 1.0"),
        ({"jitter": -1}, "memory jitter must be 0 or more cycles, not -1"),
        ({"refresh_interval": 9, "refresh_cycles": 9},
         "memory refresh_cycles must be in 0..refresh_interval - 1, with refresh_interval = 9, "
         "not 9"),
    ],
)  # fmt: skip
def test_refuses_what_no_memory_is(wrong, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(STEADY, **wrong)
