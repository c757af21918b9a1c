"""Published shapes: their numbers of parameters, and what an unknown name is told."""

import pytest

from models.errors import InputError
from models.networks.shapes import SHAPES, find_shape

PARAMETERS = {
    "mamba2-130m": 128_989_632,
    "mamba2-370m": 368_346_624,
    "mamba2-780m": 780_161_280,
    "mamba2-1.3b": 1_343_757_312,
    "mamba2-2.7b": 2_702_599_680,
}
"""Of the checkpoints that state-spaces published."""


def test_parameters_are_those_of_the_checkpoints():
    assert {name: shape.parameters for name, shape in SHAPES.items()} == PARAMETERS


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("mamba2-2.8b", "did you mean mamba2-2.7b?"), ("tiny", "give one of them")],
)
def test_names_a_shape_that_is_not_there(name, way_out):
    with pytest.raises(InputError) as refused:
        find_shape(name)
    assert str(refused.value) == (f"shape {name!r} must be one of {', '.join(SHAPES)}; {way_out}")
