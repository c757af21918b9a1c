"""The checks of kernels' arguments.

Of codes: those of `models.formats`, compiled for the case that every code fits. Same arguments,
results and messages; about a microsecond instead of several.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.compiled import compiled
from models.formats import Block, Codes, Fixed

INT64 = np.dtype(np.int64)


def require(fmt: Fixed, codes: ArrayLike, name: str) -> Codes:
    """`fmt.require(codes, name)`."""
    if isinstance(codes, np.ndarray) and _fits(codes, fmt.min_code, fmt.max_code):
        return codes
    return fmt.require(codes, name)


def require_block(
    block: Block, codes: ArrayLike, exponents: ArrayLike, name: str
) -> tuple[Codes, Codes]:
    """`block.require(codes, exponents, name)`."""
    top = 1 << block.bits - 1
    if (
        isinstance(codes, np.ndarray)
        and isinstance(exponents, np.ndarray)
        and _fits(codes, -top, top - 1)
        and _fits(exponents, 0, block.max_exponent)
        and codes.shape == (*exponents.shape[:-1], exponents.shape[-1] * block.group)
    ):
        return codes, exponents
    return block.require(codes, exponents, name)


def require_float32(array: object, shape: tuple[int | str, ...], name: str) -> NDArray[np.float32]:
    """Return `array` if it is a contiguous float32 array of that shape.

    shape     a number for each axis, or the word for one of any length

    Raises TypeError for another type, ValueError for another shape or another order in memory.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.float32:
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"{name} must be an array of float32, not {found}")
    axes = zip(shape, array.shape, strict=False)
    if array.ndim != len(shape) or any(isinstance(n, int) and n != m for n, m in axes):
        expected = f"({', '.join(str(length) for length in shape)}{',' * (len(shape) == 1)})"
        raise ValueError(f"{name} must have shape {expected}, not {array.shape}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} must be contiguous, not with strides {array.strides}")
    return array


def _fits(codes: np.ndarray, low: int, high: int) -> bool:
    return codes.dtype == INT64 and codes.ndim > 0 and _within(codes.reshape(-1), low, high)


@compiled()
def _within(codes: Codes, low: int, high: int) -> bool:
    widest, narrowest = low, low
    for code in codes:
        widest = max(widest, code)
        narrowest = min(narrowest, code)
    return narrowest >= low and widest <= high
