"""Measures: what an exploration knows of a design is what its estimate says."""

from contextlib import suppress

import numpy as np
import pytest

from hwsim.closed_form import Designs, cycles_per_token
from hwsim.devices import find_device, memory_of
from hwsim.logic import logic, total
from hwsim.measures import LOGIC, MEASURES, OF_BOARD, OF_ENERGY, costly, measures
from hwsim.resources import memories, place
from models.errors import InputError
from models.networks.machine import machine_config
from reports.energy import design_energy
from reports.estimate import traffic
from tests.hwsim.test_footprints import DRAWN, SHAPES


@pytest.mark.parametrize("board", ["vck190", "ulx3s-85f"])
@pytest.mark.parametrize("name", ["mamba2-2.7b", "groups"])
def test_logic_is_that_of_each_design(name, board):
    """Whatever the parallelism and the ports, the prefetch, the bursts and the buffers."""
    shape, device = SHAPES[name], find_device(board)
    drawn = [design.model_copy(update={"device": None}) for design in DRAWN]
    table = costly(shape, drawn[0], Designs.of(drawn), device).table
    fitting = np.flatnonzero(table["rule"] == 0)
    for number in fitting:
        taken = total(logic(machine_config(shape, drawn[number]), device.family))
        told = {of: table[of][number] for of in LOGIC}
        assert told == {of: getattr(taken, of) for of in LOGIC}, drawn[number].name
    assert len(fitting) > 30


def drawn_for(board):
    """Those of the drawn designs whose ports a board has, on that board."""
    found = []
    for design in DRAWN:
        with suppress(InputError):
            on_board = design.model_copy(update={"device": board})
            memory_of(on_board)
            found.append(on_board)
    return found


def alone(shape, design, device):
    """All measures of one design; None where it does not fit the network."""
    try:
        machine = machine_config(shape, design)
    except InputError:
        return None
    (cycles,), memory = cycles_per_token(shape, Designs.of([design])).total, memory_of(design)
    taken, placed = total(logic(machine, device.family)), place(memories(machine), device)
    moved = sum(traffic(machine)) * machine.fetch.port_bits / 8
    joules = float(design_energy(machine, device, cycles, memory.clock_hz, moved).total)
    rate = memory.clock_hz / cycles
    return {
        "tokens_per_second": rate,
        "cycles_per_token": cycles,
        "bytes_per_token": moved,
        "memory_bandwidth": memory.bandwidth,
        "joules_per_token": joules,
        "watts": joules * rate,
        "block_ram": placed.block_ram,
        "ultra_ram": placed.ultra_ram,
    } | {name: getattr(taken, name) for name in LOGIC}


@pytest.mark.parametrize("board", ["ulx3s-85f", "zcu104", "u280"])
def test_measures_are_those_of_each_design(board):
    """With refreshes and several ports, and with the state on chip and in memory."""
    shape, device, drawn = SHAPES["mamba2-130m"], find_device(board), drawn_for(board)
    designs = Designs.of(drawn)
    found = measures(shape, designs, costly(shape, drawn[0], designs, device), device)
    assert found.keys() == MEASURES.keys() - {"divergence"}
    kinds = set()
    for number, design in enumerate(drawn):
        told = {name: values[number] for name, values in found.items()}
        if expected := alone(shape, design, device):
            assert told == pytest.approx(expected), design.name
            kinds.add((design.memory.ports > 1, design.state.placement))
        else:
            assert np.isnan(told["cycles_per_token"])
    assert len(kinds) == (2 if device.memory.ports == 1 else 4)


def test_what_is_not_known_is_left_out():
    """The energy on a board whose static power nobody knows, and all of a board without one."""
    shape, drawn, board = SHAPES["small"], drawn_for("vck190")[:2], find_device("vck190")
    designs = Designs.of(drawn)
    for device, left_out in ((board, OF_ENERGY), (None, (*OF_ENERGY, *OF_BOARD))):
        found = measures(shape, designs, costly(shape, drawn[0], designs, device), device)
        assert found.keys() == MEASURES.keys() - {"divergence", *left_out}
