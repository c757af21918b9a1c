"""Plans: a space with everything that it names found and checked, ready for work."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from codegen.designs import find_design
from hwsim.devices import Device, find_device
from hwsim.logic.calibration import Calibration, read_calibration, require_family
from hwsim.measures import OF_BOARD, OF_ENERGY
from models.design import Design, changed
from models.errors import InputError
from reports.estimate import shape_of
from reports.explore.constraints import Constraint, parse_constraint, require_measure
from reports.explore.grid import Grid
from reports.explore.identity import digest, version
from reports.explore.knobs import Knobs, knobs_of
from reports.explore.space import Space
from reports.inputs import design_of


@dataclass(frozen=True)
class Plan:
    """A space's grids, one for each network and board, and what decides about their points.

    divergences  of each grid, by its axis of precisions; empty when nobody asks for them
    """

    space: Space
    knobs: Knobs
    grids: tuple[Grid, ...]
    constraints: tuple[Constraint, ...]
    divergences: tuple[tuple[float, ...], ...] = ()
    version: str = ""
    calibration: Calibration | None = None

    @property
    def points(self) -> int:
        return sum(grid.points for grid in self.grids)

    @property
    def objectives(self) -> tuple[str, ...]:
        return self.space.objectives

    @property
    def varied(self) -> Knobs:
        """The values of each knob that the space names, the board's among them."""
        boards = list(dict.fromkeys(grid.base.device for grid in self.grids))
        return self.turned({"device": boards} | self.knobs)

    def turned(self, knobs: dict[str, Any]) -> dict[str, Any]:
        """Of a point's knobs, those that the base does not have in itself."""
        return {key: knobs[key] for key in knobs if key in self.space.knobs}

    @cached_property
    def key(self) -> str:
        """What becomes of the points depends on nothing else, but for puffadder's version."""
        search = self.space.search.model_dump() if self.space.search.method != "grid" else {}
        return digest(
            [
                [grid.key for grid in self.grids],
                self.constraints,
                self.objectives,
                self.divergences,
                self.calibration.model_dump() if self.calibration else None,
                search,
            ]
        )


def plan_of(space: Space) -> Plan:
    """Raises InputError for everything that is wrong in what the space names.

    Values of a knob may be repeated: they are the same design.
    """
    knobs = knobs_of(space)
    for name in space.objectives:
        require_measure(name, f"space {space.name}: objectives:")
    constraints = tuple(parse_constraint(text, space.name) for text in space.constraints)
    _require_once(space, constraints)
    factors = read_calibration(Path(space.calibration)) if space.calibration else None
    base = find_design(space.base)
    boards = knobs.pop("device", [base.device])
    wanted = {*space.objectives, *(each.measure for each in constraints)}
    grids: list[Grid] = []
    for network in space.networks:
        shape, first = shape_of(network), 0
        own = design_of(network, base, [f"{key}=" for key in knobs])
        _require_values(own, knobs, f"space {space.name}: knobs")
        on_boards = [
            changed(own, {"device": board}, f"space {space.name}: knob device") for board in boards
        ]
        for board, on_board in {each.device: each for each in on_boards}.items():
            device = find_device(board) if board else None
            _require_board(space, device, wanted)
            if factors and device:
                require_family(factors, device.family)
            grid = Grid(network, shape, device, on_board, knobs, first)
            if grid.points > MOST:
                rule = f"must have at most {MOST:,} points, not {grid.points:,}"
                raise InputError(f"space {space.name}", rule, "give the knobs fewer values")
            grid.designs(_NONE)  # values that no port can have
            grids.append(grid)
            first += grid.points
    return Plan(space, knobs, tuple(grids), constraints, version=version(), calibration=factors)


def _require_values(base: Design, knobs: Knobs, place: str) -> None:
    """Refuse values that no design can have."""
    for key, values in knobs.items():
        for value in values:
            changed(base, {key: value}, place)


_NONE = np.empty(0, np.int64)
MOST = 2**62
"""Points that a number can count."""


def _require_once(space: Space, constraints: tuple[Constraint, ...]) -> None:
    things = [f"network {each!r}" for each in space.networks]
    things += [f"objective {each!r}" for each in space.objectives]
    things += [f"constraint '{c.measure} {c.sense} {c.bound:.15g}'" for c in constraints]
    for thing, times in Counter(things).items():
        if times > 1:
            rule = f"must be given once, not {times} times"
            raise InputError(f"space {space.name}: {thing}", rule, "keep one of them")


def _require_board(space: Space, device: Device | None, wanted: set[str]) -> None:
    """Refuse measures that need a board, and numbers that a board does not have."""
    of_board = [name for name in (*OF_BOARD, *OF_ENERGY) if name in wanted]
    if device is None and of_board and "device" in space.knobs:
        raise InputError(
            f"space {space.name}: knob device",
            f"must have boards only for {', '.join(of_board)}, not null, which is no board",
            "leave it out, or name a board instead",
        )
    if device is None and of_board:
        raise InputError(
            f"space {space.name}: device",
            f"must be named in the base or as a knob for {', '.join(of_board)}, not left out",
            "add `device: [vck190]` to knobs",
        )
    if device and "ff" in of_board:
        device.number("ff")
    if device and wanted & set(OF_ENERGY):
        device.number("static_w")
