"""What the linear layers' inputs look like on a text, measured in the float oracle.

calibration = calibrate(parameters, calibration_windows(parameters.shape.vocab))
"""

from dataclasses import dataclass

import numpy as np

from models.checkpoints.corpus import training_text
from models.errors import InputError
from models.networks import metrics
from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import NetworkParameters
from models.quantization.inputs import each_layer_inputs

LENGTH = 512
COUNT = 16


@dataclass(frozen=True, eq=False)
class InputStatistics:
    """Statistics of the input of one linear layer over all tokens, float64.

    tokens     how many were read
    maximum    (channels,)            largest magnitude
    mean       (channels,)
    second     (channels, channels)   mean of x x^T: half the Hessian of the squared error of a
               row; (0, 0) when it was not asked for
    kurtosis   mean of x^4 over the square of the mean of x^2, over all tokens and channels: 3 for
               normal values, the number of channels when only one is not zero
    moving     fraction of the tokens whose largest channel is not the most frequent one
    """

    tokens: int
    maximum: np.ndarray
    mean: np.ndarray
    second: np.ndarray
    kurtosis: float
    moving: float

    @classmethod
    def of(cls, x: np.ndarray, second: bool = True) -> "InputStatistics":
        """Of inputs float (..., channels), with or without their second moments."""
        x = x.reshape(-1, x.shape[-1]).astype(np.float64)
        magnitude, square = np.abs(x), x * x
        largest = np.bincount(magnitude.argmax(axis=-1))
        return cls(
            tokens=len(x),
            maximum=magnitude.max(axis=0),
            mean=x.mean(axis=0),
            second=x.T @ x / len(x) if second else np.empty((0, 0)),
            kurtosis=float(
                (square * square).mean() / max(square.mean() ** 2, np.finfo(float).tiny)
            ),
            moving=float(1 - largest.max() / len(x)),
        )

    @property
    def covariance(self) -> np.ndarray:
        """About the mean, (channels, channels)."""
        return self.second - np.outer(self.mean, self.mean)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Statistics of the inputs of every in_proj and out_proj, by layer, and of the head."""

    in_proj: tuple[InputStatistics, ...]
    out_proj: tuple[InputStatistics, ...]
    head: InputStatistics

    @property
    def residual(self) -> np.ndarray:
        """Mean covariance of what follows the norms of the residual stream: the inputs of
        in_proj of every layer and of the head, each with equal weight, (d_model, d_model)."""
        return np.mean([x.covariance for x in (*self.in_proj, self.head)], axis=0)


def calibrate(
    parameters: NetworkParameters, tokens: np.ndarray, second: bool = True
) -> Calibration:
    """Run the float network over `tokens` int (sequences, time), each from an empty state.

    A layer's statistics are taken before the next layer runs, so that the tensors of one layer
    are in memory at a time. Second moments, the largest part of the statistics, can be left out.
    """
    in_proj, out_proj = [], []
    for tensors in each_layer_inputs(parameters, tokens):
        in_proj.append(InputStatistics.of(tensors.normed, second))
        out_proj.append(InputStatistics.of(tensors.gated, second))
        u = tensors.out
    head = InputStatistics.of(oracle.head_input(parameters, u), second)
    return Calibration(tuple(in_proj), tuple(out_proj), head)


def residual_covariance(parameters: NetworkParameters, tokens: np.ndarray) -> np.ndarray:
    """`Calibration.residual` alone, with one layer's covariance in memory at a time."""
    width = parameters.shape.d_model
    total = np.zeros((width, width))
    for tensors in each_layer_inputs(parameters, tokens):
        total += InputStatistics.of(tensors.normed).covariance
        u = tensors.out
    total += InputStatistics.of(oracle.head_input(parameters, u)).covariance
    return total / (parameters.shape.layers + 1)


def calibration_windows(
    vocab: int,
    text: bytes | None = None,
    length: int = LENGTH,
    count: int = COUNT,
    name: str = "calibration text",
) -> np.ndarray:
    """Sequences to calibrate on, int64 (sequences, length): at most `count`, evenly spread.

    text    bytes that are tokens; the bundled training topics when there is none, so that no
            figure is measured on text that was calibrated on
    name    of that text in messages

    Raises InputError for a text shorter than a window, or with a byte outside the vocabulary.
    """
    name = "bundled training text" if text is None else name
    text = training_text() if text is None else text
    whole = metrics.windows(text, length)
    if not len(whole):
        raise InputError(
            name, f"must have at least the {length} bytes of a window, not {len(text)}",
            "give a longer text, or ask for shorter windows",
        )  # fmt: skip
    chosen = whole[np.linspace(0, len(whole) - 1, min(count, len(whole))).round().astype(int)]
    outside = chosen[chosen >= vocab]
    if len(outside):
        raise InputError(
            f"{name}: bytes", f"must be below the vocabulary's {vocab}, not {outside[0]}",
            "give a text that the network's tokens can spell",
        )  # fmt: skip
    return chosen
