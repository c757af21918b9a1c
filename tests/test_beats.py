"""Beats: codes come back from the bits that they travel as, lane 0 in the lowest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.beats import (
    Beat,
    Field,
    block_beat,
    exponents_per_beat,
    fixed_beat,
    pack_block,
    require_lanes,
)
from models.formats import WIDEST, Block, Fixed
from tests.stimulus import blocks, codes

formats = st.builds(Fixed, st.integers(1, WIDEST), st.just(0), st.booleans())
beats = st.lists(st.tuples(formats, st.integers(1, 5)), min_size=1, max_size=4).map(
    lambda fields: Beat(
        tuple(Field(f"field{at}", fmt, count) for at, (fmt, count) in enumerate(fields))
    )
)


@given(beats, st.integers(1, 4), st.integers(0, 2**32))
def test_unpack_undoes_pack(beat, length, seed):
    drawn = {f.name: codes(f.format, (length, f.count), seed) for f in beat.fields}
    words = beat.pack(**drawn)
    assert all(0 <= word < 2**beat.bits for word in words)
    for name, unpacked in beat.unpack(words).items():
        np.testing.assert_array_equal(unpacked, drawn[name])


@given(beats, st.integers(0, 2**32))
def test_a_word_is_the_sum_of_its_shifted_codes(beat, seed):
    drawn = {f.name: codes(f.format, (1, f.count), seed) for f in beat.fields}
    word, at = 0, 0
    for field in beat.fields:
        for code in drawn[field.name].ravel().tolist():
            word |= code % 2**field.format.width << at
            at += field.format.width
    assert beat.pack(**drawn) == [word]
    assert beat.bits == at


def test_the_last_beat_is_filled_with_zeros():
    beat = fixed_beat(4, x=Fixed(8))
    assert beat.pack(x=[1, 2, 3, 4, -1]) == [0x04030201, 0x000000FF]


def test_any_shape_is_read_in_order():
    beat = fixed_beat(2, x=Fixed(4))
    assert beat.pack(x=[[1, 2, 3, 4], [5, 6, 7, -8]]) == [0x21, 0x43, 0x65, 0x87]


def test_no_codes_fill_no_beats():
    beat = fixed_beat(2, x=Fixed(4))
    assert beat.pack(x=np.zeros(0, int)) == []
    assert beat.unpack([])["x"].shape == (0, 2)


def test_refuses_fields_of_different_lengths():
    beat = fixed_beat(2, x=Fixed(4), y=Fixed(4))
    with pytest.raises(
        ValueError, match=r"^fields must fill the same number of beats, not \{'x': 2, 'y': 1\}$"
    ):
        beat.pack(x=[1, 2, 3], y=[1, 2])


def test_refuses_codes_out_of_range():
    with pytest.raises(OverflowError, match=r"^codes\[1\] = 8 does not fit s4f0 \(-8\.\.7\)$"):
        fixed_beat(2, x=Fixed(4)).pack(x=[0, 8])


@pytest.mark.parametrize(("lanes", "exponents"), [(1, 1), (4, 1), (8, 1), (16, 2), (64, 8)])
def test_a_block_beat_has_an_exponent_for_each_group(lanes, exponents):
    block = Block(4, 8, Fixed(24, 12))
    assert exponents_per_beat(block, lanes) == exponents
    assert [(f.name, f.count) for f in block_beat(block, lanes).fields] == [
        ("codes", lanes),
        ("exponents", exponents),
    ]


@pytest.mark.parametrize("lanes", [1, 2, 8, 16])
def test_every_beat_of_a_block_carries_the_exponents_of_its_groups(lanes):
    block = Block(4, 8, Fixed(24, 12))
    given_codes, given_exponents = blocks(block, (32,), seed=0)
    beat = block_beat(block, lanes)
    got = beat.unpack(pack_block(block, lanes, given_codes, given_exponents))
    np.testing.assert_array_equal(got["codes"].ravel(), given_codes)
    of_lane = np.repeat(got["exponents"], lanes // got["exponents"].shape[1], axis=1)
    np.testing.assert_array_equal(of_lane.ravel(), np.repeat(given_exponents, 8))


@pytest.mark.parametrize("lanes", [1, 2, 16])
def test_lanes_that_divide_are_accepted(lanes):
    require_lanes("matvec", lanes, rows=48)


@pytest.mark.parametrize(
    ("lanes", "message"),
    [
        (3, r"^matvec lanes must be a power of two, not 3$"),
        (0, r"^matvec lanes must be a power of two, not 0$"),
        (
            32,
            r"^matvec lanes must divide rows = 48, not 32; use 16 or a smaller power of two$",
        ),
    ],
)
def test_lanes_that_do_not_are_refused(lanes, message):
    with pytest.raises(ValueError, match=message):
        require_lanes("matvec", lanes, rows=48)
