"""Energy of a token: what is computed, clocked, moved, and lost over time.

    compute    (product + multiplier * bits of one operand * bits of the other) for each product
    clock      register * registers * cycles
    on chip    byte * bytes into and out of memories on chip
    off chip   (controller + device) * bytes that the port moves
    static     watts of the chip while nothing switches * seconds

The first three are those of 7 nm, times the node's factor. The coefficients and their sources are
in energy.yaml; two are fitted on published designs, see `hwsim.energy_fit`.

What a token does takes the same energy however long it takes; clock and static power are paid for
every cycle, waiting for memory included. All functions take numbers and arrays alike.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hwsim.devices import Device
from models.documents import check, read_mapping
from models.errors import InputError
from models.networks.shape import Mamba2Shape
from models.precision import Precision

FILE = Path(__file__).with_name("energy.yaml")
PICO, FEMTO = 1e-12, 1e-15
SCAN_PRODUCTS = 3
"""Of a state element: decay * h, drive * B, and h * C."""
Numbers = float | NDArray[np.float64]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Coefficients(BaseModel):
    """Coefficients of the model, at `node_nm`; what each is, and from where, is in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node_nm: Positive
    node_exponent: Positive
    product_pj: Positive
    register_fj: Positive
    multiplier_pj_per_bit2: Positive
    on_chip_pj_per_byte: Positive
    controller_pj_per_byte: Positive
    device_pj_per_byte: dict[str, Positive]
    fitted_on: tuple[str, ...]
    checked_on: tuple[str, ...]
    spread: Annotated[float, Field(ge=1)]
    """Largest factor between model and paper when a design is left out of the fit."""

    def node_factor(self, node_nm: float) -> float:
        """Energy of the same logic at another node."""
        return float((node_nm / self.node_nm) ** self.node_exponent)

    def device_energy(self, memory_type: str) -> float:
        """pJ for a byte in a memory of a type that begins with one of the names.

        >>> coefficients().device_energy("HBM2, two stacks")
        31.6
        """
        found = re.match(r"\w+", memory_type)
        name = found[0] if found else ""
        if name not in self.device_pj_per_byte:
            rule = f"must be one of {', '.join(self.device_pj_per_byte)}, not {memory_type!r}"
            raise InputError("energy: memory.type", rule, "begin the board's type with one of them")
        return self.device_pj_per_byte[name]


@dataclass(frozen=True)
class Work:
    """What a token needs done. Products' bits are the bits of one operand times the other's.

    products       of the linear layers
    scan_products  SCAN_PRODUCTS of each state element
    on_chip_bytes  written to memories on chip, and read from them
    registers      flip-flops that are clocked all the time
    """

    products: Numbers
    product_bits: Numbers
    scan_products: Numbers
    scan_bits: Numbers
    on_chip_bytes: Numbers
    off_chip_bytes: Numbers
    registers: Numbers
    clock_hz: Numbers
    seconds: Numbers


@dataclass(frozen=True)
class Energy:
    """Joules of a token by where they go."""

    compute: Numbers
    clock: Numbers
    on_chip: Numbers
    off_chip: Numbers
    static: Numbers
    seconds: Numbers
    spread: float

    @property
    def total(self) -> Numbers:
        return self.compute + self.clock + self.on_chip + self.off_chip + self.static

    @property
    def watts(self) -> Numbers:
        return self.total / self.seconds

    @property
    def low(self) -> Numbers:
        """What the total may be at least, if this design errs as the worst published one did."""
        return self.total / self.spread

    @property
    def high(self) -> Numbers:
        return self.total * self.spread


@cache
def coefficients() -> Coefficients:
    """Those of energy.yaml."""
    raw = read_mapping(FILE, Coefficients, "energy model")
    return check(Coefficients, raw, f"{FILE}", "energy model", "correct it in the file")


def joules_per_token(
    work: Work,
    node_nm: float,
    memory_type: str | None,
    static_w: float = 0.0,
    model: Coefficients | None = None,
) -> Energy:
    """Energy of `work` on a chip of `node_nm`.

    memory_type  of the devices off chip; None leaves them out, and counts the chip alone
    static_w     of the chip; 0 where it is not known or not wanted
    """
    model = model or coefficients()
    logic = model.node_factor(node_nm) * PICO
    compute = work.products * (model.product_pj + model.multiplier_pj_per_bit2 * work.product_bits)
    scan = work.scan_products * (model.product_pj + model.multiplier_pj_per_bit2 * work.scan_bits)
    clock = model.register_fj * work.registers * work.clock_hz * work.seconds
    byte = model.controller_pj_per_byte
    byte += model.device_energy(memory_type) if memory_type else 0.0
    return Energy(
        compute=logic * (compute + scan),
        clock=model.node_factor(node_nm) * FEMTO * clock,
        on_chip=logic * model.on_chip_pj_per_byte * work.on_chip_bytes,
        off_chip=PICO * byte * work.off_chip_bytes,
        static=static_w * work.seconds,
        seconds=work.seconds,
        spread=model.spread,
    )


def joules_on(device: Device, work: Work) -> Energy:
    """Energy of `work` on a board: chip and memory, and static power where the file has it."""
    static = device.static_w or 0.0
    return joules_per_token(work, device.chip.node_nm, device.memory.type, static)


def work_of(
    shape: Mamba2Shape,
    precision: Precision | dict[str, NDArray[Any]],
    spilled: bool | NDArray[Any],
    cycles: Numbers,
    clock_hz: Numbers,
    off_chip_bytes: Numbers,
    registers: Numbers,
) -> Work:
    """The work of a token of a network of `shape`.

    precision       or arrays `weight_bits`, `activation_bits` and `scan_bits`, a design each
    spilled         the state is in memory, and its bytes are among `off_chip_bytes`
    off_chip_bytes  read and written

    Every byte from the port waits in a queue once; a state on chip is read and written there.
    """
    told = precision if isinstance(precision, dict) else precision.model_dump()
    weight, input_bits, scan = (
        told[name] for name in ("weight_bits", "activation_bits", "scan_bits")
    )
    elements = shape.layers * shape.inner * shape.state
    state = np.where(spilled, 0.0, elements * scan / 8)
    return Work(
        products=float(shape.products_per_token),
        product_bits=weight * input_bits,
        scan_products=float(SCAN_PRODUCTS * elements),
        scan_bits=scan * scan,
        on_chip_bytes=2 * (off_chip_bytes + state),
        off_chip_bytes=off_chip_bytes,
        registers=registers,
        clock_hz=clock_hz,
        seconds=cycles / clock_hz,
    )
