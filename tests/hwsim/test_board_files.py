"""The boards that come along: their numbers agree with each other and with vendors' totals."""

import re
from typing import get_args

import pytest

from hwsim.devices import FOLDER, find_device, names
from hwsim.devices.families import FAMILIES, FamilyName
from hwsim.storage import BLOCK_RAM

ON_CHIP_MB = {
    "arty-a7-100t": (4.7, 0),
    "kv260": (5.1, 18.0),
    "u250": (94.5, 360.0),
    "u280": (70.9, 270.0),
    "u50": (47.3, 180.0),
    "u55c": (70.9, 270.0),
    "ulx3s-85f": (3.7, 0),
    "vc709": (51.7, 0),
    "vck190": (34.0, 130.2),
    "vhk158": (89.3, 365.9),
    "zcu102": (32.1, 0),
    "zcu104": (11.0, 27.0),
}
"""Megabits (2**20 bits) of block RAM and UltraRAM, as the vendors' tables of devices have them."""

PARTS = {
    "LFE5": "ecp5",
    "XC7": "7series",
    "XCK": "ultrascale_plus",
    "XCU": "ultrascale_plus",
    "XCVC": "versal",
    "XCVH": "versal",
    "XCZU": "ultrascale_plus",
}
"""Families by how the names of their parts begin."""

DDR = re.compile(r"bytes_per_s: .*# (?:(\d+) x )?(\d+) bits, ([\d,]+) M(?:T/s|Hz)")
HBM = re.compile(r"bytes_per_s: .*# (\d+) channels of ([\d.]+) GB/s")

each_board = pytest.mark.parametrize("name", names())


def noted_peak(text):
    """Bytes in a second, by the widths and rates in the comment beside the peak."""
    if found := HBM.search(text):
        return int(found[1]) * float(found[2]) * 1e9
    parts, bits, rate = DDR.search(text).groups()
    return int(parts or 1) * int(bits) / 8 * float(rate.replace(",", "")) * 1e6


@each_board
def test_block_ram_is_as_the_synthesis_describes_it(name):
    """It is the same on all families."""
    block_ram = find_device(name).block_ram
    assert (block_ram.bits, block_ram.shapes) == (BLOCK_RAM.bits, BLOCK_RAM.shapes)


@each_board
def test_the_memorys_peak_is_its_width_times_its_rate(name):
    memory = find_device(name).memory
    assert memory.bytes_per_s == pytest.approx(noted_peak((FOLDER / f"{name}.yaml").read_text()))
    assert memory.channels <= memory.ports
    assert memory.channel_bits <= memory.max_port_bits


@each_board
def test_a_port_gets_no_more_than_the_memory_has(name):
    device = find_device(name)
    model = device.memory_model(device.memory.max_port_bits)
    assert 0 < model.bandwidth < device.memory.bytes_per_s


@each_board
def test_memory_blocks_add_up_to_the_vendors_total(name):
    device = find_device(name)
    kinds = (device.block_ram, device.ultra_ram)
    megabits = [kind.total_bits / 2**20 if kind else 0 for kind in kinds]
    assert megabits == pytest.approx(ON_CHIP_MB[name], abs=0.06)


@each_board
def test_the_family_is_that_of_the_part(name):
    device = find_device(name)
    fitting = {family for start, family in PARTS.items() if device.part.startswith(start)}
    assert fitting == {device.family}


@each_board
def test_every_lut_has_its_flip_flops(name):
    device = find_device(name)
    assert device.ff == (1 if device.family == "ecp5" else 2) * device.lut


@each_board
def test_only_assumed_numbers_of_the_chip_are_marked_so(name):
    device = find_device(name)
    trust = {device.trust(key) for key in ("lut", "ff", "dsp", "block_ram")}
    assert trust == {"assumed" if name == "vhk158" else "data sheet"}
    assert device.static_w is None or device.trust("static_w") == "assumed"


def test_every_family_is_described():
    assert get_args(FamilyName) == tuple(FAMILIES)
    for family in FAMILIES.values():
        assert family.source.startswith("data sheet")
        assert sum(family.multiplier) >= 16 * family.int8_products
