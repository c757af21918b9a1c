"""Matrix times vector and matrix times matrix are the oracle's, for every remainder of a tile."""

import numpy as np
import pytest

from models.kernels.float32.matmul import DEPTH, matmul
from models.kernels.float32.matvec import BLOCK, matvec
from models.kernels.float32.tiles import COLUMNS, LANES, ROWS, add_product, turn
from models.networks.oracle.functions import linear
from tests.kernels.float32.examples import difference, normal

each_bias = pytest.mark.parametrize("with_bias", [False, True], ids=["plain", "bias"])


@each_bias
@pytest.mark.parametrize("rows", [1, BLOCK, 2 * BLOCK + 5])
@pytest.mark.parametrize("columns", [1, 17, 130])
def test_matvec(rows, columns, with_bias):
    weight, x = normal(rows, columns), normal(columns)
    bias = normal(rows, seed=1) if with_bias else None
    assert difference(matvec(weight, x, bias), linear(x, weight, bias)) < 1e-6


@each_bias
@pytest.mark.parametrize("tokens", [1, 2, ROWS, 2 * ROWS + ROWS // 3 + 1])
@pytest.mark.parametrize("rows", [1, COLUMNS, 2 * COLUMNS + 3])
@pytest.mark.parametrize("columns", [1, LANES + 1, DEPTH + 4])
def test_matmul(tokens, rows, columns, with_bias):
    x, weight = normal(tokens, columns), normal(rows, columns)
    bias = normal(rows, seed=1) if with_bias else None
    assert difference(matmul(x, weight, bias), linear(x, weight, bias)) < 2e-6


@pytest.mark.parametrize("keep", [0, 1])
def test_tiles_take_any_strides(keep):
    """As the scan uses them: a transposed factor, columns of wider arrays."""
    a, b = normal(40, 2 * ROWS + 1)[3:35].T, normal(32, COLUMNS + 8)[:, 8:]
    out = normal(len(a), COLUMNS + 5)
    before, part = out.copy(), out[:, 5:]
    add_product(part, a, b, keep)
    assert difference(part, a @ b + keep * before[:, 5:]) < 1e-6
    np.testing.assert_array_equal(out[:, :5], before[:, :5])


def test_sum_of_nothing():
    nothing = np.empty((ROWS, 0), np.float32)
    out = normal(ROWS, COLUMNS)
    add_product(out, nothing, np.empty((0, COLUMNS), np.float32), 0)
    assert not out.any()


@pytest.mark.parametrize("rows", [5, COLUMNS])
@pytest.mark.parametrize("columns", [3, LANES, 2 * LANES + 3])
def test_turn_pads_with_zeros(rows, columns):
    weight = normal(rows, columns + 2)[:, 1:-1]
    turned = turn(weight)
    np.testing.assert_array_equal(turned[:, :rows], weight.T)
    assert turned.shape == (columns, COLUMNS)
    assert not turned[:, rows:].any()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            (np.ones((3, 4)), normal(4)),
            TypeError,
            "weight must be an array of float32, not float64",
        ),
        (([[1.0]], normal(4)), TypeError, "weight must be an array of float32, not list"),
        ((normal(4), normal(4)), ValueError, "weight must have shape (rows, columns), not (4,)"),
        ((normal(3, 4), normal(5)), ValueError, "x must have shape (4,), not (5,)"),
        ((normal(3, 4), normal(4), normal(4)), ValueError, "bias must have shape (3,), not (4,)"),
        (
            (normal(4, 3).T, normal(4)),
            ValueError,
            "weight must be contiguous, not with strides (4, 12)",
        ),
    ],
)
def test_wrong_arrays_are_refused(arguments, kind, message):
    with pytest.raises(kind, match="must") as refused:
        matvec(*arguments)
    assert str(refused.value) == message
