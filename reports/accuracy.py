"""How well quantized networks predict text, against the float oracle, recipe by recipe."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from models.networks import metrics
from models.networks.mamba2 import Network, compiled
from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import NetworkParameters
from models.precision import NAMED, named_precision
from models.quantization.calibration import calibration_windows
from models.quantization.errors import input_errors
from models.quantization.recipes import (
    Recipe,
    find_recipe,
    precision_of,
    quantize_transformed,
    transform_network,
)
from models.quantization.stress import stress
from reports.inputs import find_model, read_tokens

ERROR_TOKENS = 4096
"""Of the calibration text, that the errors of inputs are measured on."""


@dataclass(frozen=True)
class Accuracy:
    """Measured prediction of a text by one network."""

    precision: str
    recipe: str
    nats: float  # for each token
    perplexity: float
    ratio: float  # perplexity over that of the float oracle
    kl: float  # mean Kullback-Leibler divergence from the oracle, nats
    tokens_per_second: float  # of the sequences side by side
    input_errors: dict[str, float] = field(default_factory=dict)
    """As of `models.quantization.errors.input_errors`, on calibration text."""

    def mean_error(self, matrix: str) -> float:
        """Of all layers' `matrix`; 0 where nothing is narrowed."""
        errors = [error for name, error in self.input_errors.items() if name.endswith(matrix)]
        return float(np.mean(errors)) if errors else 0.0


@dataclass(frozen=True)
class AccuracyTable:
    """The float oracle, and each precision by each recipe, on the same sequences."""

    sequences: int
    window: int
    stress: float
    rows: list[Accuracy]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def to_text(self) -> str:
        stressed = f", of a network stressed by {self.stress:g}" if self.stress else ""
        lines = [
            f"measured on {self.sequences} sequences of {self.window} tokens{stressed}",
            f"{'':7}{'recipe':18}{'nats/token':>10}{'perplexity':>12}{'ratio':>9}{'KL, nats':>11}"
            f"{'in_proj':>9}{'out_proj':>9}{'tokens/s':>10}",
        ]
        for row in self.rows:
            errors = "".join(f"{row.mean_error(each):9.2%}" for each in ("in_proj", "out_proj"))
            lines.append(
                f"{row.precision:7}{row.recipe:18}{row.nats:10.4f}{row.perplexity:12.4f}"
                f"{row.ratio:9.4f}{row.kl:11.6f}{errors}{row.tokens_per_second:10.0f}"
            )
        return "\n".join(lines)


def measure(
    model: str,
    text: Path | None,
    window: int,
    sequences: int | None,
    recipes: Sequence[str] = ("rtn",),
    precisions: Sequence[str] = tuple(NAMED),
    strength: float = 0.0,
) -> AccuracyTable:
    """Accuracy of the checkpoint `model` on `text`, cut into sequences of `window` tokens.

    The checkpoint is stressed first when `strength` is not 0. Recipes are calibrated on the bundled
    training topics. Raises InputError for a wrong checkpoint, recipe or precision, a text that is
    too short, or one outside of the vocabulary.
    """
    chosen = [find_recipe(name) for name in recipes]
    for name in precisions:
        named_precision(name)
    parameters = find_model(model)
    least = window * (sequences or 1)
    tokens = read_tokens(text, parameters.shape.vocab, least)
    count = sequences or len(tokens) // window
    cut = tokens[: count * window].reshape(count, window)
    calibration = calibration_windows(parameters.shape.vocab)
    if strength:
        parameters = stress(parameters, strength, calibration)
    rows = accuracies(parameters, cut, chosen, precisions, calibration)
    return AccuracyTable(count, window, strength, rows)


def accuracies(
    parameters: NetworkParameters,
    windows: np.ndarray,
    recipes: Sequence[Recipe],
    precisions: Sequence[str],
    calibration: np.ndarray,
) -> list[Accuracy]:
    """The float oracle first, then each named precision by each recipe.

    windows, calibration  int (sequences, time)  tokens; each sequence starts from an empty state
    """
    start = time.monotonic()
    exact = oracle.prefill(parameters, windows)
    rows = [_accuracy(("float", ""), exact, exact, windows, time.monotonic() - start)]
    fewer = calibration[: max(1, ERROR_TOKENS // calibration.shape[1])]
    for name in precisions:
        for recipe in recipes:
            formats = precision_of(recipe, named_precision(name))
            transformed = transform_network(recipe, parameters, formats, calibration)
            quantized = quantize_transformed(recipe, transformed, formats, calibration)
            network = Network(quantized, compiled())
            network.prefill(windows[:, :1])  # loads the kernels, whose compilation is not timed
            start = time.monotonic()
            codes = network.prefill(windows)
            seconds = time.monotonic() - start
            logits = formats.stream.values(codes)
            errors = input_errors(transformed, formats, fewer)
            rows.append(_accuracy((name, recipe.name), exact, logits, windows, seconds, errors))
    return rows


def _accuracy(
    names: tuple[str, str],
    exact: np.ndarray,
    logits: np.ndarray,
    windows: np.ndarray,
    seconds: float,
    errors: dict[str, float] | None = None,
) -> Accuracy:
    nats = metrics.nats_per_token(logits, windows)
    floor = metrics.nats_per_token(exact, windows)
    return Accuracy(
        precision=names[0],
        recipe=names[1],
        nats=nats,
        perplexity=metrics.perplexity(nats),
        ratio=metrics.perplexity(nats - floor),
        kl=float(metrics.kl_divergence(exact, logits).mean()),
        tokens_per_second=windows.size / seconds,
        input_errors=errors or {},
    )
