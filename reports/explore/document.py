"""The document of an exploration: everything that its page shows, as one value for JSON."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codegen.files import finite
from hwsim.devices import Device, memory_on
from hwsim.energy import joules_on, work_of
from hwsim.measures import LOGIC, MEASURES, OF_BOARD
from models.networks.machine import machine_config
from reports.explore.exploration import Exploration, broken, command, estimate_command, measured
from reports.explore.gather import Point
from reports.explore.knobs import Knobs, overrides
from reports.explore.outputs import design_file
from reports.explore.plan import Plan
from reports.explore.screen import NAMES
from reports.unit_logic import unit_logic

VERSION = 1


def document(found: Exploration) -> dict[str, Any]:
    plan, winners, knobs = found.plan, found.winners, found.plan.varied
    known = [name for name in NAMES if any(name in point.measures for point in found.points)]
    reasons = list(found.found.counts)
    boards = {grid.device.name: grid.device for grid in plan.grids if grid.device}
    kept = {point.id for point in winners.values()}
    return {
        "version": VERSION,
        "name": plan.space.name,
        "command": made_by(found),
        "run": found.run,
        "space": _space(found),
        "boards": {name: _board(device) for name, device in boards.items()},
        "measures": {name: _measure(plan, name) for name in known},
        "reasons": [
            {"kind": reason.kind, "text": reason.text, "points": points}
            for reason, points in found.found.counts.items()
        ],
        "front": [_point(found, point) | {"winner": point.id in kept} for point in found.points],
        "sample": {
            "columns": ["network", "reason", "chosen", *known],
            "rows": [
                [
                    plan.space.networks.index(point.grid.network),
                    reasons.index(reason),
                    _chosen(knobs, point),
                    *(point.measures.get(name) for name in known),
                ]
                for point, reason in found.found.sample
            ],
        },
        "stages": [_closed_form(found), *(stage.to_dict() for stage in found.stages)],
        "winners": [_winner(found, point) for point in winners.values()],
    }


def to_json(found: Exploration) -> str:
    return json.dumps(finite(document(found)), indent=1)


def made_by(found: Exploration) -> str:
    return f"puffadder explore {shlex.quote(' '.join(found.plan.space.name.split()))}"


def _chosen(knobs: Knobs, point: Point) -> list[int]:
    """The index of the value of each knob that a point has."""
    return [values.index(point.knobs[key]) for key, values in knobs.items()]


def _space(found: Exploration) -> dict[str, Any]:
    plan, knobs = found.plan, found.plan.varied
    return {
        "command": estimate_command(plan),
        "networks": list(plan.space.networks),
        "base": plan.space.base,
        "knobs": knobs,
        "words": {
            key: [shlex.quote(overrides({key: value})[0]) for value in values]
            for key, values in knobs.items()
        },
        "objectives": list(plan.objectives),
        "constraints": [constraint.text for constraint in plan.constraints],
        "points": plan.points,
        "looked_at": found.looked_at,
        "search": plan.space.search.method,
    }


def _board(device: Device) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "lut": device.lut,
        "ff": device.ff,
        "dsp": device.dsp,
        "block_ram": device.block_ram.count,
        "ultra_ram": device.ultra_ram.count if device.ultra_ram else 0,
    }
    trust = {name: device.trust(name) for name in OF_BOARD if counts[name]}
    return counts | {"trust": trust}


def _measure(plan: Plan, name: str) -> dict[str, Any]:
    measure, factors = MEASURES[name], plan.calibration
    scaled = f", times the factors of {factors.source}" if factors and name in LOGIC else ""
    return {
        "label": measure.label,
        "unit": measure.unit,
        "best": measure.best,
        "tag": measure.tag,
        "basis": measure.basis + scaled,
    }


def _point(found: Exploration, point: Point) -> dict[str, Any]:
    looked = found.engine.get(point.id)
    return {
        "id": point.id,
        "network": point.grid.network,
        "number": point.number,
        "knobs": point.knobs,
        "chosen": _chosen(found.plan.varied, point),
        "measures": point.measures,
        "engine": looked
        and {
            "cycles_per_token": looked["cycles"],
            "tokens_per_second": looked["tokens_per_second"],
        },
        "command": command(found.plan, point),
    }


def _closed_form(found: Exploration) -> dict[str, Any]:
    return {"name": "closed form", "points": found.looked_at, "left": len(found.points)}


def _winner(found: Exploration, point: Point) -> dict[str, Any]:
    looked, design, grid = found.engine.get(point.id, {}), point.design, point.grid
    memory = memory_on(grid.device, design)
    rate = measured(point, "tokens_per_second", found.engine)
    return _point(found, point) | {
        "design": design.model_dump(mode="json"),
        "yaml": design_file(design, made_by(found)),
        "file": winner_file(found, point),
        "board": grid.device.name if grid.device else None,
        "tokens_per_second": {
            "value": rate,
            "tag": "modelled",
            "basis": "engine" if looked else "closed form",
        },
        "breaks": broken(found.plan, point, found.engine),
        "sensitivity": found.sensitivity[point.id],
        "cycles": {"total": looked.get("cycles"), "units": looked.get("units", {})},
        "bounds": looked.get("bounds", {}),
        "resources": {"units": _units(found.plan, point), "memories": looked.get("memories", {})},
        "energy": _energy(point),
        "roofline": {
            "macs_per_token": grid.shape.products_per_token,
            "bytes_per_token": point.measures["bytes_per_token"],
            "peak_macs_per_s": design.matvec.rows * design.matvec.columns * memory.clock_hz,
            "bandwidth": memory.bandwidth,
            "tokens_per_second": rate,
            "clock_hz": memory.clock_hz,
        },
    }


def winner_file(found: Exploration, point: Point) -> str:
    """Name of the design file of a network's best point: with the network's, if several."""
    networks = list(found.winners)
    if len(networks) == 1:
        return "winner.yaml"
    names = [Path(network).name for network in networks]
    name, at = Path(point.grid.network).name, networks.index(point.grid.network)
    return f"winner-{name}.yaml" if names.count(name) == 1 else f"winner-{at + 1}-{name}.yaml"


def _units(plan: Plan, point: Point) -> dict[str, dict[str, int]]:
    device = point.grid.device
    if device is None:
        return {}
    machine = machine_config(point.grid.shape, point.design)
    return {
        name: asdict(unit)
        for name, unit in unit_logic(machine, device, plan.calibration).units.items()
    }


def _energy(point: Point) -> dict[str, float]:
    """Joules of a token by where they go, where the board's static power is known."""
    grid, design = point.grid, point.design
    if grid.device is None or grid.device.static_w is None:
        return {}
    measures, clock_hz = point.measures, memory_on(grid.device, design).clock_hz
    work = work_of(
        grid.shape, design.precision, design.state.placement == "memory",
        measures["cycles_per_token"], clock_hz, measures["bytes_per_token"], measures["ff"],
    )  # fmt: skip
    energy = joules_on(grid.device, work)
    parts = ("compute", "clock", "on_chip", "off_chip", "static")
    return {name: float(getattr(energy, name)) for name in parts}
