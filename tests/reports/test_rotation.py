"""The price of the online rotation: there when there is a Hadamard unit, and only its own."""

import pytest

from codegen.designs import find_design
from hwsim.devices import memory_of
from hwsim.engine import predict
from models.checkpoints import bundled
from models.checkpoints.reader import read_shape
from models.networks.machine import machine_config
from reports.rotation import rotation_price

SHAPE, ROTATED = read_shape(bundled()), "precision.hadamard=true"

READ = [3, 17, 5, 9]


def price(*overrides):
    given = find_design("tiny", overrides)
    config, memory = machine_config(SHAPE, given), memory_of(given)
    cycles = predict(config, 2, 3, memory, tokens=READ).cycles
    return rotation_price(config, 2, 3, memory, READ), cycles


def test_no_rotation_costs_nothing():
    assert price()[0] == {}


@pytest.mark.verilog
def test_it_costs_the_cycles_and_the_unit():
    (_, without), (found, cycles) = price(), price(ROTATED)
    assert found["cycles_without"] == without < cycles < 1.02 * without
    assert found["target"] == "ultrascale_plus"
    unit = machine_config(SHAPE, find_design("tiny", (ROTATED,))).units.hadamard
    bits = unit.lanes * unit.o.width
    # Each of the passes over a vector has its adders, and registers around them.
    assert 8 * bits < found["unit_luts"] < 100 * bits
    assert 8 * bits < found["unit_registers"] < 100 * bits
    assert found["unit_bits"] > unit.width * unit.o.width


@pytest.mark.verilog
def test_the_boards_family_is_what_the_unit_is_mapped_to():
    assert price(ROTATED, "device=ulx3s-85f")[0]["target"] == "ecp5"
