"""Compensated rounding: each column's rounding error is made up for by the columns behind it.

The squared error of a layer's output, over calibration text, is what counts (Frantar et al. 2023,
"GPTQ", section 3). Two things are not in the paper. The inputs of that error are those that the
hardware multiplies, in blocks of few bits, and before anything is rounded the weights are moved to
those that serve these inputs best. And each group of each row has the scale, of all that the format
has, for which the error that it adds is the smallest.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import prange

from models.compiled import compiled
from models.errors import InputError
from models.formats import Block, Codes
from models.networks.parameters import NetworkParameters
from models.precision import Precision
from models.quantization.errors import narrowed
from models.quantization.inputs import each_matrix_input

DAMPING = 0.01
"""Of the mean of the moment's diagonal, added to it (GPTQ, section 3.3)."""

ROWS = 4096
"""That are rounded at a time: a large head in double precision would not fit beside the rest."""

CLIPPING = np.linspace(1.0, 0.5, 11)
"""Scales that are tried for a group: those next above these shares of what holds its largest."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Of a linear layer's inputs x as they are and as the hardware has them, y; float64.

    second  (channels, channels)  mean of y y^T
    cross   (channels, channels)  mean of x y^T
    """

    second: np.ndarray
    cross: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, block: Block) -> "Moments":
        """Of inputs float (..., channels) that are narrowed to `block`."""
        x = x.reshape(-1, x.shape[-1])
        y, count = narrowed(x, block), len(x)
        return cls((y.T @ y / count).astype(np.float64), (x.T @ y / count).astype(np.float64))


class Compensated:
    """A `models.quantization.rtn.RoundMatrix` for the network that it measures meanwhile.

    It is asked for every matrix once, in the order of the data: inputs are measured just before
    the weights behind them are rounded, and no others are in memory.
    """

    def __init__(self, moments: Iterator[tuple[str, Moments]]) -> None:
        self._moments = moments

    @classmethod
    def measure(
        cls, parameters: NetworkParameters, precision: Precision, tokens: np.ndarray
    ) -> "Compensated":
        """Run the float network over `tokens` int (sequences, time), each from an empty state."""
        block = precision.linear_input
        inputs = each_matrix_input(parameters, tokens)
        return cls((name, Moments.of(x, block)) for name, x, _ in inputs)

    def __call__(self, values: np.ndarray, precision: Precision, name: str) -> tuple[Codes, Codes]:
        at, moments = next(self._moments)
        if at != name:
            raise ValueError(f"the next matrix to round must be {at}, not {name}")
        return compensated(values, moments, precision, name)


def compensated(
    values: np.ndarray, moments: Moments, precision: Precision, name: str
) -> tuple[Codes, Codes]:
    """Codes and encoded scales of a matrix, as of `models.quantization.rtn.nearest`.

    Raises InputError for values that no scale reaches.
    """
    weight, scale = precision.weight, precision.scale
    second = moments.second + np.diag(np.full(len(moments.second), DAMPING * _mean(moments)))
    inverse, lost = np.linalg.inv(second), moments.cross - moments.second
    levels = scale.values(scale.encode(np.unique(scale.values(np.arange(1 << scale.code.width)))))
    # Rows of it are what an error in one column asks of those behind (GPTQ, equation 4).
    share = np.ascontiguousarray(np.linalg.cholesky(inverse).T)
    codes = np.empty(values.shape, np.min_scalar_type(weight.min_code))
    scales = np.empty((len(values), -(-values.shape[1] // precision.weight_group)))
    for start in range(0, len(values), ROWS):
        rows = slice(start, start + ROWS)
        best = values[rows] + values[rows].astype(np.float64) @ lost @ inverse
        if np.abs(best).max() > levels[-1] * weight.max_code:
            raise InputError(
                f"{name}: weights",
                f"must be at most {levels[-1] * weight.max_code:g} in magnitude, "
                f"not {np.abs(best).max():g}",
                "choose more precision.weight_bits or another precision.weight_scale",
            )
        codes[rows], scales[rows] = _round(
            np.ascontiguousarray(best), share, precision.weight_group, levels,
            CLIPPING, weight.min_code, weight.max_code,
        )  # fmt: skip
    return codes.astype(np.int64), scale.encode(scales)


def _mean(moments: Moments) -> float:
    return float(np.trace(moments.second) / len(moments.second)) or 1.0


@compiled(parallel=True)
def _round(
    values: np.ndarray,
    share: np.ndarray,
    group: int,
    levels: np.ndarray,
    clipping: np.ndarray,
    low: int,
    high: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Codes (rows, columns) and real scales (rows, groups), row by row on its own."""
    rows, columns = values.shape
    groups = (columns + group - 1) // group
    codes = np.zeros((rows, columns), np.int64)
    scales = np.zeros((rows, groups))
    for row in prange(rows):
        left = values[row].copy()
        for at in range(groups):
            start, end = at * group, min(columns, (at + 1) * group)
            largest = np.abs(left[start:end]).max()
            least, tried = np.inf, -1.0
            for clip in clipping:
                level = levels[min(np.searchsorted(levels, clip * largest / high), len(levels) - 1)]
                if level == tried:
                    continue
                tried = level
                trial, loss = left[start:end].copy(), 0.0
                for column in range(start, end):
                    value = trial[column - start]
                    code = min(max(np.floor(value / level + 0.5), low), high)
                    error = (value - code * level) / share[column, column]
                    loss += error * error
                    for behind in range(column + 1, end):
                        trial[behind - start] -= error * share[column, behind]
                if loss < least:
                    least, scales[row, at] = loss, level
            level = scales[row, at]
            for column in range(start, end):
                code = min(max(np.floor(left[column] / level + 0.5), low), high)
                codes[row, column] = int(code)
                error = (left[column] - code * level) / share[column, column]
                for behind in range(column + 1, columns):
                    left[behind] -= error * share[column, behind]
    return codes, scales
