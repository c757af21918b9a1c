"""Measures: what an exploration knows of a design is what its estimate says."""

import numpy as np
import pytest

from hwsim.closed_form import Designs
from hwsim.devices import find_device
from hwsim.logic import logic, total
from hwsim.measures import LOGIC, costly
from models.networks.machine import machine_config
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
