"""A mistake of the user's is told in the same words wherever it was met."""

import pickle

from models.errors import InputError


def test_a_mistake_met_in_another_process_is_told_in_the_same_words():
    error = InputError("tiny.yaml: lanes", "must be a power of two, not 3", "use 2 or 4")
    told = pickle.loads(pickle.dumps(error))
    assert isinstance(told, InputError)
    assert str(told) == "tiny.yaml: lanes must be a power of two, not 3; use 2 or 4"
