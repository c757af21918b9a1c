"""What the online rotation of out_proj's input costs a design: cycles, LUTs and memory."""

from functools import cache
from typing import Any

from codegen.verilog import to_verilog
from hwsim.devices import Device, device_of
from hwsim.devices.families import FamilyName, mapped
from hwsim.engine import predict
from hwsim.memory import MemoryModel
from hwsim.resources import memories
from models.networks.machine import MachineConfig, machine_config
from models.units.hadamard import HadamardConfig
from reports.synthesis import Cells, cells, used
from rtl.units.hadamard import Hadamard


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
    taken = used(unit_cells(unit, target))
    named = memories(config).items()
    return {
        "cycles_without": without.cycles,
        "target": target,
        "unit_luts": taken.lut,
        "unit_registers": taken.ff,
        "unit_bits": sum(each.total_bits for name, each in named if name.startswith("hadamard.")),
    }


@cache
def unit_cells(unit: HadamardConfig, target: FamilyName) -> Cells:
    """Cells of a Hadamard unit by type; seconds for one of some hundred points."""
    return cells(to_verilog(Hadamard(unit), "hadamard"), "hadamard", target)


def _target(device: Device | None) -> FamilyName:
    """What the board's chip is synthesized as; UltraScale+ without a board."""
    return mapped(device.family if device else "ultrascale_plus")
