"""Weight images: a matrix as the words that a matvec unit reads, in the order of its beats."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.units.matvec import MatvecConfig, require_matrix

CHUNK = 1 << 20
"""Weights that are spread into bits at once, so that a large matrix needs little memory."""


def matrix_pass(rows: int, columns: int, config: MatvecConfig) -> tuple[int, int]:
    """What `i_pass` says of a pass over a matrix: beats of its vector, and its tiles."""
    return columns // config.lanes, -(-rows // config.rows)


def pack_matrix(
    weights: ArrayLike, scales: ArrayLike, bias: ArrayLike | None, config: MatvecConfig
) -> dict[str, list[int]]:
    """Words by port (`i_weights`, `i_scales` and, when `config` has biases, `i_bias`).

    Rows of zeros fill the last tile. A unit with biases gets zeros where `bias` is None.

    weights  int (rows, columns)        codes of `config.weight`
    scales   int (rows, weight groups)  encoded scales
    bias     int (rows,)                codes of `config.o`

    Raises ValueError when the columns are not whole beats, or for a bias that has no port.
    """
    weights, scales = np.asarray(weights), np.asarray(scales)
    rows, columns = weights.shape
    require_matrix(weights, scales, bias, columns, config)
    if columns % config.columns:
        raise ValueError(
            f"matvec matrix must have a multiple of columns = {config.columns} columns, "
            f"not {columns}; use fewer columns in parallel"
        )
    if bias is not None and not config.bias:
        raise ValueError(
            "matvec bias must be None for a unit without biases; configure it with bias=True"
        )
    config.weight.require(weights, "weights")
    words = {
        "i_weights": _pack_weights(weights, config),
        "i_scales": config.scale_beat.pack(scales=_tiles(scales, config).transpose(0, 2, 1)),
    }
    if config.bias:
        biases = np.zeros(rows, np.int64) if bias is None else np.asarray(bias)
        words["i_bias"] = config.bias_beat.pack(bias=_tiles(biases, config))
    return words


def _pack_weights(weights: NDArray[np.integer], config: MatvecConfig) -> list[int]:
    tiles = _tiles(weights, config)  # (tiles, rows, columns)
    beats = tiles.reshape(*tiles.shape[:2], -1, config.columns).transpose(0, 2, 1, 3)
    step = max(1, CHUNK // beats[0].size)
    words: list[int] = []
    for at in range(0, len(beats), step):
        words += config.weight_beat.pack(weights=beats[at : at + step])
    return words


def _tiles(array: NDArray[np.integer], config: MatvecConfig) -> NDArray[np.integer]:
    """`array` (rows, ...) as (tiles, config.rows, ...), filled up with zeros."""
    missing = -len(array) % config.rows
    filled = np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
    return filled.reshape(-1, config.rows, *array.shape[1:])
