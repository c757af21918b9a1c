"""Stages: what looks closer at the few designs that a stage before has left."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from hwsim.devices.families import FamilyName
from hwsim.logic import logic
from models.networks.machine import machine_config
from models.networks.random import random_parameters
from reports.estimate import estimate_network
from reports.explore.gather import Point
from reports.explore.identity import digest
from reports.explore.store import Store
from reports.inputs import Show
from reports.logic import measure
from reports.run import run_network

HEAD_ROWS = 64
"""Of the head that is simulated with one layer."""
PROMPT = [3, 40]
SHARE = 0.02
"""Of all LUTs, that a unit has at least that is compared by itself."""


@dataclass(frozen=True)
class Row:
    """One design: a quantity as the stage before says, and as this one does."""

    id: str
    before: float
    after: float

    @property
    def error(self) -> float:
        """Of the stage before."""
        return self.before / self.after - 1 if self.after else 0.0


@dataclass(frozen=True)
class Stage:
    """How a stage disagrees with the one before about so many designs, each of which has a row or
    several; `equal` is whether all codes were, if any were compared.
    """

    name: str
    points: int
    against: str
    quantity: str
    basis: str
    rows: tuple[Row, ...]
    equal: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        errors = [abs(row.error) for row in self.rows]
        return {
            "name": self.name,
            "points": self.points,
            "quantity": self.quantity,
            "against": self.against,
            "basis": self.basis,
            "equal": self.equal,
            "error": {"median": median(errors), "worst": max(errors)},
            "rows": [asdict(row) | {"error": row.error} for row in self.rows],
        }

    def to_text(self) -> str:
        errors = [abs(row.error) for row in self.rows]
        codes = {None: "", True: ", all codes equal", False: ", CODES DIFFER"}[self.equal]
        return (
            f"{self.name}, {len(self.rows)} compared: {self.quantity} by the {self.against} "
            f"differ by {median(errors):.3%} (median), {max(errors):.3%} at most{codes}"
        )


def engine_stage(
    points: Sequence[Point], store: Store, show: Show
) -> tuple[Stage, dict[str, dict[str, Any]]]:
    """A token's cycles by the engine, and what else `puffadder estimate` tells, by the point."""
    found = {point.id: _once("engine", point, store, _estimated, show) for point in points}
    rows = (
        Row(point.id, point.measures["cycles_per_token"], found[point.id]["cycles"])
        for point in points
    )
    basis = "a token after another, of the whole network"
    return Stage(
        "engine", len(points), "closed form", "cycles of a token", basis, tuple(rows)
    ), found


def verilator_stage(points: Sequence[Point], store: Store, show: Show) -> Stage:
    """One layer with a short head on the generated accelerator, every code and cycle compared."""
    found = {point.id: _once("Verilator", point, store, _simulated, show) for point in points}
    rows = (Row(name, each["predicted"], each["measured"]) for name, each in found.items())
    equal = all(each["equal"] for each in found.values())
    basis = f"one layer, a head of {HEAD_ROWS} rows, {len(PROMPT)} tokens, random weights"
    return Stage("Verilator", len(points), "engine", "cycles", basis, tuple(rows), equal)


def yosys_stage(points: Sequence[Point], store: Store, show: Show) -> Stage:
    """LUTs of the generated accelerator, its units synthesized one by one, beside the logic model;
    together, and of each unit that has at least SHARE of them.
    """
    rows = []
    for point in points:
        found = _once("Yosys", point, store, _synthesized, show)
        modelled = logic(machine_config(point.grid.shape, point.design), _family(point))
        known = {unit: lut for unit, lut in found.items() if unit in modelled}
        whole = sum(known.values())
        rows.append(Row(point.id, sum(modelled[unit].lut for unit in known), whole))
        rows += [
            Row(f"{point.id} {unit}", modelled[unit].lut, lut)
            for unit, lut in known.items()
            if lut >= SHARE * whole
        ]
    return Stage("Yosys", len(points), "logic model", "LUTs", "each unit on its own", tuple(rows))


def _once(
    stage: str,
    point: Point,
    store: Store,
    look: Callable[[Point, Show], dict[str, Any]],
    show: Show,
) -> Any:
    """What a stage finds of a point; what it has found of the same design before."""
    grid = point.grid
    device = grid.device.model_dump(mode="json") if grid.device else None
    key = digest([asdict(grid.shape), point.design.model_dump(mode="json") | {"name": ""}, device])
    found = store.point(stage, key)
    if found is None:
        show(f"{stage}: {point.id}")
        store.add_point(stage, key, look(point, show))
        found = store.point(stage, key)
    return found


def _estimated(point: Point, show: Show) -> dict[str, Any]:
    told = estimate_network(point.grid.shape, point.design, point.grid.network)
    return {
        "cycles": told.numbers["cycles_per_token"].value,
        "tokens_per_second": told.numbers["tokens_per_second"].value,
        "basis": told.numbers["cycles_per_token"].basis,
        "units": told.units,
        "bounds": asdict(told.bounds),
        "memories": told.on_chip_bits,
    }


def _synthesized(point: Point, show: Show) -> dict[str, Any]:
    machine = machine_config(point.grid.shape, point.design)
    return {unit: used.lut for unit, used in measure(machine, _family(point)).items()}


def _family(point: Point) -> FamilyName:
    """Of the board's chip; UltraScale+ without a board."""
    return point.grid.device.family if point.grid.device else "ultrascale_plus"


def _simulated(point: Point, show: Show) -> dict[str, Any]:
    shape = replace(point.grid.shape, layers=1, vocab=min(HEAD_ROWS, point.grid.shape.vocab))
    with tempfile.TemporaryDirectory() as folder:
        report = run_network(random_parameters(shape), point.design, PROMPT, 1, Path(folder), show)
    return {
        "equal": report.equal,
        "predicted": report.cycles["predicted"],
        "measured": report.cycles["measured"],
    }
