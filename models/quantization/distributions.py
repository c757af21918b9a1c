"""How the inputs of linear layers are distributed: over channels, and over magnitudes."""

from dataclasses import dataclass

import numpy as np

from models.networks.parameters import NetworkParameters
from models.quantization.calibration import InputStatistics
from models.quantization.inputs import each_matrix_input

_LEAST, _MOST, _STEPS = -8, 6, 4
EDGES = 2.0 ** (np.arange(_LEAST * _STEPS, _MOST * _STEPS + 1) / _STEPS)
"""Of the bins of magnitudes, in RMS: a quarter of an octave wide."""

CHANNELS = 64
"""That are told of, at most."""


@dataclass(frozen=True)
class Distribution:
    """Of the input of one linear layer, relative to the RMS of all of it.

    kurtosis  as of `InputStatistics`: 3 for normal values
    largest   magnitude that each channel reaches, in falling order; where there are more than
              CHANNELS, of those evenly spread over the order, the first and the last included
    shares    of the magnitudes between EDGES; those beyond the ends are in the outermost bins
    """

    kurtosis: float
    largest: list[float]
    shares: list[float]

    @classmethod
    def of(cls, x: np.ndarray) -> "Distribution":
        """Of inputs float (..., channels)."""
        x = x.reshape(-1, x.shape[-1])
        statistics = InputStatistics.of(x, second=False)
        rms = max(float(np.sqrt(np.mean(x * x, dtype=np.float64))), np.finfo(np.float32).tiny)
        falling = np.sort(statistics.maximum)[::-1] / rms
        told = np.linspace(0, len(falling) - 1, min(CHANNELS, len(falling))).round().astype(int)
        counts, _ = np.histogram((np.abs(x) / rms).clip(EDGES[0], EDGES[-1]), EDGES)
        return cls(statistics.kurtosis, falling[told].tolist(), (counts / x.size).tolist())


def input_distributions(
    parameters: NetworkParameters, tokens: np.ndarray
) -> dict[str, Distribution]:
    """Of every linear layer, by its name, over `tokens` int (sequences, time)."""
    return {name: Distribution.of(x) for name, x, _ in each_matrix_input(parameters, tokens)}
