"""The best designs that were found: they are as fast as is said of them, within what is said."""

import pytest

from codegen.designs import find_design
from hwsim.closed_form import Designs, cycles_per_token
from hwsim.devices import device_of, memory_of
from hwsim.logic import logic, total
from hwsim.resources import require_fit
from models.networks.machine import machine_config
from models.networks.shapes import find_mamba2_shape

SHAPE = find_mamba2_shape("mamba2-2.7b")
LIGHTMAMBA = {"lut": 107_000, "dsp": 228, "ultra_ram": 61}
"""On VCK190 (arXiv 2502.15260, table IV), and 12 GB/s of its memory."""


@pytest.mark.parametrize(("name", "speed"), [("best-vck190", 8.0), ("best-u280", 200.0)])
def test_is_as_fast_as_is_said_on_its_board(name, speed):
    design = find_design(name)
    assert cycles_per_token(SHAPE, Designs.of([design])).tokens_per_second[0] > speed
    machine, device = machine_config(SHAPE, design), device_of(design)
    require_fit(machine, device)
    taken = total(logic(machine, device.family))
    assert taken.lut < device.lut
    assert taken.ff < device.ff
    assert taken.dsp < device.dsp


def test_keeps_within_what_lightmamba_takes_on_vck190():
    design = find_design("best-vck190")
    machine, device = machine_config(SHAPE, design), device_of(design)
    taken = total(logic(machine, device.family))
    assert taken.lut <= LIGHTMAMBA["lut"]
    assert taken.dsp <= LIGHTMAMBA["dsp"]
    assert require_fit(machine, device).ultra_ram <= LIGHTMAMBA["ultra_ram"]
    assert memory_of(design).bandwidth <= 12e9
