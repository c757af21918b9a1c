"""Boards: what their files say, the memory behind a port, and what a mistake in one is told."""

import pytest

from codegen.designs import find_design
from hwsim.devices import CLOCK_HZ, FOLDER, LATENCY, Device, find_device, memory_of, names
from hwsim.memory import MemoryModel
from models.errors import InputError

KEYS = f"a device has the keys {', '.join(Device.model_fields)}"


@pytest.mark.parametrize("name", names())
def test_boards_that_come_along_are_read(name):
    device = find_device(name)
    assert device.name == name
    told = ", ".join(device.sources).split(", ")
    assert device.ultra_ram is None or "ultra_ram" in told
    assert not device.memory.refresh_ns or "memory.refresh_ns" in told


def test_numbers_without_a_source_are_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    text = (FOLDER / "zcu104.yaml").read_text()
    path.write_text(text.replace("  clock_hz: assumed\n", ""))
    message = "sources must be given for clock_hz, not missing; correct it in the file"
    assert refusal(str(path)) == f"{path}: device: {message}"


def test_vck190_has_the_bandwidth_that_lightmamba_assumes():
    model = find_device("vck190").memory_model(256, 400e6)
    assert model.bandwidth == 12e9
    assert (model.latency, model.clock_hz) == (80, 400e6)


def test_a_wide_port_gets_what_the_memory_has():
    device = find_device("ulx3s-85f")
    models = {bits: device.memory_model(bits) for bits in (8, 64, 128)}
    assert models[8].fraction == device.memory.sustained
    assert models[64].bandwidth == pytest.approx(models[128].bandwidth, rel=1e-3)
    assert models[64].bandwidth < 266e6


def test_refreshes_follow_the_clock():
    device = find_device("zcu104")
    slow, fast = device.memory_model(128, 100e6), device.memory_model(128, 300e6)
    assert (slow.refresh_interval, slow.refresh_cycles) == (780, 26)
    assert (fast.refresh_interval, fast.refresh_cycles) == (2340, 78)
    assert slow.bandwidth == pytest.approx(0.925 * 128 / 8 * 100e6, rel=1e-3)


def test_a_port_that_is_too_wide_is_refused():
    with pytest.raises(InputError) as refused:
        find_device("zcu104").memory_model(256)
    assert str(refused.value) == (
        "device zcu104: memory.port_bits must be at most 128, not 256; "
        "use a narrower port, or another board"
    )


def test_the_memory_of_a_design(tmp_path):
    assert memory_of(find_design("tiny")) == MemoryModel(64, CLOCK_HZ, LATENCY)
    assert memory_of(find_design("tiny", ("clock_hz=50e6",))).clock_hz == 50e6
    assert memory_of(find_design("lightmamba-vck190")).bandwidth == 12e9
    zcu104 = find_device("zcu104").memory_model(64)
    assert memory_of(find_design("tiny", ("device=zcu104",))) == zcu104


def test_a_state_in_a_memory_that_is_only_read_is_refused(tmp_path):
    path = tmp_path / "flash.yaml"
    text = (FOLDER / "zcu104.yaml").read_text()
    path.write_text(text.replace("  max_port_bits: 128", "  max_port_bits: 128\n  writable: false"))
    memory_of(find_design("tiny", (f"device={path}",)))
    with pytest.raises(InputError) as refused:
        memory_of(find_design("tiny", (f"device={path}", "state.placement=memory")))
    assert str(refused.value) == (
        "design tiny: state.placement must be 'chip' on device flash, whose memory is only read, "
        "not 'memory'; use another board"
    )


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("vck19", "did you mean vck190?"),
        ("U280", "did you mean u280?"),
        ("breadboard", "describe the board in a file"),
    ],
)
def test_names_a_board_that_is_not_there(name, way_out):
    rule = f"must be one of {', '.join(names())} or a file *.yaml"
    assert refusal(name) == f"device {name!r} {rule}; {way_out}"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("dsp: 1_728", "dps: 1", f"dsp must be given; dps must not be there; {KEYS}"),
        ("dsp: 1_728", "dsp: -1", "dsp must be at least 0, not -1; correct it in the file"),
        ("sustained: 0.957", "sustained: 1.5",
         "memory.sustained must be at most 1.0, not 1.5; correct it in the file"),
        ("latency_ns: 250", "latency_ns: soon",
         "memory.latency_ns must be a number, not 'soon'; correct it in the file"),
        ("clock_hz: 200.0e+6", "clock_hz: 200",
         "clock_hz must be at least 1000000.0, not 200; correct it in the file"),
        ("refresh_ns: 260", "refresh_ns: 7800", "memory: refresh_ns must be less than "
         "refresh_interval_ns = 7800.0, not 7800.0; correct it in the file"),
    ],
)  # fmt: skip
def test_names_the_mistake(tmp_path, before, after, message):
    path = tmp_path / "mine.yaml"
    text = (FOLDER / "zcu104.yaml").read_text()
    path.write_text(text)
    assert find_device(str(path)).name == "mine"
    assert before in text
    path.write_text(text.replace(before, after))
    assert refusal(str(path)) == f"{path}: {message}"


def test_names_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "mine.yaml"
    rule = "must be a readable text file, not missing; check the path"
    assert refusal(str(path)) == f"{path} {rule}"


def refusal(name):
    with pytest.raises(InputError) as refused:
        find_device(name)
    return str(refused.value)
