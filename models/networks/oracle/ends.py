"""The two ends of a network in float32: the embedding, and the final norm with the head."""

import numpy as np

from models.networks.oracle.functions import linear, rms_norm
from models.networks.parameters import Parameters


def embed(parameters: Parameters, tokens: np.ndarray) -> np.ndarray:
    """Rows of the embedding: float32 (..., d_model) of int `tokens` (...), each 0 to vocab - 1."""
    tokens = np.asarray(tokens)
    if tokens.dtype.kind not in "iu":
        raise TypeError(f"tokens must be integers, not {tokens.dtype}")
    vocab = parameters.shape.vocab
    if tokens.size and (tokens.min() < 0 or tokens.max() >= vocab):
        outside = tokens[(tokens < 0) | (tokens >= vocab)].flat[0]
        raise ValueError(f"tokens must be 0 to {vocab - 1}, not {outside}")
    return parameters.embedding[tokens]


def head(parameters: Parameters, u: np.ndarray) -> np.ndarray:
    """Final norm and head: logits float32 (..., vocab) of the residual stream (..., d_model)."""
    return linear(head_input(parameters, u), parameters.head)


def head_input(parameters: Parameters, u: np.ndarray) -> np.ndarray:
    """Final norm: input of the head, float32 (..., d_model), of the residual stream."""
    return rms_norm(u, parameters.final_norm, parameters.shape.norm_eps)
