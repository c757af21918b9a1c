"""Orthogonal matrices to rotate the residual stream with.

All are float64 (width, width) and act from the right: a vector x becomes x q.
"""

import numpy as np

from models.units.hadamard import factors, transform


def hadamard_rotation(width: int) -> np.ndarray:
    """The transform of the Hadamard unit as an orthogonal matrix.

    Block-diagonal where no transform of the whole width exists.
    """
    _, base, points = factors(width)
    return transform(np.eye(width)) / np.sqrt(base * points)


def klt_rotation(covariance: np.ndarray) -> np.ndarray:
    """Eigenvectors of `covariance`, then Hadamard: all channels get the same variance.

    covariance    symmetric (width, width), not necessarily positive

    Each channel of the result is a sum of all principal components with weights +-1/sqrt(width),
    so its variance is the mean of the eigenvalues (MambaQuant, arXiv 2501.13484, "KLT-enhanced
    rotation"). Where the transform is block-diagonal, a channel sees the components of its block
    only; rotations of two channels at a time then level what differs between the blocks.
    """
    width = len(covariance)
    _, components = np.linalg.eigh(covariance)
    blocks = factors(width)[0]
    dealt = np.arange(width).reshape(-1, blocks).T.ravel()  # large and small to every block
    q = components[:, dealt] @ hadamard_rotation(width)
    return q if blocks == 1 else q @ _levelling(q.T @ covariance @ q)


def _levelling(covariance: np.ndarray) -> np.ndarray:
    """An orthogonal matrix after which all variances are equal.

    One channel at a time is turned, together with the one furthest on the other side of the mean,
    until it has the mean variance (the proof of the Schur-Horn theorem for a constant diagonal).
    """
    width = len(covariance)
    q, mean = np.eye(width), np.trace(covariance) / width
    left = list(range(width))
    while len(left) > 1:
        variance = np.diag(q.T @ covariance @ q)
        low = min(left, key=lambda at: variance[at])
        high = max(left, key=lambda at: variance[at])
        if low == high:
            break
        pair = [low, high]
        q[:, pair] = q[:, pair] @ _to_mean(q[:, pair].T @ covariance @ q[:, pair], mean)
        left.remove(low)
    return q


def _to_mean(covariance: np.ndarray, mean: float) -> np.ndarray:
    """A rotation (2, 2) that gives the first channel the variance `mean`, between those of both.

    With c, s of an angle, the variance of c x + s y is a c^2 + 2 b c s + d s^2; that it is the
    mean is a quadratic equation for the tangent.
    """
    (a, b), (_, d) = covariance - mean * np.eye(2)
    if d == 0 or a == 0:
        return np.eye(2) if a == 0 else np.array([[0.0, 1.0], [1.0, 0.0]])
    tangent = (-b + np.copysign(np.sqrt(max(b * b - a * d, 0)), -b)) / d
    c = 1 / np.hypot(1, tangent)
    return c * np.array([[1, -tangent], [tangent, 1]])
