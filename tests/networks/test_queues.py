"""Queues of fetch: their depths are the same as numbers and as arrays of designs."""

from itertools import product

import numpy as np
import pytest

from codegen.designs import find_design
from models.networks.layer import layer_units
from models.networks.machine import machine_config
from models.networks.queues import Load, depths, loads
from models.units.fetch import per_word, waiting_bits
from models.units.spill import SpillConfig
from tests.networks.examples import GROUPED, PLAIN

PORTS = list(product([64, 256, 1024], [3, 8, 100], [1, 2]))


@pytest.mark.parametrize("shape", [PLAIN, GROUPED], ids=["plain", "grouped"])
@pytest.mark.parametrize("placement", ["chip", "memory"])
def test_arrays_say_what_each_machine_has(shape, placement):
    state = f"state.placement={placement}"
    design = find_design("tiny", (state,))
    units = layer_units(shape, design, shape.layers)
    taken = loads(shape, units, design.precision)
    port_bits, prefetch, buffers = np.array(PORTS).T
    many = depths(taken, port_bits, prefetch, buffers)
    for number, port in enumerate(PORTS):
        keys = ("memory.port_bits", "memory.prefetch", "state.buffers")
        changes = (f"{key}={value}" for key, value in zip(keys, port, strict=True))
        fetch = machine_config(shape, find_design("tiny", (state, *changes))).fetch
        assert list(taken) == [target.name for target in fetch.targets]
        for at, target in enumerate(fetch.targets):
            assert many[target.name][number] == target.depth, target.name
            bits = target.beat.bits
            assert waiting_bits(bits, per_word(bits, port[0])) == fetch.waiting(at).bits


TAKEN = {
    "roles": Load(24, 3, 2),
    "sources": Load(24),
    "weights": Load(32, 8, 16),
    "scales": Load(24, 2, 4),
    "state": Load(40, 10),
}


def test_depths_by_hand():
    """On 64 bits, two in a word but for the state. 20 weights are 10 words, 2 tiles of 8 and 4 more
    or one of 16 and 4; their 11 places are ahead of the scales of 4 tiles or of 3.
    """
    expected = {"roles": 2 + 1 + 1, "sources": 3, "weights": 10 + 1, "scales": 3 * 2 + 1}
    assert depths(TAKEN, 64, 20, 2) == expected | {"state": 20}
    assert depths(TAKEN, 64, 20, 1) == expected | {"state": 3}


@pytest.mark.parametrize("port_bits", [64, 128, 1024])
def test_a_long_state_waits_in_the_parts_that_travel(port_bits):
    design = find_design("tiny", ("state.placement=memory",))
    units = layer_units(PLAIN, design, PLAIN.layers)
    taken = loads(PLAIN, units, design.precision)
    beats = 200_000
    long = taken | {"state": taken["state"]._replace(first=beats)}
    spill = SpillConfig(port_bits, units.scan.state_beat)
    places = sum(-(-part // spill.per_word) for part in spill.lengths(beats))
    depth = depths(long, port_bits, 64, 2)["state"]
    assert depth == 2 * places + (spill.per_word > 1)
