"""The port of the closed form: what refreshes cost a port whose bursts wait for each other."""

import numpy as np
import pytest

from hwsim.closed_form import Designs
from hwsim.memory import MemoryModel, ReadPort
from hwsim.passes.token import refreshed_periods
from models.design import Design
from models.memory_port import ReadPortConfig

MEMORIES = {
    "in step": (60, 1.0, 780, 35, 32, 1),
    "never hit": (60, 0.9375, 780, 35, 64, 1),
    "longer than a burst": (20, 1.0, 780, 35, 16, 1),
    "two bursts": (100, 0.9375, 1560, 70, 64, 2),
    "four bursts": (90, 1.0, 200, 20, 16, 4),
}
"""latency, fraction, cycles between refreshes and of one, words of a burst, bursts outstanding."""


def design(burst, outstanding):
    port = {"port_bits": 64, "burst": burst, "outstanding": outstanding}
    return Design.model_validate(
        {"name": "d", "lanes": 4, "matvec": {"rows": 4, "columns": 4},
         "scan": {"channels": 1, "states": 4}, "memory": port}
    )  # fmt: skip


@pytest.mark.parametrize("name", MEMORIES)
def test_bursts_come_as_often_as_the_read_port_takes_them(name):
    latency, fraction, interval, cycles, burst, outstanding = MEMORIES[name]
    memory = MemoryModel(64, 1e8, latency, fraction, interval, cycles)
    taken = ReadPort(ReadPortConfig(64, burst=burst, outstanding=outstanding), memory)
    edges = taken.read(0, 1200 * burst * outstanding)
    ends = edges[burst * outstanding - 1 :: burst * outstanding]
    periods = np.zeros(1)
    refreshed_periods(Designs.of([design(burst, outstanding)], [memory]).table, periods)
    assert periods[0] == pytest.approx((ends[-1] - ends[199]) / (len(ends) - 200), rel=0.004)
