"""Package: everything about an accelerator that other tools read, as files by name."""

from dataclasses import dataclass
from typing import Any

from amaranth.lib.wiring import In

from codegen.image import Image
from codegen.manifest import MANIFEST, Contents, manifest
from codegen.origin import Origin
from codegen.registers import Layout, c_header, markdown, python_driver
from codegen.vendor import Ip, clock_constraint, filelist, fusesoc_core, package_script
from codegen.verilog import to_verilog
from models.design import FASTEST_HZ, SLOWEST_HZ
from models.errors import InputError
from models.networks.machine import MachineConfig
from models.registers import register_map
from rtl.accelerator import Accelerator

TOP = "accelerator"


@dataclass(frozen=True)
class Package:
    """Files by name; the manifest, which holds the hashes of the others, is the last."""

    files: dict[str, bytes]
    image: Image

    @property
    def verilog(self) -> str:
        return self.files[f"{TOP}.v"].decode()


def package(
    config: MachineConfig,
    image: Image,
    origin: Origin,
    clock_hz: float = 200e6,
    lint: tuple[str, ...] = (),
) -> Package:
    """All files of the accelerator of `config` that reads `image`.

    `clock_hz` is what the constraint asks for, `lint` are Verilator's options for `--lint-only`.
    The same arguments give the same bytes. Raises InputError for a clock that no FPGA has.
    """
    require_clock(clock_hz)
    accelerator, registers = Accelerator(config), register_map(config.counters, config.ports)
    token_octets = len(accelerator.s_axis_tokens_tdata) // 8
    layout = Layout.of(image, token_octets)
    ip = Ip(TOP, origin, ports_of(accelerator), registers)
    texts = {
        f"{TOP}.v": origin.head("//") + to_verilog(accelerator, TOP),
        "registers.h": c_header(registers, layout, origin),
        "registers.md": markdown(registers, layout, origin),
        "driver.py": python_driver(registers, layout, origin),
        f"{TOP}.f": filelist(ip),
        f"{TOP}.core": fusesoc_core(ip, lint),
        "package.tcl": package_script(ip),
        "clocks.xdc": clock_constraint(ip, clock_hz),
    }
    files = {name: text.encode() for name, text in texts.items()}
    files |= image.files()
    contents = Contents(TOP, config, image, ip.ports, clock_hz)
    return Package(files | {MANIFEST: manifest(contents, files, origin).encode()}, image)


def require_clock(clock_hz: float) -> None:
    """Raise InputError for a clock that no FPGA has."""
    if not SLOWEST_HZ <= clock_hz <= FASTEST_HZ:
        raise InputError(
            "clock", f"must be {SLOWEST_HZ:g} to {FASTEST_HZ:g} Hz, not {clock_hz:g}",
            "give the frequency in Hz, for instance 200e6",
        )  # fmt: skip


def ports_of(component: Any) -> dict[str, tuple[str, int]]:
    """Direction (`input`, `output`) and bits of each port of a component with flat ports."""
    return {
        name: ("input" if member.flow is In else "output", len(getattr(component, name)))
        for name, member in component.signature.members.items()
    }
