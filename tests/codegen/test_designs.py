"""The designs that come along: each fits the networks and the board that it is for."""

import pytest

from codegen.designs import find_design, names
from hwsim.devices import find_device
from hwsim.resources import require_fit
from models.checkpoints import bundled
from models.checkpoints.reader import read_checkpoint
from models.networks.machine import machine_config
from models.networks.shapes import MAMBA2_SHAPES

BUNDLED = read_checkpoint(bundled()).shape


@pytest.mark.parametrize("name", names())
def test_fits_the_bundled_network_and_its_board(name):
    design = find_design(name)
    machine = machine_config(BUNDLED, design)
    if design.device is not None:
        device = find_device(design.device)
        assert require_fit(machine, device).fits
        assert device.memory_model(machine.port.port_bits, design.clock_hz).bandwidth > 0


@pytest.mark.parametrize("shape", MAMBA2_SHAPES.values(), ids=MAMBA2_SHAPES)
@pytest.mark.parametrize(
    "name", [name for name in names() if name.startswith(("lightmamba", "best"))]
)
def test_has_units_for_the_published_networks(name, shape):
    machine_config(shape, find_design(name))


def test_tiny_has_no_board():
    assert find_design("tiny").device is None
