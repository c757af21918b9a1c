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


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("  clock_hz: assumed\n", "", "sources must be given for clock_hz, not missing"),
        ("lut, ff, dsp,", "dsp,", "sources must be given for lut, ff, not missing"),
        ("  static_w:", "  static:", "sources must be given for static_w, not missing"),
        ("memory.refresh_ns:", "memory.refresh:",
         "sources must be given for memory.refresh_ns, not missing"),
        ("static_w: 0.6\n", "", "sources must be of numbers of the board, not of static_w"),
        ("  clock_hz: assumed", "  clock_hz: guessed",
         "the source of clock_hz must begin with data sheet, board page, paper, measured or "
         "assumed, not 'guessed'"),
    ],
)  # fmt: skip
def test_every_number_has_a_source_and_nothing_else_has(tmp_path, before, after, message):
    path = changed(tmp_path, before, after)
    assert refusal(path) == f"{path}: device: {message}; correct it in the file"


def test_what_a_number_is_worth(tmp_path):
    path = changed(tmp_path, "  clock_hz: assumed", "  clock_hz: measured, on my bench")
    device = find_device(path)
    assert (device.trust("clock_hz"), device.source("clock_hz")) == (
        "measured", "measured, on my bench"
    )  # fmt: skip
    assert [device.trust(key) for key in ("dsp", "memory.bytes_per_s", "static_w")] == [
        "data sheet", "board page", "assumed"
    ]  # fmt: skip


def test_a_number_that_is_not_known_is_named_where_it_is_needed():
    device = find_device("vck190")
    assert device.static_w is None
    with pytest.raises(InputError) as refused:
        device.number("static_w")
    assert str(refused.value) == (
        "device vck190: static_w must be known here, not left out; "
        "add it, with its source, to a copy of the board's file"
    )
    assert find_device("u280").number("static_w") == 3.5
    assert device.number("memory.latency_ns") == 200


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
    tiny = find_device("ulx3s-85f").memory_model(16)
    assert (tiny.clock_hz, tiny.refresh_interval) == (50e6, 391)
    assert tiny.refresh_cycles == 4, "66 ns are 3.3 cycles, and a part of one is lost as a whole"


def test_several_ports_share_the_memory():
    """U280's 32 channels have 14.375 GB/s each, of which 92.4 % are sustained."""
    device = find_device("u280")
    one, many = device.memory_model(512, 200e6), device.memory_model(512, 200e6, 16)
    assert (many.port_bits, many.rate) == (16 * 512, one.rate)
    assert many.bandwidth == 16 * one.bandwidth
    fast = [device.memory_model(512, 400e6, ports).bandwidth for ports in (8, 16, 32)]
    assert fast == pytest.approx([8 * 25.6e9 * 0.924, 16 * 25.6e9 * 0.924, 460e9 * 0.924], rel=1e-3)
    dealt = device.memory.model_copy(update={"channels": 3})
    assert [dealt.share(ports) for ports in (1, 2, 4)] == pytest.approx([460e9, 460e9 / 3, 115e9])


def test_more_ports_than_the_memory_has_are_refused():
    with pytest.raises(InputError) as refused:
        memory_of(find_design("tiny", ("device=zcu104", "memory.ports=8")))
    assert str(refused.value) == (
        "device zcu104: memory.ports must be at most 4, not 8; use fewer ports, or another board"
    )


def test_a_port_that_is_too_wide_is_refused():
    with pytest.raises(InputError) as refused:
        find_device("zcu104").memory_model(256)
    assert str(refused.value) == (
        "device zcu104: memory.port_bits must be at most 128, not 256; "
        "use a narrower port, or another board"
    )


@pytest.mark.parametrize(
    ("changes", "clock_hz", "problem"),
    [
        ({"bytes_per_s": 5e5}, 300e6, "at 300 MHz and 1 x 64 bits: memory fraction must be in "
         "1/4096..1, a share of the port's peak, not 0.000199375"),
        ({"refresh_interval_ns": 488.0, "refresh_ns": 140.0}, 2e6, "at 2 MHz and 1 x 64 bits: "
         "memory refresh_cycles must be in 0..refresh_interval - 1, with refresh_interval = 1, "
         "not 1"),
    ],
)  # fmt: skip
def test_a_memory_that_cannot_be_is_told(changes, clock_hz, problem):
    device = find_device("zcu104")
    slow = device.model_copy(update={"memory": device.memory.model_copy(update=changes)})
    with pytest.raises(InputError) as refused:
        slow.memory_model(64, clock_hz)
    way_out = "take another clock or port, or correct the device's file"
    assert str(refused.value) == f"device zcu104 {problem}; {way_out}"


def test_the_memory_of_a_design(tmp_path):
    assert memory_of(find_design("tiny")) == MemoryModel(64, CLOCK_HZ, LATENCY)
    assert memory_of(find_design("tiny", ("clock_hz=50e6",))).clock_hz == 50e6
    assert memory_of(find_design("tiny", ("memory.ports=4",))).port_bits == 256
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
        ("arty", "did you mean arty-a7-100t?"),
        ("breadboard", "describe the board in a file"),
    ],
)
def test_names_a_board_that_is_not_there(name, way_out):
    rule = f"must be one of {', '.join(names())} or a file *.yaml"
    assert refusal(name) == f"device {name!r} {rule}; {way_out}"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("family: ultrascale_plus\n", "", f"family must be given; {KEYS}"),
        ("ultrascale_plus", "stratix",
         "family must be '7series', 'ultrascale', 'ultrascale_plus', 'versal' or 'ecp5', "
         "not 'stratix'; correct it in the file"),
        ("static_w: 0.6", "static_w: 0", "static_w must be more than 0.0, not 0; "
         "correct it in the file"),
        ("  ports: 4", "  ports: 0", "memory.ports must be at least 1, not 0; "
         "correct it in the file"),
        ("dsp: 1_728", "dps: 1", f"dsp must be given; dps must not be there; {KEYS}"),
        ("ultra_ram: {count", "ultra_ram: {blocks",
         "ultra_ram.count must be given; ultra_ram.blocks must not be there; ultra_ram has the "
         "keys count, bits, widths"),
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
    path = changed(tmp_path, before, after)
    assert refusal(path) == f"{path}: {message}"


def test_a_file_is_named_like_a_board(tmp_path):
    assert find_device(changed(tmp_path, "dsp: 1_728", "dsp: 1_000")).name == "mine"


def test_names_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "mine.yaml"
    rule = "must be a readable text file, not missing; check the path"
    assert refusal(str(path)) == f"{path} {rule}"


def changed(tmp_path, before, after):
    """The path of zcu104's file with a change."""
    text, path = (FOLDER / "zcu104.yaml").read_text(), tmp_path / "mine.yaml"
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    return str(path)


def refusal(name):
    with pytest.raises(InputError) as refused:
        find_device(name)
    return str(refused.value)
