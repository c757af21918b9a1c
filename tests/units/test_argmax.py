"""Argmax: its faces agree, and it is the first of the largest codes, whatever fills the beats."""

import re

import numpy as np
import pytest

from hwsim.units.argmax import ArgmaxTiming
from models.formats import Fixed
from models.units.argmax import ArgmaxConfig, argmax
from rtl.units import argmax as rtl
from tests.faces import Case, faces
from tests.stimulus import codes
from tests.streams import run_streams

LOGIT = Fixed(24, 12)


def vectors(fmt, count):
    """Few different codes, so that the largest is often there twice; all equal, also at an end."""
    x = np.concatenate([codes(fmt, (6, count), seed=count), codes(fmt, (6, count), seed=1) % 3])
    drawn = np.random.default_rng(count).permuted(x, axis=1)
    return np.concatenate([drawn, np.full((1, count), fmt.min_code), np.full((1, count), 1)])


def case(fmt, count, lanes):
    def make():
        config = ArgmaxConfig(fmt, count, lanes)
        x = vectors(fmt, count)
        filler = np.full((len(x), config.beats * lanes - count), fmt.max_code)
        i = config.i_beat.pack(x=np.concatenate([x, filler], axis=1))
        o = config.o_beat.pack(index=argmax(x, config))
        cycles = ArgmaxTiming(config).cycles(len(x))
        return Case(lambda: rtl.Argmax(config), {"i": i}, {"o": o}, cycles)

    return make


CASES = {
    "24x1": case(LOGIT, 24, 1),
    "24x2": case(LOGIT, 24, 2),
    "21x4": case(LOGIT, 21, 4),
    "40x8": case(LOGIT, 40, 8),
    "33x16": case(LOGIT, 33, 16),
    "one_beat": case(LOGIT, 13, 16),
    "three_codes": case(LOGIT, 3, 1),
    "unsigned": case(Fixed(5, signed=False), 30, 4),
}

test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught = faces(
    CASES, rtl, rounds=False, saturates=False
)


@pytest.mark.parametrize(("count", "lanes"), [(1, 1), (1, 4), (2, 1), (2, 2)])
def test_one_code_and_two(count, lanes):
    each = case(LOGIT, count, lanes)()
    run = run_streams(each.component(), each.inputs, each.outputs)
    assert (run.outputs, run.cycles) == (each.outputs, each.cycles)


def last_of_equals(patch):
    patch.setattr(rtl, "larger", lambda code, before: code >= before)


def unsigned_comparison(patch):
    patch.setattr(rtl, "larger", lambda code, before: code.as_unsigned() > before.as_unsigned())


def filler_counts(patch):
    patch.setattr(rtl.Argmax, "_without_padding", lambda self, beat: list(rtl.codes_of(self.i.p.x)))


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (last_of_equals, "24x1"),
        (last_of_equals, "40x8"),
        (unsigned_comparison, "24x2"),
        (filler_counts, "21x4"),
    ],
)
def test_wrong_comparison_is_caught(fault, name, monkeypatch):
    fault(monkeypatch)
    each = CASES[name]()
    assert run_streams(each.component(), each.inputs, each.outputs).outputs != each.outputs


def test_stimulus_has_ties_and_different_winners():
    x = vectors(LOGIT, 24)
    ties = (x == x.max(axis=1, keepdims=True)).sum(axis=1) > 1
    assert 4 <= ties.sum() < len(x)
    assert len(set(argmax(x, ArgmaxConfig(LOGIT, 24)).tolist())) > 4


def test_the_first_of_equals_at_any_depth():
    config = ArgmaxConfig(LOGIT, 3)
    assert argmax([5, 7, 7], config) == 1
    assert argmax([[[-1, -2, -1]], [[0, 0, 1]]], config).tolist() == [[0], [2]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ArgmaxConfig(LOGIT, 8, lanes=3),
            "argmax lanes must be a power of two, not 3",
        ),
        (lambda: ArgmaxConfig(LOGIT, 0), "argmax count must be at least 1, not 0"),
        (
            lambda: argmax(np.zeros((2, 9), int), ArgmaxConfig(LOGIT, 8)),
            "argmax x must have 8 codes in a vector, not shape (2, 9)",
        ),
        (
            lambda: argmax([0, 8], ArgmaxConfig(Fixed(4), 2)),
            "x[1] = 8 does not fit s4f0 (-8..7)",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises((ValueError, OverflowError), match=f"^{re.escape(message)}$"):
        make()
