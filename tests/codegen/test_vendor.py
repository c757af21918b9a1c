"""What packagers read names the files, the ports and the registers that there are."""

import json
import re

import pytest
import yaml

from codegen.origin import Origin
from codegen.vendor import Ip, clock_constraint, filelist, fusesoc_core, package_script
from models.registers import REGISTERS
from tests.codegen.examples import ORIGIN, SPILLED, small_package


@pytest.fixture(scope="module")
def ip():
    ports = json.loads(small_package().files["manifest.json"])["ports"]
    directions = {name: (port["direction"], port["bits"]) for name, port in ports.items()}
    return Ip("accelerator", ORIGIN, directions, REGISTERS)


def test_interfaces_have_all_ports(ip):
    assert {name: len(ports) for name, ports in ip.interfaces.items()} == {
        "m_axi_read": 15,
        "s_axi_control": 17,
        "s_axis_tokens": 3,
        "m_axis_tokens": 3,
        "m_axis_logits": 3,
    }
    spilled = json.loads(small_package(SPILLED).files["manifest.json"])["ports"]
    written = [name for name in spilled if name not in ip.ports]
    assert Ip("", ORIGIN, dict.fromkeys(written, ("", 1)), {}).interfaces == {
        "m_axi_write": written
    }
    assert len(written) == 18
    several = json.loads(small_package(SPILLED, "memory.ports=2").files["manifest.json"])["ports"]
    more = Ip("", ORIGIN, dict.fromkeys([*several], ("", 1)), {}).interfaces
    assert more.keys() - ip.interfaces.keys() == {"m_axi_write", "m_axi_read_1", "m_axi_write_1"}
    assert [len(more[f"m_axi_{kind}_1"]) for kind in ("read", "write")] == [15, 18]
    inside = {port for ports in ip.interfaces.values() for port in ports}
    assert ip.ports.keys() - inside == {"ap_clk", "ap_rst_n", "activity"}


def test_filelist(ip):
    assert filelist(ip) == f"{ORIGIN.head('//')}accelerator.v\n"


def test_core_is_yaml(ip):
    text = fusesoc_core(ip, ("-Wno-WIDTH",))
    first, rest = text.split("\n", 1)
    assert first == "CAPI=2:"
    core = yaml.safe_load(rest)
    assert core["name"] == "puffadder:generated:accelerator_tiny:0.1.0"
    assert core["filesets"]["rtl"] == {"files": ["accelerator.v"], "file_type": "verilogSource"}
    assert {name: target["toplevel"] for name, target in core["targets"].items()} == dict.fromkeys(
        ("default", "lint", "synth"), "accelerator"
    )
    for target in core["targets"].values():
        assert set(target["filesets"]) <= core["filesets"].keys()
    lint = core["targets"]["lint"]
    assert lint["flow"] == "lint"
    assert lint["flow_options"] == {"tool": "verilator", "verilator_options": ["-Wno-WIDTH"]}
    assert core["targets"]["synth"]["flow"] == "vivado"
    assert "&" not in rest


@pytest.mark.parametrize(("clock_hz", "period"), [(200e6, "5.000"), (333e6, "3.003")])
def test_clock(ip, clock_hz, period):
    assert clock_constraint(ip, clock_hz).splitlines()[-1] == (
        f"create_clock -name ap_clk -period {period} [get_ports ap_clk]"
    )


# Vivado's commands: what they were given, and a name for what they would return.
VIVADO = r"""
set argc 1
set argv {xcvc1902-vsva2197-2MP-e-S}
set calls {}
proc called {name args} { lappend ::calls [list $name {*}$args]; return <$name> }
foreach name {create_project add_files set_property current_fileset get_files update_compile_order
        close_project ipx::package_project ipx::current_core ipx::infer_bus_interface
        ipx::associate_bus_interfaces ipx::add_memory_map ipx::add_address_block ipx::add_register
        ipx::create_xgui_files ipx::update_checksums ipx::check_integrity ipx::save_core} {
    namespace eval ::ipx {}
    interp alias {} ::$name {} ::called $name
}
proc ipx::get_bus_interfaces args { return {} }
"""


def test_script_packages_the_ip(ip, tmp_path):
    """The script runs in Tcl, with Vivado's commands recorded."""
    tkinter = pytest.importorskip("tkinter", reason="Tcl comes with tkinter")
    script = tmp_path / "package.tcl"
    script.write_text(package_script(ip))
    tcl = tkinter.Tcl()
    tcl.eval(VIVADO)
    tcl.eval(f"source {{{script}}}")
    calls = [tcl.splitlist(call) for call in tcl.splitlist(tcl.eval("set calls"))]

    def given(name):
        return [call[1:] for call in calls if call[0] == name]

    assert given("add_files")[0] == ("-norecurse", str(tmp_path / "accelerator.v"))
    inferred = {ports: bus for ports, bus, _ in given("ipx::infer_bus_interface")}
    assert inferred.pop("ap_clk") == "xilinx.com:signal:clock_rtl:1.0"
    assert inferred.pop("ap_rst_n") == "xilinx.com:signal:reset_rtl:1.0"
    assert [tuple(ports.split()) for ports in inferred] == [*map(tuple, ip.interfaces.values())]
    assert [bus.split(":")[2] for bus in inferred.values()] == [
        "aximm_rtl", "aximm_rtl", "axis_rtl", "axis_rtl", "axis_rtl",
    ]  # fmt: skip
    associated = given("ipx::associate_bus_interfaces")
    assert [call[1] for call in associated] == list(ip.interfaces)
    assert {call[2:6] for call in associated} == {("-clock", "ap_clk", "-reset", "ap_rst_n")}
    assert [call[0] for call in given("ipx::add_register")] == list(REGISTERS)
    assert len(given("ipx::save_core")) == 1


def test_script_has_no_absolute_path(ip):
    assert not re.search(r"(^|[\s{\"])/(?!UserIP)", package_script(ip))


@pytest.mark.parametrize(
    ("design", "name"), [("a b/c", "accelerator_a_b_c"), ("vck190", "accelerator_vck190")]
)
def test_names_that_packagers_accept(design, name):
    assert Ip("accelerator", Origin("", design, "0"), {}, {}).name == name


def test_no_name_ends_a_comment():
    overrides = ("name=a\nb",)
    origin = Origin.of_command("generate", "/models/x\ny", "/d/z.yaml", overrides, "a\nb\\")
    for comment in ("//", "#"):
        lines = origin.head(comment).splitlines()
        assert len(lines) == 2
        assert all(line.startswith(comment) for line in lines)
        assert not any(line.endswith("\\") for line in lines)
    assert "/models" not in origin.sentence
