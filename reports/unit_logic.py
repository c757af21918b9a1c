"""The LUTs, flip-flops and DSPs of a design's units, as estimates tell them."""

from dataclasses import asdict, dataclass
from typing import Any

from hwsim.devices import Device
from hwsim.logic import Logic, basis, logic, total
from hwsim.logic.calibration import Calibration, require_family
from models.networks.machine import MachineConfig


@dataclass(frozen=True)
class UnitLogic:
    """What each unit takes, and all, modelled, and how that is known."""

    units: dict[str, Logic]
    total: Logic
    basis: str
    device: Device | None

    @property
    def told(self) -> dict[str, Any]:
        """For JSON: `units` and their `total`, and what they are fitted on."""
        return {
            "tag": "modelled",
            "basis": self.basis,
            "units": {name: asdict(each) for name, each in self.units.items()},
            "total": asdict(self.total),
        }

    def lines(self, most: int = 12) -> list[str]:
        """The `most` units with the most LUTs, the others together, and the share of the board."""
        largest = sorted(self.units.items(), key=lambda item: -item[1].lut)
        others = dict(largest[most:])
        shown = largest[:most] + ([(f"{len(others)} others", total(others))] if others else [])
        lines = [f"{'logic (modelled)':24}{'LUT':>14}{'FF':>14}{'DSP':>14}"]
        lines += [_row(name, each) for name, each in [*shown, ("total", self.total)]]
        if self.device:
            there = (self.device.lut, self.device.ff, self.device.dsp)
            lines.append(
                f"{'of board ' + self.device.name:24}"
                + "".join(f"{'unknown' if each is None else f'{each:,}':>14}" for each in there)
            )
        return [*lines, self.basis]


def _row(name: str, each: Logic) -> str:
    return f"{name:24}{each.lut:14,}{each.ff:14,}{each.dsp:14,}"


def unit_logic(
    machine: MachineConfig, device: Device | None, calibration: Calibration | None = None
) -> UnitLogic:
    """What the units of an accelerator take on the chip of `device`, UltraScale+ without one.

    Raises InputError for a calibration on chips of another family.
    """
    family = device.family if device else "ultrascale_plus"
    units, known = logic(machine, family), basis(family)
    whole = total(units)
    if calibration:
        require_family(calibration, family)
        units = {name: each.times(calibration) for name, each in units.items()}
        whole = whole.times(calibration)  # rounded once
        known += f"; times the factors of {calibration.source}"
    return UnitLogic(units, whole, known, device)
