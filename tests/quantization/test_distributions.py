"""Distributions of inputs: relative to their RMS, complete, and an outlier stands out."""

import numpy as np
import pytest

from models.quantization.distributions import CHANNELS, EDGES, Distribution, input_distributions
from tests.networks.examples import PLAIN, random_parameters

X = np.random.default_rng(0).normal(size=(2, 50, 100)).astype(np.float32)


def test_normal_values():
    found = Distribution.of(X)
    assert found.kurtosis == pytest.approx(3, rel=0.1)
    assert sum(found.shares) == pytest.approx(1)
    assert len(found.shares) == len(EDGES) - 1
    below = sum(found.shares[: int(np.flatnonzero(EDGES == 1)[0])])
    assert below == pytest.approx(0.6827, abs=0.02)


def test_the_largest_and_the_smallest_channel_are_told_of():
    found, rms = Distribution.of(X), np.sqrt(np.mean(X**2))
    reached = np.abs(X).max(axis=(0, 1)) / rms
    assert len(found.largest) == CHANNELS
    assert found.largest == sorted(found.largest, reverse=True)
    assert (found.largest[0], found.largest[-1]) == pytest.approx((reached.max(), reached.min()))
    assert Distribution.of(X[..., :5]).largest == pytest.approx(
        sorted(np.abs(X[..., :5]).max(axis=(0, 1)) / np.sqrt(np.mean(X[..., :5] ** 2)))[::-1]
    )


def test_units_do_not_matter():
    one, other = Distribution.of(X), Distribution.of(4 * X)
    assert one.shares == other.shares
    assert one.largest == pytest.approx(other.largest)


def test_an_outlier_stands_out():
    spiky = X.copy()
    spiky[..., 7] *= 30
    found = Distribution.of(spiky)
    assert found.kurtosis > 50
    assert found.largest[0] > 10 * found.largest[1]
    assert sum(found.shares) == pytest.approx(1)


def test_zeros_have_a_distribution():
    found = Distribution.of(np.zeros((4, 8), np.float32))
    assert (found.kurtosis, found.largest, sum(found.shares)) == (0, [0] * 8, 1)


def test_of_every_matrix_of_a_network():
    found = input_distributions(random_parameters(PLAIN), np.arange(12).reshape(2, 6))
    assert list(found) == [
        "layers.0.in_proj", "layers.0.out_proj", "layers.1.in_proj", "layers.1.out_proj", "head",
    ]  # fmt: skip
    assert [len(each.largest) for each in found.values()] == [32, 64, 32, 64, 32]
