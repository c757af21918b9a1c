"""Published shapes: their numbers of parameters, and what an unknown name is told."""

import pytest

from models.errors import InputError
from models.networks.shapes import (
    MAMBA1_SHAPES,
    MAMBA2_SHAPES,
    SHAPES,
    find_mamba2_shape,
    find_shape,
)

PARAMETERS = {
    "mamba-130m": 129_135_360,
    "mamba-370m": 371_516_416,
    "mamba-790m": 793_204_224,
    "mamba-1.4b": 1_372_178_432,
    "mamba-2.8b": 2_768_345_600,
    "mamba2-130m": 128_989_632,
    "mamba2-370m": 368_346_624,
    "mamba2-780m": 780_161_280,
    "mamba2-1.3b": 1_343_757_312,
    "mamba2-2.7b": 2_702_599_680,
}
"""Of the checkpoints that state-spaces published."""


def refusal(find, name):
    with pytest.raises(InputError) as refused:
        find(name)
    return str(refused.value)


def test_parameters_are_those_of_the_checkpoints():
    assert {name: shape.parameters for name, shape in SHAPES.items()} == PARAMETERS


def test_shapes_are_found_by_kind():
    assert all(find_shape(name) is shape for name, shape in SHAPES.items())
    assert all(find_mamba2_shape(name) is shape for name, shape in MAMBA2_SHAPES.items())


@pytest.mark.parametrize(
    ("find", "shapes", "name", "way_out"),
    [
        (find_shape, SHAPES, "mamba-2.7b", "did you mean mamba2-2.7b?"),
        (find_shape, SHAPES, "tiny", "give one of them"),
        (find_mamba2_shape, MAMBA2_SHAPES, "mamba2-2.8b", "did you mean mamba2-2.7b?"),
        (find_mamba2_shape, MAMBA2_SHAPES, "tiny", "give one of them"),
    ],
)
def test_names_a_shape_that_is_not_there(find, shapes, name, way_out):
    message = f"shape {name!r} must be one of {', '.join(shapes)}; {way_out}"
    assert refusal(find, name) == message


@pytest.mark.parametrize("name", MAMBA1_SHAPES)
def test_the_accelerator_takes_no_mamba_1(name):
    assert refusal(find_mamba2_shape, name) == (
        f"shape {name!r} must be a Mamba-2, which the accelerator takes, not a Mamba-1; "
        "`puffadder bench` takes Mamba-1"
    )
