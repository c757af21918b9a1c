"""Spill: its faces agree, and what it writes is what fetch once unpacked."""

import random
import re

import pytest
from amaranth import Const

from hwsim.units.spill import SpillTiming
from models.beats import Beat, Field
from models.formats import Fixed
from models.units.fetch import FetchConfig, Packet, Target, fetch, pack
from models.units.spill import Part, SpillConfig, spill
from rtl.units import spill as rtl
from tests.faces import Case, faces
from tests.streams import run_streams


def config(port_bits, bits):
    width = max(width for width in range(1, 60) if bits % width == 0)
    beat = Beat((Field("x", Fixed(width, signed=False), bits // width),))
    return SpillConfig(port_bits, beat)


def parts_of(config, *lengths):
    """Parts of so many beats, some words apart from each other."""
    parts, place = [], 1
    for beats in lengths:
        parts.append(config.part(place, beats))
        place += parts[-1].words + 7
    return parts


def beats_of(config, count, seed=0):
    chance = random.Random(seed)
    return [chance.getrandbits(config.beat.bits) for _ in range(count)]


def case(config, *lengths):
    def make():
        parts, beats = parts_of(config, *lengths), beats_of(config, sum(lengths))
        columns = dict(zip(Part._fields, zip(*parts, strict=True), strict=True))
        inputs = {"i_steps": config.step_beat.pack(**columns), "i": beats}
        writes, words = spill(beats, parts, config)
        outputs = {"o": words, "o_writes": writes}
        cycles = SpillTiming(config).cycles(len(beats))
        return Case(lambda: rtl.Spill(config), inputs, outputs, cycles)

    return make


CASES = {
    "one_in_a_word": case(config(64, 40), 5, 1, 1, 3),
    "a_word": case(config(64, 64), 3, 4),
    "two_in_a_word": case(config(64, 29), 5, 2, 1, 1, 8, 3),
    "three_in_a_word": case(config(128, 40), 3, 4, 5, 1, 1, 1),
    "many_in_a_word": case(config(64, 7), 10, 9, 2, 1, 18),
    "two_words": case(config(64, 65), 3, 1, 1, 2),
    "three_words": case(config(64, 192), 2, 1, 2),
}
test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    CASES, rtl, rounds=False, saturates=False
)


def caught(name):
    """Whether random stalls show that the hardware of a case is wrong."""
    each = CASES[name]()
    try:
        run = run_streams(each.component(), each.inputs, each.outputs, accept=0.5, deadline=2_000)
    except (TimeoutError, AssertionError):
        return True
    return run.outputs != each.outputs


@pytest.mark.parametrize(("name", "packer"), [("two_in_a_word", "_Join"), ("two_words", "_Split")])
def test_a_word_that_is_overtaken_is_caught(name, packer, monkeypatch):
    """A packer that takes beats also while its word waits."""

    class Overrun(getattr(rtl, packer)):
        def elaborate(self, platform):
            m = super().elaborate(platform)
            m.d.comb += self.i.ready.eq(1)
            return m

    assert not caught(name)
    monkeypatch.setattr(rtl, packer, Overrun)
    assert caught(name)


def test_words_that_do_not_end_with_their_part_are_caught(monkeypatch):
    class Endless(rtl._Join):
        def elaborate(self, platform):
            self.last = Const(0)
            return super().elaborate(platform)

    monkeypatch.setattr(rtl, "_Join", Endless)
    assert caught("two_in_a_word")


@pytest.mark.parametrize("port_bits", [64, 256])
@pytest.mark.parametrize("bits", [3, 29, 40, 64, 65, 96, 1000])
def test_fetch_unpacks_what_was_spilled(port_bits, bits):
    """Written over the payloads that were read, the words are the packets of the new beats."""
    unit = config(port_bits, bits)
    lengths = [5, 1, 12, 3]
    port = FetchConfig(port_bits, (Target("other", unit.beat), Target("state", unit.beat)))
    image, parts = [], []
    for at, beats in enumerate(lengths):
        image += pack([Packet((("other", beats_of(unit, at + 1)),))], port)
        parts.append(unit.part(len(image) + 1, beats))
        image += pack([Packet((("state", [0] * beats),))], port)
    beats = beats_of(unit, sum(lengths), seed=1)
    writes, words = spill(beats, parts, unit)
    fields = unit.write_beat.unpack(writes)
    at = 0
    for place, count in zip(fields["place"].ravel(), fields["words"].ravel(), strict=True):
        image[place : place + count] = words[at : at + count]
        at += count
    assert at == len(words)
    assert fetch(image, port)["state"] == beats


@pytest.mark.parametrize(
    ("place", "beats", "message"),
    [
        (0, 0, "spill part must have 1 to 32767 beats, not 0; split the part"),
        (0, 32768, "spill part must have 1 to 32767 beats, not 32768; split the part"),
        (1 << 32, 1, "spill part must begin at a word in 0..4294967295, not 4294967296; "
                     "use a wider port"),
    ],
)  # fmt: skip
def test_refuses_what_no_step_says(place, beats, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        config(64, 65).part(place, beats)


def test_refuses_beats_that_are_not_those_of_the_parts():
    unit = config(64, 32)
    message = r"^spill beats must be those of the parts = 5, not 4$"
    with pytest.raises(ValueError, match=message):
        spill([0] * 4, parts_of(unit, 2, 3), unit)
