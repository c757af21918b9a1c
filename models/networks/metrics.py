"""How well logits predict a text, and how far two sets of logits are apart."""

import numpy as np


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax over the last axis, float64 (..., vocab)."""
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def negative_log_likelihood(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Nats that each of `targets` costs under its logits.

    logits     float (..., vocab)
    targets    int (...)
    return     float64 (...)
    """
    targets = np.asarray(targets)
    return -np.take_along_axis(log_probabilities(logits), targets[..., None], axis=-1)[..., 0]


def nats_per_token(logits: np.ndarray, tokens: np.ndarray) -> float:
    """Mean nats for every token but the first of each sequence; of bytes, nats/byte.

    logits    float (..., time, vocab)  of `tokens`; those at the last place predict nothing here
    tokens    int (..., time)           at least two of them

    >>> round(nats_per_token(np.zeros((3, 2)), np.array([0, 1, 1])), 4)
    0.6931
    """
    tokens = np.asarray(tokens)
    return float(negative_log_likelihood(logits[..., :-1, :], tokens[..., 1:]).mean())


def perplexity(nats: float) -> float:
    """`exp` of mean nats: how many equally likely tokens it amounts to."""
    return float(np.exp(nats))


def kl_divergence(logits: np.ndarray, approximation: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of the approximated distribution from the true one, in nats.

    logits, approximation    float (..., vocab)
    return                   float64 (...)  zero where the distributions are equal
    """
    true, other = log_probabilities(logits), log_probabilities(approximation)
    return (np.exp(true) * (true - other)).sum(axis=-1)


def windows(text: bytes, length: int) -> np.ndarray:
    """Bytes of `text` as rows of equal length, one after the other; the rest is left out.

    return    int64 (len(text) // length, length)

    >>> windows(b"abcdefg", 3).tolist()
    [[97, 98, 99], [100, 101, 102]]
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64)
    return codes[: len(codes) // length * length].reshape(-1, length)
