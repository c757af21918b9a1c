"""What the accuracy of quantized networks is found to be: for the terminal, JSON and the page."""

import json
from dataclasses import asdict, dataclass, field

import numpy as np

from codegen.files import finite
from models.quantization.distributions import Distribution
from models.quantization.errors import MatrixError


@dataclass(frozen=True)
class Accuracy:
    """Measured prediction of a text by one network; of the float one, all that comes of rounding
    is None or empty."""

    precision: str
    recipe: str
    nats: float  # for each token
    perplexity: float
    ratio: float  # perplexity over that of the float oracle
    kl: float  # mean Kullback-Leibler divergence from the oracle, nats
    tokens_per_second: float  # of the sequences side by side
    scan_bits: int | None = None  # None for floating point
    state_bytes: int | None = None  # of one sequence, in the scans of all layers
    lost: float = 0.0  # nats for each token beyond the oracle's
    lost_error: float = 0.0  # standard error of `lost`, over the tokens
    bits_per_weight: float | None = None  # of in_proj, out_proj and head, with their scales
    errors: dict[str, MatrixError] = field(default_factory=dict)
    """As of `models.quantization.errors.matrix_errors`."""
    tensors: dict[str, list[float]] = field(default_factory=dict)
    """As of `reports.tensors.tensor_ratios`, in dB."""
    inputs: dict[str, Distribution] = field(default_factory=dict)
    """Of linear layers, as of `models.quantization.distributions.input_distributions`."""

    def mean_error(self, matrix: str, kind: str = "inputs") -> float:
        """Of all layers' `matrix`, a field of MatrixError; 0 where nothing is narrowed."""
        errors = [
            getattr(error, kind) for name, error in self.errors.items() if name.endswith(matrix)
        ]
        return float(np.mean(errors)) if errors else 0.0


@dataclass(frozen=True)
class AccuracyTable:
    """The float oracle, and each precision by each recipe, on the same sequences.

    error_tokens   of these, that errors and distributions of inputs are measured on
    tensor_tokens  of these, that the integer network's tensors are compared on
    sources        of the recipes, by their names
    """

    sequences: int
    window: int
    stress: float
    rows: list[Accuracy]
    model: str = "bundled"
    error_tokens: int = 0
    tensor_tokens: int = 0
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> dict[str, dict[str, Accuracy]]:
        """Rows of recipes by formats: the precision, and the scan's bits where a recipe has several
        of them."""
        rows = [row for row in self.rows if row.recipe]
        several = len({(row.precision, row.recipe) for row in rows}) < len(rows)
        groups: dict[str, dict[str, Accuracy]] = {}
        for row in rows:
            name = f"{row.precision}, scan {row.scan_bits}" if several else row.precision
            groups.setdefault(name, {})[row.recipe] = row
        return groups

    @property
    def hardest(self) -> str:
        """Of the groups, the one furthest from the float network: in it recipes differ most."""
        groups = self.groups
        return max(groups, key=lambda name: np.mean([row.kl for row in groups[name].values()]))

    def to_json(self) -> str:
        return json.dumps(finite(asdict(self)), indent=2)

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
