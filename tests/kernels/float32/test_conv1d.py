"""The convolution is a sum over its taps, however the tokens are divided."""

import numpy as np
import pytest

from models.kernels.float32.conv1d import conv1d
from models.networks.oracle.functions import silu
from tests.kernels.float32.examples import difference, normal

CHANNELS = 21


def expected(x, history, weight, bias):
    inputs = np.concatenate([history, x])
    out = sum(inputs[tap : tap + len(x)] * weight[tap] for tap in range(len(weight)))
    return silu(out if bias is None else out + bias)


@pytest.mark.parametrize("taps", [1, 2, 4])
@pytest.mark.parametrize("with_bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize("parts", [[9], [1] * 9, [1, 2, 6]], ids=["whole", "steps", "parts"])
def test_is_a_sum_over_taps(taps, with_bias, parts):
    x, history, weight = normal(9, CHANNELS), normal(taps - 1, CHANNELS), normal(taps, CHANNELS)
    bias = normal(CHANNELS) if with_bias else None
    outputs, after, start = [], history, 0
    for count in parts:
        out, after = conv1d(x[start : start + count], after, weight, bias)
        outputs.append(out)
        start += count
    assert difference(np.concatenate(outputs), expected(x, history, weight, bias)) < 1e-6
    np.testing.assert_array_equal(after, np.concatenate([history, x])[len(x) :])


def test_the_history_is_of_the_taps():
    with pytest.raises(ValueError, match=r"^history must have shape \(3, 21\), not \(4, 21\)$"):
        conv1d(normal(2, CHANNELS), normal(4, CHANNELS), normal(4, CHANNELS))
