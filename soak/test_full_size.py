"""A layer of Mamba2-2.7B, full size, on the published parallelism and port, schedule by schedule.

Codes must be equal, cycles as predicted; with its state on chip the layer must keep the port busy.
"""

import pytest

from codegen.designs import find_design
from hwsim.devices import memory_of
from models.networks.machine import machine_config
from models.networks.random import random_parameters
from models.networks.shape import Mamba2Shape
from models.networks.stream import row_packet, spill_parts, token_packets
from reports.run import run_network

LAYER = Mamba2Shape(d_model=2560, layers=1, heads=80, head_dim=64, state=128, vocab=64)
PUBLISHED, PUBLISHED_PORT = 866_852, 681_000
"""Cycles of a layer and token in LightMamba (7.21 tokens/s at 400 MHz through 64 layers), and what
its own port of 12 GB/s allows."""


@pytest.mark.parametrize(
    "schedule",
    [
        "state.placement=chip",
        "state.placement=chip order=naive",
        "state.placement=memory",
        "state.placement=memory state.buffers=1",
    ],
)
def test_layer_of_2_7b(schedule, tmp_path):
    design = find_design("lightmamba-vck190", ("precision=w4a4", *schedule.split()))
    report = run_network(random_parameters(LAYER), design, [3, 40], 1, tmp_path, print)
    assert report.equal
    assert report.cycles["predicted"] == report.cycles["measured"]

    config = machine_config(LAYER, design)
    packets = (row_packet(config), *token_packets(config))
    words = sum(packet.words(config.fetch) for packet in packets)
    written = sum(part.words for part in spill_parts(config))
    port = (words + written) / memory_of(design).rate
    multipliers = (LAYER.in_proj_rows + LAYER.inner) * LAYER.d_model // 64
    worst = max(report.cycles["per_token"])
    print(
        f"{schedule}: {worst} cycles a token; the port allows {float(port):.0f}, the multipliers "
        f"{multipliers}; LightMamba needs about {PUBLISHED} where its port allows "
        f"{PUBLISHED_PORT}, both with the state in memory"
    )
    if schedule == "state.placement=chip":
        assert worst <= 1.03 * max(port, multipliers)
