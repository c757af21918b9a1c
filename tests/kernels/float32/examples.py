"""Arrays for tests of the float32 kernels."""

import numpy as np


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def difference(found, expected):
    """Largest difference, as a share of the largest number."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())
