"""The fit of `hwsim.logic` on synthesized units, and its errors on units that it has not seen.

LUTs and flip-flops of a kind of unit are a sum of its features times coefficients that are not
negative, by least squares of the relative error. Few samples hold a coefficient to what all kinds
have in common: `HOLD` of a kind's mean square is spent on differing from that (ridge regression).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.files import write_whole
from hwsim.devices.families import FamilyName
from hwsim.logic import COEFFICIENTS
from hwsim.logic.features import FF_FEATURES, LUT_FEATURES, features
from hwsim.logic.machine import inventories
from hwsim.logic.mapping import MAPPINGS
from reports.logic import SAMPLES, TOP, Sample, read_samples, sample
from reports.synthesis import Used

Vector = NDArray[np.float64]

COUNTS: dict[FamilyName, int] = {"ultrascale_plus": 24, "7series": 32, "ecp5": 32}
"""Samples of each family. The fit of the others begins with the coefficients of the first."""
HOLD = 0.1
SWEEPS, SETTLED = 3000, 1e-7
"""Of the descent: at most so many, until what changes is less than this of the target."""
LARGE = 100
"""LUTs of the smallest unit whose error counts: below, a relative error says little."""
FINE = 30.0
"""LUTs or flip-flops to which a small unit's error is relative."""


@dataclass(frozen=True)
class Row:
    """A unit of a sample: its features and what it was measured to take."""

    sample: str
    unit: str
    kind: str
    lut: Vector
    ff: Vector
    exact: Used
    """Its DSPs, block RAM and memories' LUTs as the rules have them."""
    used: Used

    def of(self, resource: str) -> tuple[Vector, float]:
        """Features of `lut` or `ff`, and what was measured of it; LUTs without memories."""
        if resource == "lut":
            return self.lut, self.used.lut - self.used.memory_lut
        return self.ff, self.used.ff


Coefficients = dict[str, Vector]
"""By kind of unit."""


def rows(samples: Iterable[Sample]) -> Iterator[Row]:
    for each in samples:
        built = inventories(each.machine)
        for unit, used in each.units.items():
            if unit != TOP:
                seen = features(built[unit], MAPPINGS[each.family])
                yield Row(
                    sample=each.name,
                    unit=unit,
                    kind=built[unit].kind,
                    lut=np.array(seen.lut),
                    ff=np.array(seen.ff),
                    exact=Used(0, seen.memory_lut, 0, seen.dsp, seen.block_ram),
                    used=used,
                )


def fit(known: Sequence[Row], resource: str, prior: Coefficients | None = None) -> Coefficients:
    """Coefficients of `resource` by kind of unit, "" for kinds that are not among `known`.

    `prior` are those of another family; without it, what all kinds have in common is the prior.
    """
    seen = [row.of(resource) for row in known]
    weights = [_weight(measured) for _, measured in seen]
    matrix = np.array([f * w for (f, _), w in zip(seen, weights, strict=True)])
    target = np.array([measured * w for (_, measured), w in zip(seen, weights, strict=True)])
    if prior is None:
        prior = {"": nonnegative(matrix, target)}
    elif len(known):
        prior = _scaled(prior, known, matrix, target)
    found = dict(prior)
    for kind in sorted({row.kind for row in known}):
        mine = [at for at, row in enumerate(known) if row.kind == kind]
        a, b, start = matrix[mine], target[mine], prior.get(kind, prior[""])
        hold = np.diag(np.sqrt(HOLD) * np.abs(a).mean(axis=0))
        found[kind] = nonnegative(np.vstack([a, hold]), np.concatenate([b, hold @ start]), start)
    return found


def _scaled(
    prior: Coefficients, known: Sequence[Row], matrix: Vector, target: Vector
) -> Coefficients:
    """Another family's coefficients: each times what its feature costs here in comparison, and
    something more for what costs nothing there, both whatever the kind.
    """
    there = np.array([prior.get(row.kind, prior[""]) for row in known]) * matrix
    both, start = np.hstack([there, matrix]), np.repeat([1.0, 0.0], matrix.shape[1])
    hold = np.diag(np.sqrt(HOLD * len(known)) * both.mean(axis=0))
    found = nonnegative(np.vstack([both, hold]), np.concatenate([target, hold @ start]), start)
    times, more = np.split(found, 2)
    return {kind: each * times + more for kind, each in prior.items()}


def _weight(measured: float) -> float:
    """Errors are relative; a unit of next to nothing counts less than a large one."""
    return min(1.0, (measured / 10 / FINE) ** 0.5) / max(measured, FINE)


