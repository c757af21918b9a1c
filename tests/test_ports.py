"""A machine of several memory ports computes what one of one port does, in predicted cycles."""

import pytest

from codegen.designs import find_design
from hwsim.memory import MemoryModel
from models.networks.random import random_parameters
from reports.run import run_network
from tests.codegen.examples import OVERRIDES, SHAPE, SPILLED

ALIKE = MemoryModel(128, 200e6, latency=25, fraction=0.9, refresh_interval=300, refresh_cycles=20)
ROUGH = MemoryModel(128, 200e6, latency=30, gap=0.3, jitter=20, outstanding=3, seed=1)
"""Channels that stall each on its own; no prediction is made of those."""


@pytest.mark.verilog
@pytest.mark.parametrize("memory", [ALIKE, ROUGH], ids=["alike", "rough"])
def test_codes_are_equal_and_cycles_predicted(memory, tmp_path):
    design = find_design("tiny", (*OVERRIDES, SPILLED, "memory.ports=2"))
    network = random_parameters(SHAPE)
    report = run_network(network, design, [3, 17], 3, tmp_path, print, memory)
    assert report.equal
    if memory is ALIKE:
        assert report.cycles["predicted"] == report.cycles["measured"]
        for unit, sides in report.cycles["units"].items():
            assert sides["predicted"] == sides["measured"], unit
