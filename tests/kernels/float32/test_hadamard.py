"""The fast Hadamard transform is the unit's matrix, divided by its length."""

import numpy as np
import pytest

from models.kernels.float32.hadamard import hadamard
from models.units.hadamard import factors, transform
from tests.kernels.float32.examples import difference, normal

each_width = pytest.mark.parametrize("width", [1, 8, 20, 24, 72, 240, 768, 1536])


@each_width
def test_is_the_transform(width):
    _, base, points = factors(width)
    x = normal(3, width)
    expected = transform(x) / np.sqrt(base * points, dtype=np.float32)
    assert difference(hadamard(x), expected) < 2e-6


@each_width
def test_keeps_the_length(width):
    x = normal(3, width)
    lengths = [np.linalg.norm(rows, axis=-1) for rows in (hadamard(x), x)]
    np.testing.assert_allclose(*lengths, rtol=1e-5)
