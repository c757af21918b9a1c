"""Are the accuracy figures what their names say?"""

import numpy as np
import pytest

from models.networks.metrics import (
    kl_divergence,
    log_probabilities,
    nats_per_token,
    negative_log_likelihood,
    perplexity,
    windows,
)


def test_probabilities_sum_to_one_whatever_the_logits():
    logits = np.array([[0, 1, 2], [1e4, -1e4, 0], [-1e30, -1e30, -1e30]], np.float32)
    assert np.exp(log_probabilities(logits)).sum(axis=-1) == pytest.approx([1, 1, 1])


def test_a_coin_costs_the_logarithm_of_two():
    tokens = np.array([[0, 1, 1], [1, 0, 1]])
    logits = np.zeros((2, 3, 2), np.float32)
    assert nats_per_token(logits, tokens) == pytest.approx(np.log(2))
    assert perplexity(nats_per_token(logits, tokens)) == pytest.approx(2)


def test_logits_are_matched_with_the_token_that_follows():
    logits = np.full((3, 4), -50.0)
    logits[0, 2] = logits[1, 1] = 50
    assert nats_per_token(logits, np.array([0, 2, 1])) == pytest.approx(0)
    assert negative_log_likelihood(logits[:2], np.array([2, 0])) == pytest.approx([0, 100])


def test_divergence_is_zero_between_equals_and_positive_otherwise():
    rng = np.random.default_rng(0)
    logits, other = rng.normal(size=(2, 5, 7))
    assert kl_divergence(logits, logits + 3) == pytest.approx(np.zeros(5), abs=1e-12)
    p, q = np.exp(log_probabilities(logits)), np.exp(log_probabilities(other))
    assert kl_divergence(logits, other) == pytest.approx((p * np.log(p / q)).sum(-1))
    assert (kl_divergence(logits, other) > 0).all()


def test_windows_leave_out_the_rest():
    assert windows(bytes(range(250, 256)), 4).tolist() == [[250, 251, 252, 253]]
    assert windows(b"abc", 4).shape == (0, 4)
