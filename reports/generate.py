"""Generate: an accelerator and all that tools need to use it, in a folder."""

import json
from dataclasses import dataclass
from pathlib import Path

from codegen.designs import find_design
from codegen.files import write_whole
from codegen.image import network_image
from codegen.manifest import MANIFEST
from codegen.origin import Origin
from codegen.package import Package, package, require_clock
from hwsim.devices import device_of, memory_of
from hwsim.resources import require_fit
from models.networks.machine import machine_config
from reports.inputs import Show, find_network, integers_of, unheard
from reports.simulation import LINT


@dataclass(frozen=True)
class Generated:
    """The files that were written, with their sizes in bytes, in the order of writing."""

    folder: Path
    files: dict[str, int]

    def to_json(self) -> str:
        return json.dumps({"folder": str(self.folder), "files": self.files}, indent=2)

    def to_text(self) -> str:
        width = max(map(len, self.files))
        lines = [f"{name:{width}}  {octets:>11,} bytes" for name, octets in self.files.items()]
        return "\n".join([f"{self.folder}:", *lines])


def generate(
    model: str,
    design: str,
    overrides: tuple[str, ...],
    out: Path,
    show: Show = unheard,
    clock_hz: float | None = None,
) -> Generated:
    """Quantize `model`, unless it is, and write its accelerator on `design` into the folder `out`.

    The folder is made or reused; its manifest is written last, so that a package without one is
    not whole. `clock_hz` is what the constraint asks for, the design's clock without it. Raises
    InputError for everything wrong in what is named, and when the board does not fit the design.
    """
    chosen = find_design(design, overrides)
    device, clock = device_of(chosen), memory_of(chosen).clock_hz
    clock = clock if clock_hz is None else clock_hz
    require_clock(clock)
    network, chosen = find_network(model, chosen, overrides, show)
    config = machine_config(network.shape, chosen)
    if device:
        require_fit(config, device)
    image = network_image(integers_of(network, chosen, show), config)
    show(f"generating Verilog for design {chosen.name}")
    origin = Origin.of_command("generate", model, design, overrides, chosen.name)
    return write_package(package(config, image, origin, clock, tuple(LINT)), out)


def write_package(made: Package, out: Path) -> Generated:
    """Write the files of a package into the folder `out`, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    for name, content in made.files.items():
        write_whole(out / name, content)
    return Generated(out, {name: len(content) for name, content in made.files.items()})
