"""The energy of a token on a design: what estimates and runs tell of it."""

from dataclasses import asdict
from typing import Any

from hwsim.devices import Device
from hwsim.energy import Energy, coefficients, joules_on, work_of
from hwsim.logic.calibration import Calibration
from models.networks.machine import MachineConfig
from reports.unit_logic import unit_logic


def design_energy(
    machine: MachineConfig,
    device: Device,
    cycles: float,
    clock_hz: float,
    moved_bytes: float,
    calibration: Calibration | None = None,
) -> Energy:
    """Energy of a token of `cycles` that reads and writes `moved_bytes` of memory."""
    design, logic = machine.design, unit_logic(machine, device, calibration)
    registers, spilled = logic.total.ff, design.state.placement == "memory"
    work = work_of(
        machine.shape, design.precision, spilled, cycles, clock_hz, moved_bytes, registers
    )
    return joules_on(device, work)


def basis(energy: Energy, device: Device) -> str:
    """The interval, what is in it, and how it was found."""
    model = coefficients()
    static = "static power" if device.static_w else "no static power, which is not known"
    return (
        f"{float(energy.low):.2g} to {float(energy.high):.2g} J, as published designs left out of "
        f"the fit err; chip and memory, {static}; fitted on {', '.join(model.fitted_on)}"
    )


def energy_report(energy: Energy, device: Device) -> dict[str, Any]:
    """What report.json has of it; all is modelled."""
    parts = {name: float(joules) for name, joules in asdict(energy).items()}
    seconds, spread = parts.pop("seconds"), parts.pop("spread")
    return {
        "tag": "modelled",
        "joules_per_token": float(energy.total),
        "watts": float(energy.total) / seconds,
        "low": float(energy.low),
        "high": float(energy.high),
        "spread": spread,
        "parts": parts,
        "basis": basis(energy, device),
    }
