"""Routing between units: every beat arrives once, in order, where it should, under any stalls."""

import itertools

import numpy as np
import pytest

from models.beats import STEP, Beat, Field, block_beat, pack_block
from models.formats import Block, Fixed
from rtl.routing import Fork, Repeat, Resize, Select, Switch
from tests.faces import WILLING
from tests.stimulus import blocks
from tests.streams import run_streams

BYTE = Beat((Field("x", Fixed(8, 0, signed=False)),))
each_willing = pytest.mark.parametrize(("offer", "accept"), WILLING)


def packed(steps):
    ports, beats = zip(*steps, strict=True)
    return STEP.pack(port=ports, beats=beats)


@each_willing
def test_fork_gives_each_output_everything(offer, accept):
    words = list(range(60))
    expected = {"o0": words, "o1": words, "o2": words}
    run = run_streams(Fork(BYTE, 3), {"i": words}, expected, offer=offer, accept=accept)
    assert run.outputs == expected


@each_willing
def test_switch_follows_its_steps_and_drops(offer, accept):
    steps = [(0, 3), (1, 1), (2, 2), (1, 2)]
    loop = list(itertools.chain.from_iterable([port] * beats for port, beats in steps))
    words = list(range(5 * len(loop)))
    sent = list(zip(itertools.cycle(loop), words, strict=False))
    expected = {f"o{at}": [word for port, word in sent if port == at] for at in range(2)}
    inputs = {"i": words, "i_steps": packed(steps * 5)}
    run = run_streams(Switch(BYTE, 2), inputs, expected, offer=offer, accept=accept)
    assert run.outputs == expected


@each_willing
def test_select_follows_its_steps(offer, accept):
    steps = [(0, 2), (1, 1), (0, 1)]
    inputs = {"i0": list(range(30)), "i1": list(range(100, 110))}
    rest = {name: iter(words) for name, words in inputs.items()}
    expected = [next(rest[f"i{port}"]) for port in [0, 0, 1, 0] * 10]
    inputs["i_steps"] = packed(steps * 10)
    run = run_streams(Select(BYTE, 2), inputs, {"o": expected}, offer=offer, accept=accept)
    assert run.outputs["o"] == expected


def test_steps_change_without_a_pause():
    inputs = {"i": list(range(12)), "i_steps": packed([(0, 1)] * 12)}
    run = run_streams(Switch(BYTE, 1), inputs, {"o0": inputs["i"]})
    assert run.cycles == 11


@each_willing
def test_repeat_loops_over_its_words(offer, accept):
    run = run_streams(Repeat(BYTE, [3, 1, 4]), {}, {"o": [3, 1, 4] * 5}, offer=offer, accept=accept)
    assert run.outputs["o"] == [3, 1, 4] * 5


@pytest.mark.parametrize(("lanes", "to"), list(itertools.product([1, 4, 8, 32], repeat=2)))
@each_willing
def test_resize_keeps_codes_and_exponents(lanes, to, offer, accept):
    block = Block(8, 8, Fixed(20, 12))
    codes, exponents = blocks(block, (96,), seed=0)
    inputs = {"i": pack_block(block, lanes, codes, exponents)}
    expected = {"o": pack_block(block, to, codes, exponents)}
    run = run_streams(Resize(block, lanes, to), inputs, expected, offer=offer, accept=accept)
    assert run.outputs == expected


def test_resize_halves_or_doubles_what_a_beat_carries():
    block = Block(8, 8, Fixed(20, 12))
    assert np.array_equal([block_beat(block, lanes).bits for lanes in (4, 8, 16)], [36, 68, 136])
