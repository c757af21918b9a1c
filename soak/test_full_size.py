"""A layer of Mamba2-2.7B, full size, on the published parallelism and port, schedule by schedule.

Codes must be equal, cycles as predicted; with its state on chip the layer must keep the port busy.
"""

from dataclasses import replace

import pytest

from codegen.designs import find_design
from hwsim.devices import memory_of
from models.networks.machine import machine_config
from models.networks.random import random_parameters
from models.networks.shape import Mamba2Shape
from reports.estimate import traffic
from reports.run import run_network

LAYER = Mamba2Shape(d_model=2560, layers=1, heads=80, head_dim=64, state=128, vocab=64)
PUBLISHED, PUBLISHED_PORT = 866_852, 681_000
"""Cycles of a layer and token in LightMamba (7.21 tokens/s at 400 MHz through 64 layers), and what
its own port of 12 GB/s allows."""


@pytest.mark.parametrize("fraction", [0.9375, 1.0], ids=["12 GB/s", "12.8 GB/s"])
@pytest.mark.parametrize(
    "schedule",
    [
        "state.placement=chip",
        "state.placement=chip order=naive",
        "state.placement=memory",
        "state.placement=memory state.buffers=1",
    ],
)
def test_layer_of_2_7b(schedule, fraction, tmp_path):
    """Behind the port the board's memory, 12 GB/s, or one with a word for every cycle."""
    design = find_design("lightmamba-vck190", ("precision=w4a4", *schedule.split()))
    memory = replace(memory_of(design), fraction=fraction)
    report = run_network(random_parameters(LAYER), design, [3, 40], 1, tmp_path, print, memory)
    assert report.equal
    assert report.cycles["predicted"] == report.cycles["measured"]

    config = machine_config(LAYER, design)
    port = float(sum(traffic(config)) / memory.rate)
    multipliers = (LAYER.in_proj_rows + LAYER.inner) * LAYER.d_model // 64
    worst = max(report.cycles["per_token"])
    print(
        f"{schedule}, {memory.bandwidth / 1e9:.1f} GB/s: {worst} cycles a token; the port allows "
        f"{port:.0f}, the multipliers {multipliers}; LightMamba needs about {PUBLISHED} where its "
        f"port allows {PUBLISHED_PORT}, at 12 GB/s with the state in memory"
    )
    if "naive" not in schedule and "buffers=1" not in schedule:
        assert worst <= 1.03 * max(port, multipliers)


@pytest.mark.parametrize("name", ["best-vck190", "best-u280"])
def test_layer_of_2_7b_on_the_best_designs(name, tmp_path):
    """With 4,096 multipliers and 32 ports, the simulation is a quarter of an hour in the making."""
    design = find_design(name)
    report = run_network(random_parameters(LAYER), design, [3, 40], 1, tmp_path, print)
    assert report.equal
    assert report.cycles["predicted"] == report.cycles["measured"]
    print(f"{name}: {report.cycles['per_token']} cycles a token, as predicted")
