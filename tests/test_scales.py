"""Scales: an encoded scale is the smallest that is not below the value asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scales import FIELDS, Scale

each_kind = pytest.mark.parametrize("kind", list(FIELDS))
FRAC = 16


def every(kind):
    scale = Scale(kind, FRAC)
    return scale, np.arange(scale.code.max_code + 1)


@pytest.mark.parametrize(
    ("kind", "code", "integer"),
    [
        ("pot", 0, 1),
        ("pot", 15, 2**15),
        ("pot2", 0x00, 2),
        ("pot2", 0x31, 2**1 + 2**3),
        ("pot2", 0xFF, 2**16),
        ("mantissa", 0x00, 16),
        ("mantissa", 0x52, 21 * 4),
        ("mantissa", 0xFF, 31 * 2**15),
    ],
)
def test_decode(kind, code, integer):
    assert Scale(kind, FRAC).decode(np.array([code])).tolist() == [integer]


@each_kind
def test_value_holds_every_scale(kind):
    scale, codes = every(kind)
    integers = scale.value.require(scale.decode(codes), "scale")
    assert integers.min() > 0
    assert integers.max() > scale.value.max_code // 2
    assert scale.value.frac == FRAC


@each_kind
def test_encode_undoes_decode(kind):
    scale, codes = every(kind)
    integers = scale.decode(codes)
    again = scale.decode(scale.encode(integers / 2**FRAC))
    np.testing.assert_array_equal(again, integers)


@each_kind
@given(value=st.floats(1e-9, 100))
def test_encode_is_the_smallest_not_below(kind, value):
    scale, codes = every(kind)
    levels = scale.decode(codes) / 2**FRAC
    enough = levels[levels >= value]
    expected = enough.min() if enough.size else levels.max()
    assert scale.decode(scale.encode([value])) / 2**FRAC == expected


@each_kind
def test_encode_never_falls_when_the_value_grows(kind):
    scale, _ = every(kind)
    values = np.geomspace(1e-6, 50, 500).reshape(5, 100)
    encoded = scale.encode(values)
    assert encoded.shape == values.shape
    assert (np.diff(scale.decode(encoded).ravel()) >= 0).all()


def test_refuses_an_unknown_kind():
    with pytest.raises(
        ValueError, match=r"^scale kind must be one of pot, pot2, mantissa, not 'float'$"
    ):
        Scale("float", FRAC)
