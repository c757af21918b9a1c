"""Measures: what an exploration knows of each of many designs, as arrays.

What takes long to compute (`costly`) is apart from what follows from it at once (`measures`), so
that it can be kept, and asked again under other constraints.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hwsim.closed_form import PARALLELISM, Designs, Numbers, cycles_per_token
from hwsim.devices import Device
from hwsim.distinct import distinct
from hwsim.energy import joules_on, work_of
from hwsim.footprints import OF_UNITS, fed, footprints, of_port
from hwsim.logic import taken
from hwsim.logic.calibration import Calibration
from hwsim.logic.machine import behind_fetch
from hwsim.logic.ports import fetch_logic, masters_logic
from models.design import Design, MatvecParallelism, ScanParallelism
from models.networks.machine import machine_config
from models.networks.shape import Mamba2Shape
from models.precision import Precision

Best = Literal["largest", "smallest"]


@dataclass(frozen=True)
class Measure:
    """A number of a design: what it is called, its unit, which is best, and how it is known."""

    label: str
    unit: str
    best: Best
    basis: str
    tag: str = "modelled"


_LOGIC = "logic model, fitted on Yosys runs"
MEASURES = {
    "tokens_per_second": Measure("tokens per second", "tokens/s", "largest", "closed form"),
    "cycles_per_token": Measure("cycles of a token", "cycles", "smallest", "closed form"),
    "bytes_per_token": Measure("bytes moved for a token", "B", "smallest", "words of the stream"),
    "memory_bandwidth": Measure("memory bandwidth", "B/s", "smallest", "the board's at this port"),
    "joules_per_token": Measure("energy of a token", "J", "smallest", "energy model, with memory"),
    "watts": Measure("power", "W", "smallest", "energy model, with memory"),
    "lut": Measure("LUT", "LUT", "smallest", _LOGIC),
    "ff": Measure("flip-flops", "FF", "smallest", _LOGIC),
    "dsp": Measure("DSP", "DSP", "smallest", _LOGIC),
    "block_ram": Measure("block RAM", "blocks", "smallest", "memories, placed"),
    "ultra_ram": Measure("UltraRAM", "blocks", "smallest", "memories, placed"),
    "divergence": Measure(
        "divergence from the float network", "nats/token", "smallest", "held-out text", "measured"
    ),
}
"""By the names that objectives and constraints use."""
LOGIC = ("lut", "ff", "dsp")
OF_BOARD = (*LOGIC, "block_ram", "ultra_ram")
"""Measures that must be within what a board has."""
OF_ENERGY = ("joules_per_token", "watts")
"""Measures that need the board's static power, too."""
COSTLY = np.dtype(
    [("cycles", np.float64), ("words", np.float64), ("rule", np.int16), ("placed", np.bool_)]
    + [(name, np.int32) for name in OF_BOARD]
)
"""What is kept of a design. `rule` is 0, or one more than the index of the network's rule that it
breaks; then nothing else is known. `placed` is whether its memories have a place on the board."""


@dataclass(frozen=True)
class Costly:
    """Records of COSTLY, and the rules that some break."""

    table: NDArray[Any]
    rules: tuple[str, ...]


def costly(shape: Mamba2Shape, base: Design, designs: Designs, device: Device | None) -> Costly:
    """What is computed of designs that differ from `base`; on no board everything has a place."""
    table = np.zeros(len(designs), COSTLY)
    if not len(designs):
        return Costly(table, ())
    cycles = cycles_per_token(shape, designs)
    table["cycles"], table["words"] = cycles.total, cycles.words_read + cycles.words_written
    rules = tuple(dict.fromkeys(rule_of(text) for text in cycles.refusals if text))
    broken = [rules.index(rule_of(text)) + 1 if text else 0 for text in cycles.refusals]
    table["rule"] = np.array(broken, np.int16)[cycles.units]
    table["placed"] = True
    fits = np.flatnonzero(table["rule"] == 0)
    if device is not None and len(fits):
        some = Designs(designs.table[fits], designs.precisions)
        found = footprints(shape, some, device)
        table["block_ram"][fits], table["ultra_ram"][fits] = found.block_ram, found.ultra_ram
        table["placed"][fits] = found.fits
        for name, values in _logic(shape, base, some, device).items():
            table[name][fits] = values
    return Costly(table, rules)


