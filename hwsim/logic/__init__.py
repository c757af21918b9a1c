"""Logic: LUTs, flip-flops and DSPs of every unit of an accelerator, without synthesis.

An inventory counts the parts of a unit; rules of the synthesis say which products become DSPs and
which memories block RAM; LUTs and flip-flops are linear in the rest, by coefficients that
`reports.logic_fit` fits on synthesized units.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hwsim.devices.families import FamilyName
from hwsim.logic.calibration import Calibration
from hwsim.logic.features import features
from hwsim.logic.inventory import Inventory
from hwsim.logic.machine import inventories
from hwsim.logic.mapping import MAPPINGS, mapped
from models.networks.machine import MachineConfig

FOLDER = Path(__file__).parent
COEFFICIENTS = FOLDER / "coefficients.json"


@dataclass(frozen=True)
class Logic:
    """What a unit takes of a chip."""

    lut: int
    ff: int
    dsp: int

    def __add__(self, other: "Logic") -> "Logic":
        return Logic(self.lut + other.lut, self.ff + other.ff, self.dsp + other.dsp)

    def times(self, by: Calibration) -> "Logic":
        """What it takes by the experience of a calibration."""
        return Logic(round(self.lut * by.lut), round(self.ff * by.ff), round(self.dsp * by.dsp))


def logic(machine: MachineConfig, family: FamilyName) -> dict[str, Logic]:
    """What each unit of an accelerator takes on a chip of `family`, by its name in `rtl`.

    LUTs include those that memories and shift registers are made of.
    """
    target = mapped(family)
    return {name: _taken(unit, target) for name, unit in inventories(machine).items()}


@lru_cache(maxsize=1 << 14)
def _taken(unit: Inventory, target: FamilyName) -> Logic:
    """By one unit, of which most are the same object wherever their configuration is the same."""
    of, seen = coefficients()["families"][target], features(unit, MAPPINGS[target])
    return Logic(
        lut=round(_count(of["lut"], unit.kind, seen.lut)) + seen.memory_lut,
        ff=round(_count(of["ff"], unit.kind, seen.ff)),
        dsp=seen.dsp,
    )


def total(units: Mapping[str, Logic]) -> Logic:
    return sum(units.values(), Logic(0, 0, 0))


def basis(family: FamilyName) -> str:
    """How the LUTs of `logic` are known, in words."""
    target = mapped(family)
    seen = coefficients()["families"][target]["errors"]["lut"]
    return (
        f"fitted on Yosys for {target}; of {seen['units']} units left out of the fit, half are "
        f"within {seen['median']:.1%} of its LUTs, nine of ten within {seen['p90']:.1%}"
    )


def _count(of: Mapping[str, list[float]], kind: str, seen: Sequence[float]) -> float:
    """A unit's features times the coefficients of its kind, or of all where none was sampled."""
    return sum(a * b for a, b in zip(of.get(kind, of[""]), seen, strict=True))


@cache
def coefficients() -> dict[str, Any]:
    """What `reports.logic_fit` wrote: per family and kind of unit, and the errors of the fit."""
    told: dict[str, Any] = json.loads(COEFFICIENTS.read_text())
    return told
