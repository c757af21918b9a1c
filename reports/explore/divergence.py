"""Divergence: how far each precision of a space takes a checkpoint from its float network."""

from dataclasses import asdict, replace
from hashlib import sha256

import numpy as np

from models.checkpoints.integers import tensors_hash
from models.formats import Codes
from models.networks import metrics
from models.networks.mamba2 import Network, compiled
from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import NetworkParameters
from models.precision import Precision
from models.quantization.calibration import calibration_windows
from models.quantization.recipes import find_recipe, precision_of, quantize_transformed
from models.quantization.recipes import transform_network as transform
from reports.explore.grid import Grid
from reports.explore.identity import digest
from reports.explore.plan import Plan
from reports.explore.space import AccuracyOf
from reports.explore.store import Store
from reports.inputs import Show, find_model, read_tokens

MEASURE = "divergence"


def with_divergences(plan: Plan, store: Store, show: Show) -> Plan:
    """The plan with the divergence of every precision, where an objective or a constraint asks.

    Raises InputError for a network that is no float checkpoint, and for a text that is too short.
    """
    wanted = {*plan.objectives, *(constraint.measure for constraint in plan.constraints)}
    if MEASURE not in wanted:
        return plan
    found = tuple(_of_grid(grid, plan.space.accuracy, store, show) for grid in plan.grids)
    return replace(plan, divergences=found)


def _of_grid(grid: Grid, how: AccuracyOf, store: Store, show: Show) -> tuple[float, ...]:
    parameters = find_model(grid.network)
    recipe = find_recipe(how.recipe).model_dump(mode="json")
    about = [asdict(parameters.shape), tensors_hash(parameters), recipe, *_texts(parameters, how)]
    found = []
    for precision in grid.precisions:
        key = digest([*about, precision.model_dump(mode="json")])
        if store.point(MEASURE, key) is None:
            bits = precision.weight_bits, precision.activation_bits, precision.scan_bits
            show(f"divergence of {grid.network} at bits of weights, inputs and scan: {bits}")
            store.add_point(MEASURE, key, divergence(parameters, precision, how))
        found.append(float(store.point(MEASURE, key)))
    return tuple(found)


def _texts(parameters: NetworkParameters, how: AccuracyOf) -> list[str]:
    """Hashes of the windows of held-out text, and of those that recipes are calibrated on."""
    vocab = parameters.shape.vocab
    texts = _held_out(vocab, how), np.array(calibration_windows(vocab))
    return [sha256(f"{text.shape}".encode() + text.tobytes()).hexdigest() for text in texts]


def _held_out(vocab: int, how: AccuracyOf) -> Codes:
    """Tokens (sequences, window)."""
    tokens = read_tokens(None, vocab, how.window * how.sequences)
    return tokens[: how.window * how.sequences].reshape(how.sequences, how.window)


def divergence(parameters: NetworkParameters, precision: Precision, how: AccuracyOf) -> float:
    """Mean Kullback-Leibler divergence from the float network, in nats for a token of held-out
    text, as `reports.accuracy` measures it.
    """
    vocab, recipe = parameters.shape.vocab, find_recipe(how.recipe)
    windows = _held_out(vocab, how)
    formats, calibration = precision_of(recipe, precision), calibration_windows(vocab)
    transformed = transform(recipe, parameters, formats, calibration)
    quantized = quantize_transformed(recipe, transformed, formats, calibration)
    logits = formats.stream.values(Network(quantized, compiled()).prefill(windows))
    exact = oracle.prefill(parameters, windows)
    return float(np.mean(metrics.kl_divergence(exact, logits)))
