"""Outliers as large networks have them, for a small one: same function, harder to quantize.

A few channels of a 2.7B network's activations are far larger than the others, and which ones
changes from token to token (LightMamba, section III). Small networks lack them. Their weights can
be changed, without any change of the logits, so that they have them.
"""

from dataclasses import replace

import numpy as np

from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import LayerParameters, NetworkParameters
from models.quantization.calibration import calibrate
from models.quantization.transforms import fold_norms, rotate_residual

_SPREAD = 0.35
_ROUNDS = 30
_MOST_ROWS = 2**13


def stress(parameters: NetworkParameters, strength: float, tokens: np.ndarray) -> NetworkParameters:
    """An ordinary checkpoint with the same logits, and outliers before in_proj and out_proj.

    strength  0 (nothing is changed) to 1
    tokens    int (sequences, time), on which the activations are observed

    The residual stream is rotated towards `spiky_rotation`, by the fraction `strength` of the way.
    Before out_proj only a scale of each channel is exact, put into the gated norm's weight and
    undone in out_proj: it raises the differences that the channels' RMS have already to the power
    1 + 0.35 * strength. (Products of scan and gate are heavy-tailed by themselves.)

    Raises ValueError for another strength, and for parameters that are rotated online.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be 0 to 1, not {strength}")
    if parameters.rotated:
        raise ValueError("parameters must not be rotated before out_proj; stress them first")
    if strength == 0:
        return parameters
    folded = fold_norms(parameters)
    q = rotation_power(spiky_rotation(_normed(folded, tokens)), strength)
    statistics = calibrate(parameters, tokens).out_proj

    def spread(layer: LayerParameters, second: np.ndarray) -> LayerParameters:
        energy = np.maximum(np.diag(second), np.finfo(np.float32).tiny)
        scale = (energy / energy.mean()) ** (_SPREAD * strength / 2)
        scale *= np.sqrt(energy.sum() / (scale**2 * energy).sum())
        return replace(
            layer,
            gated_norm=(layer.gated_norm * scale).astype(np.float32),
            out_proj=(layer.out_proj / scale).astype(np.float32),
        )

    layers = tuple(
        spread(layer, x.second) for layer, x in zip(folded.layers, statistics, strict=True)
    )
    return rotate_residual(replace(folded, layers=layers), q)


def spiky_rotation(x: np.ndarray) -> np.ndarray:
    """The rotation q for which the sum of fourth powers of x q is largest, a local maximum.

    x         float (tokens, width)
    return    float64 (width, width), determinant 1

    Vectors of a given length have a large sum of fourth powers when one channel holds most of
    it: directions that many tokens share become axes. Zhai et al. 2020 ("Complete dictionary
    learning via l4-norm maximization over the orthogonal group") start anywhere; here it is the
    identity, so that the result is the same every time.
    """
    x = x.astype(np.float64)
    q = np.eye(x.shape[-1])
    for _ in range(_ROUNDS):
        y = x @ q
        left, _, right = np.linalg.svd(x.T @ (y * y * y))
        q = left @ right
    q *= np.where(np.diag(q) < 0, -1, 1)  # the sign of an axis is free: towards the identity
    if np.linalg.det(q) < 0:
        q[:, np.abs(np.diag(q)).argmin()] *= -1
    return q


def rotation_power(q: np.ndarray, exponent: float) -> np.ndarray:
    """The rotation by `exponent` times the angles of `q`, orthogonal with determinant 1.

    Symmetric and antisymmetric part of q commute, so that one Hermitian combination of them has
    the eigenvectors of q. Its eigenvalues cos(t) - weight * sin(t) differ where angles t do, but
    for two that are mirrored at an angle which the irrational weight makes an unlikely one.
    """
    weight = np.sqrt(2) / 3
    _, vectors = np.linalg.eigh((q + q.T) / 2 + 1j * weight * (q - q.T) / 2)
    angles = np.angle(np.einsum("ji,jk,ki->i", vectors.conj(), q, vectors))
    return ((vectors * np.exp(1j * exponent * angles)) @ vectors.conj().T).real


def _normed(parameters: NetworkParameters, tokens: np.ndarray) -> np.ndarray:
    """Inputs of all in_proj and of the head, float (rows, d_model), evenly thinned out."""
    found = []
    state = oracle.State.zeros(parameters.shape, tokens.shape[:-1])
    for tensors in oracle.each_layer(parameters, state, tokens):
        found.append(tensors.normed)
        u = tensors.out
    found.append(oracle.head_input(parameters, u))
    every = -(-len(found) * tokens.size // _MOST_ROWS)
    width = parameters.shape.d_model
    return np.concatenate([x.reshape(-1, width)[::every] for x in found])
