"""Operand codes for tests."""

import numpy as np


def codes(fmt, shape, seed):
    """Codes of `fmt`, small magnitudes as likely as large ones, with its extremes among them.

    Uniform codes would nearly always saturate a narrowing unit and so never exercise its rounding.
    """
    rng = np.random.default_rng(seed)
    uniform = rng.integers(fmt.min_code, fmt.max_code, shape, endpoint=True)
    drawn = uniform >> rng.integers(0, fmt.width, shape)
    extreme = rng.choice([fmt.min_code, fmt.max_code, 0], shape)
    return np.where(rng.random(shape) < 0.05, extreme, drawn)


def blocks(block, shape, seed):
    """Codes (..., channels) and exponents (..., channels / group) of `block`, likewise."""
    rng = np.random.default_rng(seed + 1000)
    groups = (*shape[:-1], shape[-1] // block.group)
    return codes(block.code, shape, seed), rng.integers(
        0, block.max_exponent, groups, endpoint=True
    )
