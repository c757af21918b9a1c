"""Logic: LUTs, flip-flops and DSPs of every unit of an accelerator, without synthesis.

An inventory counts the parts of a unit; rules of the synthesis say which products become DSPs and
which memories block RAM; LUTs and flip-flops are linear in the rest, by coefficients that
`reports.logic_fit` fits on synthesized units.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.devices.families import FamilyName, mapped
from hwsim.logic.calibration import Calibration
from hwsim.logic.features import Features, features
from hwsim.logic.inventory import Inventory
from hwsim.logic.machine import inventories
from hwsim.logic.mapping import MAPPINGS
from models.networks.machine import MachineConfig
from models.units.fetch import Counts

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
    return {name: taken(unit, family) for name, unit in inventories(machine).items()}


@lru_cache(maxsize=1 << 14)
def taken(unit: Inventory, family: FamilyName) -> Logic:
    """By one unit, of which most are the same object wherever their configuration is the same."""
    target = mapped(family)
    seen = features(unit, MAPPINGS[target])
    return Logic(*(int(each) for each in modelled(unit.kind, seen, target)))


def modelled(kind: str, seen: Features, target: FamilyName) -> tuple[Counts, Counts, Counts]:
    """LUTs, flip-flops and DSPs of a unit of some `kind` with these features."""
    of = coefficients()["families"][target]
    lut, ff = (np.rint(_count(of[each], kind, getattr(seen, each))) for each in ("lut", "ff"))
    return lut + seen.memory_lut, ff, seen.dsp


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


def _count(of: Mapping[str, list[float]], kind: str, seen: Sequence[Counts]) -> Counts:
    """A unit's features times the coefficients of its kind, or of all where none was sampled."""
    terms = (a * b for a, b in zip(of.get(kind, of[""]), seen, strict=True))
    return reduce(add, terms)  # in this order for numbers as for arrays


@cache
def coefficients() -> dict[str, Any]:
    """What `reports.logic_fit` wrote: per family and kind of unit, and the errors of the fit."""
    told: dict[str, Any] = json.loads(COEFFICIENTS.read_text())
    return told
