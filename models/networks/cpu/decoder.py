"""What the decoders of all networks share: the ends of the network, and tokens in portions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.kernels.float32.matvec import NO_BIAS, matvec_into
from models.kernels.float32.norm import rms_norm_into
from models.networks.oracle.ends import embed

Array = NDArray[np.float32]

TOKENS = 512
"""Tokens that prefill takes through all layers at a time; more would need more memory."""


class Decoder(ABC):
    """One sequence's state, and the kernels that carry it on; matrices are not copied.

    weight_bytes      of the network's weights
    bytes_per_token   read and written by `decode`: weights, a row of the embedding, and the state
    macs_per_token    multiplications with an addition in `decode`, of products and scan
    """

    def __init__(self, parameters: Any, layers: Sequence[Any]) -> None:
        """`layers` have the arrays `conv` and `ssm`, the state; the rest is for `_advance`."""
        self.parameters = parameters
        self._layers = layers
        shape = parameters.shape
        table = shape.vocab * shape.d_model
        read = shape.parameters - (0 if shape.tied else table) + shape.d_model
        state = sum(layer.conv.size + layer.ssm.size for layer in layers)
        self.weight_bytes: int = 4 * shape.parameters
        self.bytes_per_token: int = 4 * (read + 2 * state)
        self.macs_per_token: int = shape.macs_per_token

    @abstractmethod
    def _advance(self, u: Array, layer: Any) -> None:
        """Takes tokens through a layer, in place: u (tokens, d_model)."""

    def start(self) -> None:
        """Forgets all tokens."""
        for layer in self._layers:
            layer.conv.fill(0)
            layer.ssm.fill(0)

    def decode(self, token: int) -> Array:
        """Logits (vocab,) for the token that follows `token`."""
        return self.prefill(np.array([token]))

    def prefill(self, tokens: np.ndarray) -> Array:
        """Logits (vocab,) for the token that follows the last of `tokens`, int (time,)."""
        tokens = np.asarray(tokens)
        if tokens.ndim != 1 or not tokens.size:
            raise ValueError(f"tokens must have shape (time,), time >= 1, not {tokens.shape}")
        for start in range(0, len(tokens), TOKENS):
            u = embed(self.parameters, tokens[start : start + TOKENS])
            for layer in self._layers:
                self._advance(u, layer)
        return self._logits(u[-1:])

    def _logits(self, u: Array) -> Array:
        parameters = self.parameters
        normed, out = np.empty_like(u), np.empty(parameters.shape.vocab, np.float32)
        eps = np.float32(parameters.shape.norm_eps)
        rms_norm_into(u, parameters.final_norm, eps, normed)
        matvec_into(parameters.head, normed[0], NO_BIAS, out)
        return out


def or_empty(bias: Array | None) -> Array:
    """The bias, or what stands for none in the kernels."""
    return NO_BIAS if bias is None else bias
