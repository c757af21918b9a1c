"""Certificates of a network's scans, layer by layer: how far rounding can have moved a state."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from models.networks.mamba2 import Network, compiled
from models.precision import named_precision
from models.quantization.calibration import calibration_windows
from models.quantization.certificates import Certificate, certify
from models.quantization.recipes import apply, find_recipe
from reports.inputs import find_model, read_tokens


@dataclass(frozen=True)
class Certificates:
    """Of every layer, after `tokens` tokens."""

    recipe: str
    precision: str
    tokens: int
    layers: list[Certificate]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def to_text(self) -> str:
        lines = [
            f"{self.recipe}, {self.precision}: the state after {self.tokens} tokens, and what its "
            "rounding error cannot exceed",
            f"{'layer':>5}{'state, RMS':>14}{'bound, RMS':>14}{'share':>9}{'largest':>14}"
            f"{'static':>14}{'largest decay':>16}",
        ]
        for row in self.layers:
            share = row.bound_rms / row.state_rms if row.state_rms else 0.0
            lines.append(
                f"{row.layer:5}{row.state_rms:14.5g}{row.bound_rms:14.5g}{share:9.1%}"
                f"{row.bound_largest:14.5g}{row.static:14.5g}{row.largest_decay:16.6f}"
            )
        return "\n".join(lines)


def certificates(
    model: str, text: Path | None, tokens: int, recipe: str, precision: str
) -> Certificates:
    """Certificates of `model` while it reads the first `tokens` of `text`, or the held-out text.

    Raises InputError for a wrong checkpoint, recipe or precision, and for a text that is too short.
    """
    chosen, formats = find_recipe(recipe), named_precision(precision)
    parameters = find_model(model)
    vocab = parameters.shape.vocab
    read = read_tokens(text, vocab, tokens)[:tokens]
    calibration = calibration_windows(vocab)
    network = Network(apply(chosen, parameters, formats, calibration), compiled())
    return Certificates(chosen.name, precision, tokens, certify(network, read.tolist()))
