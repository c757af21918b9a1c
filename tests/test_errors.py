"""A mistake of the user's is told in the same words wherever it was met."""

import pickle

import pytest

from models.errors import InputError, meant


def test_a_mistake_met_in_another_process_is_told_in_the_same_words():
    error = InputError("tiny.yaml: lanes", "must be a power of two, not 3", "use 2 or 4")
    told = pickle.loads(pickle.dumps(error))
    assert isinstance(told, InputError)
    assert str(told) == "tiny.yaml: lanes must be a power of two, not 3; use 2 or 4"


BOARDS = ["arty-a7-100t", "u280", "vck190"]


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("VCK-190", "did you mean vck190?"),
        ("arty", "did you mean arty-a7-100t?"),
        ("Arty", "did you mean arty-a7-100t?"),
        ("a7", "name one"),
        ("", "name one"),
        ("breadboard", "name one"),
    ],
)
def test_what_was_meant_is_near_or_begins_so(name, way_out):
    assert meant(name, iter(BOARDS), "name one") == way_out