def measures(
    shape: Mamba2Shape,
    designs: Designs,
    kept: Costly,
    device: Device | None,
    calibration: Calibration | None = None,
) -> dict[str, Numbers]:
    """What is known of each design by the names of MEASURES; NaN where it breaks a rule. LOGIC is
    by the experience of a calibration, where there is one.
    """
    table, about = kept.table, designs.table
    fits = np.where(table["rule"] == 0, 1.0, np.nan)
    word_bytes = about["ports"] * about["port_bits"] / 8
    busy = about["refresh_cycles"] / np.maximum(about["refresh_interval"], 1)
    found = {
        "tokens_per_second": about["clock_hz"] / table["cycles"],
        "cycles_per_token": table["cycles"] * fits,
        "bytes_per_token": table["words"] * word_bytes * fits,
        "memory_bandwidth": about["rate"] * word_bytes * about["clock_hz"] * (1 - busy),
    }
    if device is None:
        return found
    found |= {name: table[name] * fits for name in OF_BOARD}
    if calibration:
        found |= {name: np.rint(found[name] * getattr(calibration, name)) for name in LOGIC}
    return found | _energy(shape, designs, found, device)


def _energy(
    shape: Mamba2Shape, designs: Designs, found: dict[str, Numbers], device: Device
) -> dict[str, Numbers]:
    """Of a token, where the board's static power is known."""
    if device.static_w is None:
        return {}
    table, precisions = designs.table, designs.precisions
    bits = {
        name: np.array([getattr(each, name) for each in precisions])[table["precision"]]
        for name in ("weight_bits", "activation_bits", "scan_bits")
    }
    moved, cycles = found["bytes_per_token"], found["cycles_per_token"]
    work = work_of(
        shape, bits, table["spilled"] == 1, cycles, table["clock_hz"], moved, found["ff"]
    )
    joules = np.asarray(joules_on(device, work).total)
    return {"joules_per_token": joules, "watts": joules * found["tokens_per_second"]}


def rule_of(refusal: str) -> str:
    """The rule in a message, without whose it is, what it is there, and the way out.

    >>> rule_of("design tiny: lanes must divide d_model = 8, not 16; use 8")
    'lanes must divide d_model = 8'
    """
    rule = refusal.partition("; ")[0]
    rule = rule.rpartition(", not ")[0] or rule
    return rule.partition(": ")[2] or rule


_OF_MACHINE = (*OF_UNITS, "ports", "port_bits")
"""What the logic behind fetch is modelled from, beside a design's base."""


def _logic(
    shape: Mamba2Shape, base: Design, designs: Designs, device: Device
) -> dict[str, NDArray[np.float64]]:
    """LUTs, flip-flops and DSPs of each design: of its parts, each modelled once for all alike."""
    first, which = distinct([designs.table[name] for name in _OF_MACHINE])
    counts = np.zeros((len(first), len(LOGIC)))
    for at, row in enumerate(designs.table[first]):
        machine = machine_config(shape, _machine_design(base, row, designs.precisions))
        units = [taken(unit, device.family) for unit in behind_fetch(machine).values()]
        counts[at] = [sum(getattr(unit, name) for unit in units) for name in LOGIC]
    counts = counts[which] + _port_logic(shape, designs, device)
    return dict(zip(LOGIC, counts.T, strict=True))


def _port_logic(shape: Mamba2Shape, designs: Designs, device: Device) -> NDArray[np.float64]:
    """LOGIC (designs, 3) of fetch and of the ports' masters."""
    table, port, family = designs.table, of_port(designs), device.family
    counts = masters_logic(table[["ports", "port_bits", "outstanding", "spilled"]], family)
    of_fetch = [port[name] for name in ("ports", "port_bits", "prefetch", "buffers")]
    first, which = distinct([*(table[name] for name in OF_UNITS), *of_fetch])
    fetch = np.zeros((len(first), len(LOGIC)))
    for numbers, loads in fed(shape, Designs(table[first], designs.precisions)):
        ports, port_bits, prefetch, buffers = (
            column[first[numbers]].astype(np.int64) for column in of_fetch
        )
        fetch[numbers] = fetch_logic(loads, ports * port_bits, prefetch, buffers, family)
    return counts + fetch[which]


def _machine_design(base: Design, row: Any, precisions: tuple[Precision, ...]) -> Design:
    """`base` with what a record of `hwsim.closed_form.DESIGN` says of its machine, unchecked."""
    lanes, rows, columns, channels, states, precision = (int(row[name]) for name in PARALLELISM)
    return base.model_copy(
        update={
            "lanes": lanes,
            "matvec": MatvecParallelism.model_construct(rows=rows, columns=columns),
            "scan": ScanParallelism.model_construct(channels=channels, states=states),
            "memory": base.memory.model_copy(
                update={"ports": int(row["ports"]), "port_bits": int(row["port_bits"])}
            ),
            "state": base.state.model_copy(
                update={"placement": "memory" if row["spilled"] else "chip"}
            ),
            "order": "naive" if row["naive"] else "interleaved",
            "precision": precisions[precision],
        }
    )