def nonnegative(a: Vector, b: Vector, start: Vector | None = None) -> Vector:
    """The x without negative elements that minimizes |a x - b|, one coordinate after the other.

    Where a column is zero, x stays what `start` has there.

    >>> nonnegative(np.array([[1.0, 0], [1, 1]]), np.array([2.0, 1])).tolist()
    [1.5, 0.0]
    """
    x = np.zeros(a.shape[1]) if start is None else start.copy()
    squares, slope = a.T @ a, a.T @ b
    scale = np.sqrt(np.diag(squares))
    there = np.flatnonzero(scale)
    for _ in range(SWEEPS):
        before = x.copy()
        for at in there:
            x[at] = max(0.0, x[at] + (slope[at] - squares[at] @ x) / squares[at, at])
        if np.abs((x - before) * scale).max() <= SETTLED * np.linalg.norm(b):
            break
    return x


def predict(coefficients: Coefficients, row: Row, resource: str) -> float:
    return float(row.of(resource)[0] @ coefficients.get(row.kind, coefficients[""]))


def left_out(
    known: Sequence[Row], resource: str, prior: Coefficients | None = None
) -> list[tuple[Row, float]]:
    """Every large row with what is predicted for it by a fit without its sample."""
    found = []
    names = sorted({row.sample for row in known})
    for name in names if len(names) > 1 else ():
        model = fit([row for row in known if row.sample != name], resource, prior)
        of_name = [row for row in known if row.sample == name and row.used.lut >= LARGE]
        found += [(row, predict(model, row, resource)) for row in of_name]
    return found


def errors(of_rows: Iterable[tuple[Row, float]], resource: str) -> dict[str, float]:
    """Median, 90th percentile and largest relative error; LUTs with those of memories."""
    relative = []
    for row, predicted in of_rows:
        more = row.exact.memory_lut - row.used.memory_lut if resource == "lut" else 0
        measured = getattr(row.used, resource)
        relative.append(abs(predicted + more - row.of(resource)[1]) / max(1, measured))
    told: dict[str, float] = {"units": len(relative)}
    if relative:
        median, most = np.quantile(relative, [0.5, 0.9])
        told |= {"median": _short(median), "p90": _short(most), "largest": _short(max(relative))}
    return told


def fit_all(samples: Path = SAMPLES, out: Path = COEFFICIENTS) -> dict[str, Any]:
    """Fit every family that has samples, and write the coefficients with their errors."""
    read = read_samples(samples)
    families: dict[FamilyName, Any] = {}
    first: dict[str, Coefficients] = {}
    for family in sorted({each.family for each in read}, key=list(COUNTS).index):
        known = list(rows(each for each in read if each.family == family))
        models = {of: fit(known, of, first.get(of)) for of in ("lut", "ff")}
        families[family] = {
            of: {kind: [_short(x) for x in each] for kind, each in model.items()}
            for of, model in models.items()
        } | {"errors": _all_errors(known, first)}
        first = first or models
    told = {
        "made_by": "reports.logic_fit.fit_all",
        "samples": digest(samples),
        "yosys": sorted({each.yosys for each in read}),
        "lut_features": LUT_FEATURES,
        "ff_features": FF_FEATURES,
        "families": families,
    }
    write_whole(out, (json.dumps(told, indent=1) + "\n").encode())
    return told


def digest(samples: Path = SAMPLES) -> str:
    return hashlib.sha256(samples.read_bytes()).hexdigest()


def _all_errors(known: Sequence[Row], first: Mapping[str, Coefficients]) -> dict[str, Any]:
    """Errors on units that are left out, of all and by kind; units whose rules are not exact."""
    told: dict[str, Any] = {}
    for of in ("lut", "ff"):
        seen = left_out(known, of, first.get(of))
        kinds = sorted({row.kind for row, _ in seen})
        told[of] = errors(seen, of) | {
            "by_kind": {k: errors([e for e in seen if e[0].kind == k], of) for k in kinds}
        }
    for of in ("dsp", "block_ram", "memory_lut"):
        wrong = [
            f"{r.sample} {r.unit}" for r in known if getattr(r.exact, of) != getattr(r.used, of)
        ]
        told[of] = {"units": len(known), "wrong": wrong}
    return told


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def main() -> None:
    """Synthesize what is missing of the samples, an hour or two in all, and fit anew."""
    for family, count in COUNTS.items():
        sample(family, range(count), show=print)
    fit_all()


if __name__ == "__main__":
    main()
