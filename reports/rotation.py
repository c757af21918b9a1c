"""What the online rotation of out_proj's input costs a design: cycles, LUTs and memory."""

from functools import cache
from typing import Any

from codegen.verilog import to_verilog
from hwsim.devices import Device, device_of
from hwsim.engine import predict
from hwsim.memory import MemoryModel
from hwsim.resources import memories
from models.networks.machine import MachineConfig, machine_config
from models.units.hadamard import HadamardConfig
from reports.synthesis import cells, luts
from rtl.units.hadamard import Hadamard

REGISTERS = ("FDRE", "FDSE", "FDCE", "FDPE", "TRELLIS_FF")
"""Flip-flops among Yosys' cells."""


def rotation_price(
    config: MachineConfig, prompt: int, new: int, memory: MemoryModel, tokens: list[int]
) -> dict[str, Any]:
    """What a run is without the Hadamard unit, and what the unit is; empty where there is none.

    cycles_without  predicted for the same tokens on the same design without rotation
    unit_luts       of the unit, by Yosys for `target`
    unit_registers  likewise, flip-flops
    unit_bits       of its memories
    """
    unit = config.units.hadamard
    if unit is None:
        return {}
    design, target = config.design, _target(device_of(config.design))
    plain = design.model_copy(
        update={"precision": design.precision.model_copy(update={"hadamard": False})}
    )
    without = predict(machine_config(config.shape, plain), prompt, new, memory, tokens=tokens)
    counted = unit_cells(unit, target)
    named = memories(config).items()
    return {
        "cycles_without": without.cycles,
        "target": target,
        "unit_luts": luts(counted),
        "unit_registers": sum(counted.get(kind, 0) for kind in REGISTERS),
        "unit_bits": sum(each.total_bits for name, each in named if name.startswith("hadamard.")),
    }


@cache
def unit_cells(unit: HadamardConfig, target: str) -> dict[str, int]:
    """Cells of a Hadamard unit by type; seconds for one of some hundred points."""
    return cells(to_verilog(Hadamard(unit), "hadamard"), "hadamard", target)


def _target(device: Device | None) -> str:
    """Of `reports.synthesis.SYNTHESES`: that of the board's chip; UltraScale+ without a board."""
    return "ecp5" if device and device.family == "ecp5" else "xilinx"
