"""Fetch: its faces agree, every beat reaches its target in order, and only full queues wait."""

import random
import re

import pytest
from amaranth import Const

from hwsim.units.fetch import FetchTiming
from models.beats import Beat, Field
from models.formats import Fixed
from models.units.fetch import (
    FetchConfig,
    Header,
    Packet,
    Target,
    fetch,
    header_of,
    headers,
    pack,
)
from rtl.streams import Queue
from rtl.units import fetch as rtl
from tests.faces import Case, faces
from tests.streams import run_streams


def target(name, bits, depth=3):
    width = max(width for width in range(1, 60) if bits % width == 0)
    return Target(name, Beat((Field("x", Fixed(width, signed=False), bits // width),)), depth)


def config(port_bits, *bits, depth=3):
    return FetchConfig(port_bits, tuple(target(f"t{each}", each, depth) for each in bits))


def packet(repeats=1, seed=0, **shares):
    """Random beats for targets by name, which says their bits: `t24=3` is 3 beats in a repeat."""
    chance = random.Random(seed)
    parts = (
        (name, [chance.getrandbits(int(name[1:])) for _ in range(share * repeats)])
        for name, share in shares.items()
    )
    return Packet(tuple(parts), repeats)


def sent(packets, config):
    """Beats by target as they were given to the packets."""
    beats = {each.name: [] for each in config.targets}
    for each in packets:
        for name, given in each.parts:
            beats[name] += given
    return beats


def case(config, *packets, padding=0):
    def make():
        words = [0] * padding + pack(packets, config)
        outputs = {f"o_{name}": beats for name, beats in fetch(words, config).items()}
        assert outputs == {f"o_{name}": beats for name, beats in sent(packets, config).items()}
        cycles = FetchTiming(config).cycles(headers(words, config))
        return Case(lambda: rtl.Fetch(config), {"i": words}, outputs, cycles)

    return make


MANY = config(64, 24, 64, 40, 7, 160, 128)
MATRIX = config(128, 24, 128)
MIXED = (
    packet(t24=5, t64=4, repeats=3),
    packet(t7=1),
    packet(t7=20, t24=1, repeats=4),
    packet(t160=2, t40=3, repeats=2),
    packet(t160=0, t40=1, repeats=2),
    packet(t128=2, t64=1, repeats=2),
    packet(t64=3, t7=19),
    Packet((("t7", [1, 2, 3]), ("t7", [4, 5]))),
)

CASES = {
    "every_width": case(MANY, *MIXED, padding=2),
    "matrix": case(MATRIX, packet(t24=4, t128=6, repeats=5), packet(t24=7, t128=2, repeats=3)),
    "beats_wait": case(MATRIX, packet(t24=9, t128=1, repeats=6), packet(t128=1, t24=11, repeats=5)),
    "full_queue": case(MATRIX, packet(t24=33, t128=1, repeats=3), packet(t24=1, t128=2, repeats=9)),
    "one_target": case(config(64, 17), packet(t17=10, repeats=6), packet(t17=1, repeats=5)),
    "wide": case(config(256, 1000, 250, 8), packet(t1000=2, t250=3, repeats=2), packet(t8=70)),
}

test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    CASES, rtl, rounds=False, saturates=False
)


def test_a_matrix_leaves_no_bubble():
    """Every edge takes a word; the last one needs two more through its queue."""
    given = [packet(t24=5, t128=7, repeats=4), packet(t24=2, t128=3, repeats=5)]
    words = pack(given, MATRIX)
    expected = {f"o_{name}": beats for name, beats in sent(given, MATRIX).items()}
    run = run_streams(rtl.Fetch(MATRIX), {"i": words}, expected)
    assert run.outputs == expected
    assert run.cycles == len(words) - 1 + 2


def test_words_of_many_beats_hold_up_nobody():
    """While its beats leave, words behind it are taken: those of its target, too, as many as fit.

    A header and 4 words of 5 beats are taken on edges 0 to 4, and 9 beats for another on edges 5 to
    13; on edge 2 the first word comes to the front, and from 3 to 22 all beats leave.
    """
    ahead = config(128, 24, 128, depth=4)
    given = [packet(t24=20, t128=9)]
    expected = {f"o_{name}": beats for name, beats in sent(given, ahead).items()}
    run = run_streams(rtl.Fetch(ahead), {"i": pack(given, ahead)}, expected)
    assert run.outputs == expected
    assert run.cycles == 22
    assert FetchTiming(ahead).cycles([header_of(each, ahead) for each in given]) == 22


class Overrun(Queue):
    """A queue that takes beats also when it is full, and so loses them."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


def caught(name, component=None):
    """Whether random stalls show that the hardware of a case is wrong."""
    each = CASES[name]()
    component = component or each.component()
    try:
        run = run_streams(component, each.inputs, each.outputs, accept=0.5, deadline=2_000)
    except (TimeoutError, AssertionError):
        return True
    return run.outputs != each.outputs


def test_full_words_everywhere_are_caught(monkeypatch):
    monkeypatch.setattr(rtl._Split, "_last", lambda self: Const(self.per_word - 1))
    assert caught("every_width")


def test_an_overrun_queue_is_caught(monkeypatch):
    monkeypatch.setattr(rtl, "Queue", Overrun)
    assert caught("matrix")


def test_targets_in_another_order_are_caught():
    assert not caught("matrix", rtl.Fetch(MATRIX))
    assert caught("matrix", rtl.Fetch(FetchConfig(128, MATRIX.targets[::-1])))


def test_words_are_laid_out_as_said():
    narrow, wide = target("narrow", 24), target("wide", 72)
    small = FetchConfig(64, (narrow, wide))
    packed = pack([Packet((("narrow", [1, 2, 3]), ("wide", [5 << 64 | 4])))], small)
    header = 0 | 3 << 4 | 1 << 20 | 1 << 24 | 1 << 40
    assert packed == [header, 2 << 24 | 1, 3, 4, 5]
    assert headers(packed, small) == [Header(0, 3, 1, 1, 1)]


def test_each_repeat_starts_at_a_word_of_its_own():
    packed = pack([Packet((("t24", [1, 2, 3, 4, 5, 6]),), 2)], config(64, 24))
    assert packed[1:] == [2 << 24 | 1, 3, 5 << 24 | 4, 6]


@pytest.mark.parametrize("port_bits", [64, 128, 512])
@pytest.mark.parametrize("seed", range(5))
def test_unpacks_what_was_packed(port_bits, seed):
    chance = random.Random(seed)
    bits = [*chance.sample(range(2, 62), 3), 64, 8 * chance.randrange(9, 90), 65]
    many = config(port_bits, *dict.fromkeys(bits))
    names = [each.name for each in many.targets]
    given = []
    for at in range(20):
        chosen = chance.sample(names, chance.choice([1, 2]))
        shares = {name: chance.randrange(0, 40) for name in chosen}
        given.append(packet(chance.randrange(1, 9), at, **shares))
    assert fetch(pack(given, many), many) == sent(given, many)


def test_words_of_zeros_and_packets_of_no_beats_send_nothing():
    assert fetch([0, 0], MATRIX) == {"t24": [], "t128": []}
    assert pack([packet(t24=0, t128=0)], MATRIX) == []
    assert header_of(packet(t24=0, t128=2), MATRIX) == Header(1, 2, 0, 0, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: config(32, 8),
            "fetch port_bits must be a power of two of at least 64, not 32",
        ),
        (
            lambda: config(96, 8),
            "fetch port_bits must be a power of two of at least 64, not 96",
        ),
        (lambda: FetchConfig(64, ()), "fetch must have 1 to 16 targets, not 0"),
        (
            lambda: config(64, 8, 8),
            "fetch targets must have different names, not ['t8', 't8']",
        ),
        (
            lambda: FetchConfig(64, (target("weights", 64, depth=2),)),
            "fetch weights depth must be at least 3, not 2; "
            "a shorter queue cannot pass a word in every cycle",
        ),
    ],
)
def test_refuses_configurations(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            Packet((("t9", [1]),)),
            "fetch packet part must be for one of ['t24', 't128'], not 't9'",
        ),
        (
            Packet((("t24", [1, 2, 3]),), 2),
            "fetch packet t24 must have equal shares for 2 repeats, not 3 beats in all",
        ),
        (
            Packet((("t24", [1]),), 0),
            "fetch packet repeats must be in 1..16777215, not 0; split the packet",
        ),
        (
            Packet((("t24", [0] * 65536),)),
            "fetch packet t24 must have at most 65535 beats in a repeat, not 65536; "
            "use more repeats or split the packet",
        ),
        (
            Packet((("t24", [1]), ("t128", [1]), ("t24", [1]))),
            "fetch packet must have at most 2 parts, not 3; split the packet",
        ),
        (Packet((("t24", [1, 1 << 24]),)), "fetch t24[1] = 0x1000000 does not fit 24 bits"),
        (Packet((("t24", [-1]),)), "fetch t24[0] = -0x1 does not fit 24 bits"),
    ],
)
def test_refuses_packets(given, message):
    with pytest.raises((ValueError, OverflowError), match=f"^{re.escape(message)}$"):
        pack([given], MATRIX)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            pack([packet(t24=1, t128=3, repeats=2)], MATRIX)[:-1],
            "fetch words[0]: header must be followed by 8 words of payload, not 7; "
            "the words are cut short, or not at a header",
        ),
        (
            [0, 2 | 1 << 4 | 1 << 40, 0],
            "fetch words[1]: header must name targets 0..1, not 2; "
            "the words are of another design, or not at a header",
        ),
        (
            [1 << 40],
            "fetch words[0]: header must have beats for its first target, not 0; "
            "the words are not at a header",
        ),
        ([1 << 128], f"fetch words[0] = {1 << 128:#x} does not fit 128 bits"),
    ],
)
def test_refuses_words(words, message):
    with pytest.raises((ValueError, OverflowError), match=f"^{re.escape(message)}$"):
        fetch(words, MATRIX)
