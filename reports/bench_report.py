"""What a bench found: for bench.json, for the terminal, and for the page."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from reports.beside import Beside


@dataclass(frozen=True)
class Spread:
    """Median of `repeats` measurements, and the least and the most of them."""

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Row:
    """What one software does with one network, measured; shares are of `Limits`.

    The joules are measured where the processor's counters can be read, and assumed otherwise. Bytes
    and multiply-adds are those that the work needs; 0 where they are not known.
    """

    network: str
    software: str
    work: str
    precision: str
    threads: int
    tokens_per_second: Spread
    joules_per_token: float
    joules: str
    bytes_per_token: float = 0
    macs_per_token: float = 0
    bandwidth_share: float = 0
    multiply_share: float = 0

    @property
    def bound(self) -> str:
        """The limit that is closest."""
        if not self.bandwidth_share:
            return ""
        return "memory" if self.bandwidth_share >= self.multiply_share else "multiply-adds"


@dataclass(frozen=True)
class Limits:
    """What the machine reads and multiplies with so many threads, beside a network's rows."""

    network: str
    threads: int
    read_bytes_per_second: Spread
    multiply_adds_per_second: Spread


@dataclass(frozen=True)
class Against:
    """A kernel at a network's shape, and how many times as fast as plain numpy it is, measured."""

    network: str
    kernel: str
    threads: int
    ratio: Spread

    @property
    def slower(self) -> bool:
        """Whether numpy is faster in every measurement."""
        return self.ratio.high < 1


@dataclass(frozen=True)
class Bench:
    """Everything that was measured in one run; `refused` tells why a network was left out."""

    machine: dict[str, Any]
    versions: dict[str, str]
    limits: list[Limits]
    rows: list[Row]
    kernels: list[Against]
    designs: list[Beside]
    refused: dict[str, str]

    @property
    def slower(self) -> list[Against]:
        """Kernels that plain numpy beats, of which there should be none."""
        return [each for each in self.kernels if each.slower]

    def to_json(self) -> str:
        told = asdict(self)
        for row, each in zip(told["rows"], self.rows, strict=True):
            row["bound"] = each.bound
        return json.dumps(told, indent=2)

    def to_text(self) -> str:
        lines = [
            f"{self.machine['processor']}, {self.machine['cores']} cores; median of "
            f"{self.machine['repeats']} (least to most)",
            "",
            f"{'':14}{'work':9}{'':7}{'':12}{'threads':>7}{'tokens/s':>11}{'':22}{'MB/token':>9}"
            f"{'of reads':>10}{'of MACs':>9}{'J/token':>10}",
        ]
        lines += [_line(row) for row in self.rows]
        lines += [""] + [
            f"{each.network}, {each.threads} threads: reads "
            f"{each.read_bytes_per_second.median / 1e9:.1f} GB/s, "
            f"{each.multiply_adds_per_second.median / 1e9:.1f} G multiply-adds/s (float32)"
            for each in self.limits
        ]
        lines += [""] * bool(self.kernels) + [
            f"{each.network}, {each.threads} threads: {each.kernel:24}{each.ratio.median:8.2f} "
            f"times numpy ({each.ratio.low:.2f} to {each.ratio.high:.2f})"
            + (", SLOWER" if each.slower else "")
            for each in self.kernels
        ]
        lines += [f"left out: {reason}" for reason in self.refused.values()]
        if any(row.joules == "assumed" for row in self.rows):
            lines.append(
                f"joules: {self.machine['watts_per_core']:g} W a core are assumed; the processor's "
                "counters cannot be read"
            )
        return "\n".join(lines)


def _line(row: Row) -> str:
    speed = row.tokens_per_second
    known = (
        f"{row.bytes_per_token / 1e6:9.1f}{row.bandwidth_share:10.1%}{row.multiply_share:9.1%}"
        if row.bytes_per_token
        else " " * 28
    )
    spread = f" ({speed.low:,.2f} to {speed.high:,.2f})"
    return (
        f"{row.network:14}{row.work:9}{row.precision:7}{row.software:12}{row.threads:7}"
        f"{speed.median:11,.2f}{spread:22}{known}{row.joules_per_token:10.3f}"
    )
