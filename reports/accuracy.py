"""How well quantized networks predict text, against the float oracle, recipe by recipe."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from models.documents import check
from models.networks import metrics
from models.networks.mamba2 import Network, compiled
from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import NetworkParameters
from models.networks.shape import Mamba2Shape
from models.precision import NAMED, Precision, named_precision
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
    scan_bits: int | None = None  # None for floating point
    state_bytes: int | None = None  # of one sequence, in the scans of all layers
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
            f"{'':7}{'recipe':18}{'scan':>5}{'state, bytes':>14}{'nats/token':>12}"
            f"{'perplexity':>12}{'ratio':>9}{'KL, nats':>11}{'in_proj':>9}{'out_proj':>10}"
            f"{'tokens/s':>10}",
        ]
        for row in self.rows:
            scan = f"{row.scan_bits or '':>5}{row.state_bytes or '':>14}"
            lines.append(
                f"{row.precision:7}{row.recipe:18}{scan}{row.nats:12.4f}{row.perplexity:12.4f}"
                f"{row.ratio:9.4f}{row.kl:11.6f}{row.mean_error('in_proj'):9.2%}"
                f"{row.mean_error('out_proj'):10.2%}{row.tokens_per_second:10.0f}"
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
    scan_bits: Sequence[int] = (8,),
) -> AccuracyTable:
    """Accuracy of the checkpoint `model` on `text`, cut into sequences of `window` tokens.

    The checkpoint is stressed first when `strength` is not 0. The scan has each of `scan_bits` in
    turn, where the recipe names none. Recipes are calibrated on the bundled training topics. Raises
    InputError for a wrong checkpoint, recipe or precision, a text that is too short, or one outside
    of the vocabulary.
    """
    chosen = [find_recipe(name) for name in recipes]
    formats = {
        (name, bits): check(
            Precision, named_precision(name).model_dump() | {"scan_bits": bits},
            f"precision {name}", "precision", "choose other bits",
        )
        for name in precisions
        for bits in scan_bits
    }  # fmt: skip
    parameters = find_model(model)
    least = window * (sequences or 1)
    tokens = read_tokens(text, parameters.shape.vocab, least)
    count = sequences or len(tokens) // window
    cut = tokens[: count * window].reshape(count, window)
    calibration = calibration_windows(parameters.shape.vocab)
    if strength:
        parameters = stress(parameters, strength, calibration)
    named = [(name, precision) for (name, _), precision in formats.items()]
    rows = accuracies(parameters, cut, chosen, named, calibration)
    return AccuracyTable(count, window, strength, rows)


def accuracies(
    parameters: NetworkParameters,
    windows: np.ndarray,
    recipes: Sequence[Recipe],
    precisions: Sequence[tuple[str, Precision]],
    calibration: np.ndarray,
) -> list[Accuracy]:
    """The float oracle first, then each precision, with its name, by each recipe.

    windows, calibration  int (sequences, time)  tokens; each sequence starts from an empty state
    """
    start = time.monotonic()
    exact = oracle.prefill(parameters, windows)
    seconds, floor = time.monotonic() - start, metrics.nats_per_token(exact, windows)
    rows = [
        Accuracy("float", "", floor, metrics.perplexity(floor), 1.0, 0.0, windows.size / seconds)
    ]
    fewer = calibration[: max(1, ERROR_TOKENS // calibration.shape[1])]
    for name, precision in precisions:
        for recipe in recipes:
            formats = precision_of(recipe, precision)
            transformed = transform_network(recipe, parameters, formats, calibration)
            quantized = quantize_transformed(recipe, transformed, formats, calibration)
            network = Network(quantized, compiled())
            network.prefill(windows[:, :1])  # loads the kernels, whose compilation is not timed
            start = time.monotonic()
            logits = formats.stream.values(network.prefill(windows))
            seconds = time.monotonic() - start
            nats = metrics.nats_per_token(logits, windows)
            row = Accuracy(
                precision=name,
                recipe=recipe.name,
                nats=nats,
                perplexity=metrics.perplexity(nats),
                ratio=metrics.perplexity(nats - floor),
                kl=float(metrics.kl_divergence(exact, logits).mean()),
                tokens_per_second=windows.size / seconds,
                scan_bits=formats.scan_bits,
                state_bytes=_state_bytes(parameters.shape, formats),
                input_errors=input_errors(transformed, formats, fewer),
            )
            rows.append(row)
    return rows


def _state_bytes(shape: Mamba2Shape, precision: Precision) -> int:
    """Of the scans' states, with the exponents of their groups."""
    block = precision.scan_state
    elements = shape.layers * shape.inner * shape.state
    return elements * (block.bits * block.group + block.exponent.width) // block.group // 8
