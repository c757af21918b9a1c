"""What vendors' tools and packagers read: filelist, FuseSoC core, Vivado script, constraint."""

import re
from dataclasses import dataclass

import yaml

from codegen.origin import Origin
from models.registers import ADDRESS_BITS, Register

CLOCK, RESET = "ap_clk", "ap_rst_n"
AXI4 = "xilinx.com:interface:aximm_rtl:1.0"
AXI4_STREAM = "xilinx.com:interface:axis_rtl:1.0"
SLAVE = "s_axi_control"
"""The interface of the registers."""
_INTERFACE = re.compile(r"([ms]_(axis?)_[a-z0-9]+(?:_[a-z0-9]+)*)_[a-z]+")


@dataclass(frozen=True)
class Ip:
    """An IP block: its top module, and direction and bits of each of its ports."""

    top: str
    origin: Origin
    ports: dict[str, tuple[str, int]]
    registers: dict[str, Register]

    @property
    def name(self) -> str:
        """A name that packagers accept.

        >>> Ip("accelerator", Origin("", "my design!", "1.0"), {}, {}).name
        'accelerator_my_design'
        """
        return f"{self.top}_{re.sub(r'[^A-Za-z0-9]+', '_', self.origin.design).strip('_')}"

    @property
    def interfaces(self) -> dict[str, list[str]]:
        """Ports of each AXI interface, by its name; clock and reset are none."""
        found: dict[str, list[str]] = {}
        for port in self.ports:
            match = _INTERFACE.fullmatch(port)
            if match:
                found.setdefault(match[1], []).append(port)
        return found


def filelist(ip: Ip) -> str:
    """Filelist of simulators and synthesizers, relative to its folder: `verilator -F`."""
    return f"{ip.origin.head('//')}{ip.top}.v\n"


def fusesoc_core(ip: Ip, lint: tuple[str, ...]) -> str:
    """FuseSoC core (CAPI2) with targets to synthesize with Vivado and to lint with Verilator.

    `lint` are options of Verilator.
    """
    options = {"tool": "verilator", "verilator_options": list(lint)}
    core = {
        "name": f"puffadder:generated:{ip.name}:{ip.origin.version}",
        "description": f"Mamba accelerator of design {ip.origin.design}",
        "filesets": {
            "rtl": {"files": [f"{ip.top}.v"], "file_type": "verilogSource"},
            "constraints": {"files": ["clocks.xdc"], "file_type": "xdc"},
        },
        "targets": {
            "default": _target(ip, "rtl"),
            "lint": _target(ip, "rtl") | {"flow": "lint", "flow_options": options},
            "synth": _target(ip, "rtl", "constraints") | {"flow": "vivado"},
        },
    }
    text = yaml.safe_dump(core, sort_keys=False, allow_unicode=True)
    return f"CAPI=2:\n{ip.origin.head('#')}{text}"


def _target(ip: Ip, *filesets: str) -> dict[str, object]:
    return {"filesets": list(filesets), "toplevel": ip.top}


def clock_constraint(ip: Ip, clock_hz: float) -> str:
    """Period of the clock; used where the block is implemented on its own."""
    period = 1e9 / clock_hz
    return (
        f"{ip.origin.head('#')}"
        f"create_clock -name {CLOCK} -period {period:.3f} [get_ports {CLOCK}]\n"
    )


def package_script(ip: Ip) -> str:
    """Script of Vivado that packages the IP, its interfaces and its registers."""
    lines = [
        f"{ip.origin.head('#')}#",
        "# vivado -mode batch -source package.tcl -tclargs PART",
        "# writes the IP into the folder `ip` beside this file; PART may be left out.",
        "",
        "set here [file dirname [file normalize [info script]]]",
        "set project [file join $here ip_project]",
        "if {$argc > 0} {",
        f"    create_project -force {ip.top} $project -part [lindex $argv 0]",
        "} else {",
        f"    create_project -force {ip.top} $project",
        "}",
        f"add_files -norecurse [file join $here {ip.top}.v]",
        "add_files -fileset constrs_1 -norecurse [file join $here clocks.xdc]",
        "# In a block design the clock comes from outside, with its own constraint.",
        "set_property USED_IN {synthesis implementation out_of_context} [get_files clocks.xdc]",
        f"set_property top {ip.top} [current_fileset]",
        "update_compile_order -fileset sources_1",
        "",
        "ipx::package_project -root_dir [file join $here ip] -vendor puffadder.local \\",
        "    -library generated -taxonomy /UserIP -import_files -set_current true -force",
        "set core [ipx::current_core]",
        f"set_property name {ip.name} $core",
        f"set_property version {_two(ip.origin.version)} $core",
        f"set_property display_name {{Mamba accelerator {ip.name}}} $core",
        "",
        "proc infer {name ports bus core} {",
        "    if {[llength [ipx::get_bus_interfaces -quiet $name -of_objects $core]] == 0} {",
        "        ipx::infer_bus_interface $ports $bus $core",
        "    }",
        "}",
        f"infer {CLOCK} {CLOCK} xilinx.com:signal:clock_rtl:1.0 $core",
        f"infer {RESET} {RESET} xilinx.com:signal:reset_rtl:1.0 $core",
    ]
    for name, ports in ip.interfaces.items():
        bus = AXI4_STREAM if "_axis_" in name else AXI4
        lines.append(f"infer {name} {{{' '.join(ports)}}} {bus} $core")
    lines += [
        f"ipx::associate_bus_interfaces -busif {name} -clock {CLOCK} -reset {RESET} $core"
        for name in ip.interfaces
    ]
    lines += ["", *_memory_map(ip), "", "ipx::create_xgui_files $core"]
    lines += ["ipx::update_checksums $core", "ipx::check_integrity $core"]
    return "\n".join([*lines, "ipx::save_core $core", "close_project", ""])


def _memory_map(ip: Ip) -> list[str]:
    """Registers as the tools show them."""
    lines = [
        "# Those that Vivado has inferred already are taken, not added.",
        f"set map [ipx::add_memory_map -quiet {SLAVE} $core]",
        f"set_property slave_memory_map_ref {SLAVE} "
        f"[ipx::get_bus_interfaces {SLAVE} -of_objects $core]",
        "set block [ipx::add_address_block -quiet reg0 $map]",
        f"set_property range {1 << ADDRESS_BITS} $block",
        "set_property width 32 $block",
        "proc register {name offset bits description block} {",
        "    set register [ipx::add_register $name $block]",
        "    set_property address_offset $offset $register",
        "    set_property size $bits $register",
        "    set_property description $description $register",
        "}",
    ]
    for register in ip.registers.values():
        meaning = "; ".join(field.meaning for field in register.fields)
        if len(register.fields) > 1:
            meaning = ", ".join(field.name for field in register.fields)
        lines.append(
            f"register {register.name} {register.offset:#x} {register.bits} {{{meaning}}} $block"
        )
    return lines


def _two(version: str) -> str:
    """The first two parts of a version, which is what Vivado's IP have."""
    return ".".join(version.split(".")[:2])
