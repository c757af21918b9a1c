"""How well quantized networks predict text, against the float oracle, recipe by recipe."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codegen.files import fresh_folder, write_whole
from models.documents import check
from models.networks import metrics
from models.networks.mamba2 import Network, compiled
from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import NetworkParameters
from models.networks.quantized import QuantizedNetwork
from models.networks.shape import Mamba2Shape
from models.precision import NAMED, Precision, named_precision
from models.quantization.calibration import calibration_windows
from models.quantization.distributions import input_distributions
from models.quantization.errors import matrix_errors
from models.quantization.recipes import (
    Recipe,
    find_recipe,
    precision_of,
    quantize_transformed,
    transform_network,
)
from models.quantization.stress import stress
from reports.accuracy_table import Accuracy, AccuracyTable
from reports.inputs import find_model, read_tokens
from reports.page.accuracy import render
from reports.quantize import parts_of
from reports.tensors import SEQUENCES, TOKENS, tensor_ratios

ERROR_TOKENS = 4096
"""That errors and distributions of inputs are measured on, at most, in whole sequences."""
MATRICES = ("in_proj", "out_proj", "head")
RESULTS = ("accuracy.json", "accuracy.html")


def measure(
    model: str,
    text: Path | None,
    window: int,
    sequences: int | None,
    recipes: Sequence[str] = ("rtn",),
    precisions: Sequence[str] = tuple(NAMED),
    strength: float = 0.0,
    scan_bits: Sequence[int] = (8,),
    out: Path | None = None,
) -> AccuracyTable:
    """Accuracy of the checkpoint `model` on `text`, cut into sequences of `window` tokens.

    The checkpoint is stressed first when `strength` is not 0. The scan has each of `scan_bits` in
    turn, where the recipe names none. Recipes are calibrated on the bundled training topics. Into
    the folder `out`, made or reused, go `accuracy.html` and, last, `accuracy.json`, each whole or
    not at all. Raises InputError for a wrong checkpoint, recipe or precision, a text that is too
    short, or one outside of the vocabulary.
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
    if out is not None:
        fresh_folder(out, RESULTS)
    if strength:
        parameters = stress(parameters, strength, calibration)
    named = [(name, precision) for (name, _), precision in formats.items()]
    table = AccuracyTable(
        sequences=count,
        window=window,
        stress=strength,
        rows=accuracies(parameters, cut, chosen, named, calibration),
        model=model,
        error_tokens=_fewer(cut).size,
        tensor_tokens=cut[:SEQUENCES, :TOKENS].size,
        sources={recipe.name: recipe.source for recipe in chosen},
    )
    if out is not None:
        write_whole(out / "accuracy.html", render(table).encode())
        write_whole(out / "accuracy.json", table.to_json().encode())
    return table


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
        Accuracy(
            "float", "", floor, metrics.perplexity(floor), 1.0, 0.0, windows.size / seconds,
            inputs=input_distributions(parameters, _fewer(windows)),
        )
    ]  # fmt: skip
    for name, precision in precisions:
        for recipe in recipes:
            formats = precision_of(recipe, precision)
            transformed = transform_network(recipe, parameters, formats, calibration)
            quantized = quantize_transformed(recipe, transformed, formats, calibration)
            rows.append(_measured(name, recipe.name, transformed, quantized, windows, exact))
    return rows


def _measured(
    precision: str,
    recipe: str,
    parameters: NetworkParameters,
    quantized: QuantizedNetwork,
    windows: np.ndarray,
    exact: np.ndarray,
) -> Accuracy:
    """Of the integers `quantized` that were made of `parameters`; `exact` logits of the oracle."""
    network, formats = Network(quantized, compiled()), quantized.precision
    network.prefill(windows[:, :1])  # loads the kernels, whose compilation is not timed
    start = time.monotonic()
    logits = formats.stream.values(network.prefill(windows))
    seconds = time.monotonic() - start
    lost = _nats(logits, windows) - _nats(exact, windows)
    nats = metrics.nats_per_token(logits, windows)
    return Accuracy(
        precision=precision,
        recipe=recipe,
        nats=nats,
        perplexity=metrics.perplexity(nats),
        ratio=metrics.perplexity(float(lost.mean())),
        kl=float(metrics.kl_divergence(exact, logits).mean()),
        tokens_per_second=windows.size / seconds,
        scan_bits=formats.scan_bits,
        state_bytes=_state_bytes(quantized.shape, formats),
        lost=float(lost.mean()),
        lost_error=float(lost.std() / np.sqrt(lost.size)),
        bits_per_weight=_bits_per_weight(quantized),
        errors=matrix_errors(parameters, quantized, _fewer(windows)),
        tensors=tensor_ratios(parameters, network, windows),
        inputs=input_distributions(parameters, _fewer(windows)),
    )


def _nats(logits: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Of every token but the first of each sequence, (sequences, time - 1)."""
    return metrics.negative_log_likelihood(logits[..., :-1, :], windows[..., 1:])


def _fewer(windows: np.ndarray) -> np.ndarray:
    return windows[: max(1, ERROR_TOKENS // windows.shape[1])]


def _bits_per_weight(quantized: QuantizedNetwork) -> float:
    parts = [part for name, part in parts_of(quantized).items() if name in MATRICES]
    return sum(part.bits for part in parts) / sum(part.weights for part in parts)


def _state_bytes(shape: Mamba2Shape, precision: Precision) -> int:
    """Of the scans' states, with the exponents of their groups."""
    block = precision.scan_state
    elements = shape.layers * shape.inner * shape.state
    return elements * (block.bits * block.group + block.exponent.width) // block.group // 8
