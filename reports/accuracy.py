"""How well quantized networks predict text, against the float oracle."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.networks import metrics
from models.networks.mamba2 import Network, compiled
from models.networks.oracle import mamba2 as oracle
from models.networks.parameters import NetworkParameters
from models.precision import NAMED
from models.quantization.rtn import quantize_network
from reports.inputs import find_model, read_tokens


@dataclass(frozen=True)
class Accuracy:
    """Measured prediction of a text by one network."""

    precision: str
    nats: float  # for each token
    perplexity: float
    ratio: float  # perplexity over that of the float oracle
    kl: float  # mean Kullback-Leibler divergence from the oracle, nats
    tokens_per_second: float  # of the sequences side by side


@dataclass(frozen=True)
class AccuracyTable:
    """The float oracle and each named precision on the same sequences."""

    sequences: int
    window: int
    rows: list[Accuracy]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def to_text(self) -> str:
        head = (
            f"{'':8}{'nats/token':>12}{'perplexity':>12}{'ratio':>10}{'KL, nats':>12}"
            f"{'tokens/s':>12}"
        )
        lines = [f"measured on {self.sequences} sequences of {self.window} tokens", head]
        for row in self.rows:
            lines.append(
                f"{row.precision:8}{row.nats:12.4f}{row.perplexity:12.4f}{row.ratio:10.4f}"
                f"{row.kl:12.6f}{row.tokens_per_second:12.0f}"
            )
        return "\n".join(lines)


def measure(model: str, text: Path | None, window: int, sequences: int | None) -> AccuracyTable:
    """Accuracy of the checkpoint `model` on `text`, cut into sequences of `window` tokens.

    Raises InputError for a wrong checkpoint, a text that is too short, or one outside of the
    vocabulary.
    """
    parameters = find_model(model)
    least = window * (sequences or 1)
    tokens = read_tokens(text, parameters.shape.vocab, least)
    count = sequences or len(tokens) // window
    cut = tokens[: count * window].reshape(count, window)
    return AccuracyTable(count, window, accuracies(parameters, cut))


def accuracies(parameters: NetworkParameters, windows: np.ndarray) -> list[Accuracy]:
    """The float oracle first, then each named precision.

    windows  int (sequences, time)  tokens; each sequence starts from an empty state
    """
    start = time.monotonic()
    exact = oracle.prefill(parameters, windows)
    rows = [_accuracy("float", exact, exact, windows, time.monotonic() - start)]
    for name, precision in NAMED.items():
        network = Network(quantize_network(parameters, precision), compiled())
        network.prefill(windows[:, :1])  # loads the kernels, whose compilation is not timed
        start = time.monotonic()
        codes = network.prefill(windows)
        seconds = time.monotonic() - start
        rows.append(_accuracy(name, exact, precision.stream.values(codes), windows, seconds))
    return rows


def _accuracy(
    name: str, exact: np.ndarray, logits: np.ndarray, windows: np.ndarray, seconds: float
) -> Accuracy:
    nats = metrics.nats_per_token(logits, windows)
    floor = metrics.nats_per_token(exact, windows)
    return Accuracy(
        precision=name,
        nats=nats,
        perplexity=metrics.perplexity(nats),
        ratio=metrics.perplexity(nats - floor),
        kl=float(metrics.kl_divergence(exact, logits).mean()),
        tokens_per_second=windows.size / seconds,
    )
