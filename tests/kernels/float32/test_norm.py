"""RMS norms and the gate are the oracle's."""

import numpy as np
import pytest

from models.kernels.float32.norm import gate_into, gated_rms_norm, rms_norm
from models.networks.oracle import functions as oracle
from tests.kernels.float32.examples import difference, normal

each_count = pytest.mark.parametrize("tokens", [1, 5])


@each_count
def test_rms_norm(tokens):
    x, weight = normal(tokens, 50), normal(50)
    x[0] *= 1e-3  # where eps shows
    assert difference(rms_norm(x, weight, 1e-5)[0], oracle.rms_norm(x, weight, 1e-5)[0]) < 1e-6
    assert difference(rms_norm(x, weight, 1e-5), oracle.rms_norm(x, weight, 1e-5)) < 1e-6


@each_count
@pytest.mark.parametrize("groups", [1, 2, 5])
def test_gated_rms_norm(tokens, groups):
    y, z, weight = normal(tokens, 70), normal(tokens, 70, seed=1), normal(70)
    y[:, :14] *= 30  # so that each group has a mean square of its own
    found = gated_rms_norm(y, z, weight, 1e-5, groups)
    assert difference(found, oracle.gated_rms_norm(y, z, weight, 1e-5, groups)) < 1e-6


@each_count
def test_gate_takes_columns(tokens):
    y, z = normal(tokens, 20), normal(tokens, 33)
    expected = y * oracle.silu(z[:, 13:])
    gate_into(y, z, 13, y)
    assert difference(y, expected) < 1e-6


def test_groups_must_divide():
    y = normal(2, 6)
    with pytest.raises(ValueError, match=r"^groups must divide the 6 channels, not 4$"):
        gated_rms_norm(y, y, np.ones(6, np.float32), 1e-5, 4)
