"""The front is what comparing every point with every other leaves."""

import numpy as np
import pytest

from hwsim.front import front


def compared(costs):
    """By the definition, one pair after the other."""
    found = []
    for at, point in enumerate(costs):
        as_good = (costs <= point).all(axis=1)
        better = as_good & (costs < point).any(axis=1)
        found.append(not better.any() and not as_good[:at].any())
    return found


@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
@pytest.mark.parametrize("values", [3, 1000])
def test_front_is_that_of_the_definition(objectives, values):
    costs = np.random.default_rng(objectives).integers(0, values, (400, objectives)) * 1.0
    assert front(costs).tolist() == compared(costs)


def test_no_points_have_no_front():
    assert front(np.empty((0, 2))).tolist() == []
