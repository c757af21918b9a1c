"""Distinct combinations: each once, in order, and found again at every place."""

import numpy as np
import pytest

from hwsim.distinct import distinct


@pytest.mark.parametrize("largest", [2, 40, 10**6, 10**9])
def test_every_place_has_its_combination(largest):
    rng = np.random.default_rng(largest)
    columns = [rng.integers(0, high, 3000) for high in (largest, 3, largest, 2)]
    first, which = distinct(columns)
    rows = np.stack(columns, axis=1)
    expected, numbers = np.unique(rows, axis=0, return_inverse=True)
    assert np.array_equal(rows[first], expected)
    assert np.array_equal(which, numbers.ravel())


def test_nothing_has_no_combinations():
    first, which = distinct([np.zeros(0, np.int32)] * 2)
    assert len(first) == len(which) == 0
