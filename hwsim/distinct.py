"""Combinations that many designs have in common, each found once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]


def distinct(columns: Sequence[NDArray[Any]]) -> tuple[Places, Places]:
    """A place of each combination of values of `columns`, and the combination of each place.

    The columns are of counts. Combinations are in order, the last column fastest.

    >>> first, which = distinct([np.array([8, 4, 8, 8]), np.array([1, 0, 0, 1])])
    >>> first.tolist(), which.tolist()
    ([1, 2, 3], [2, 0, 1, 2])
    """
    which, combinations = np.zeros(len(columns[0]), np.intp), 1
    for column in columns:
        rank, count = _ranked(column)
        which, combinations = which * count + rank, combinations * count
        if combinations > _few(which):
            which, combinations = _ranked(which)
    which, combinations = _ranked(which)
    place = np.empty(combinations, np.intp)
    place[which] = np.arange(len(which))
    return place, which


def _ranked(values: NDArray[Any]) -> tuple[Places, int]:
    """How many different values are smaller than each, and how many there are."""
    values = values.astype(np.intp)  # without gaps
    if values.max(initial=0) > _few(values):
        met, rank = np.unique(values, return_inverse=True)
        return rank, len(met)
    met = np.bincount(values) > 0
    return (np.cumsum(met) - 1)[values], int(np.count_nonzero(met))


def _few(values: NDArray[Any]) -> int:
    """The largest number for which an array that long is quicker than sorting."""
    return 8 * len(values) + (1 << 16)
