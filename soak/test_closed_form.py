"""The closed form against the engine on 1,000 seeded designs, and how many it does in a second."""

import random
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np

from codegen.designs import find_design
from hwsim.closed_form import Designs, cycles_per_token
from hwsim.devices import CLOCK_HZ
from hwsim.engine import predict
from hwsim.memory import MemoryModel
from models.design import Design
from models.errors import InputError
from models.networks.machine import machine_config
from models.networks.shapes import SHAPES, find_shape
from reports.validate import Pair, draw

EXTREME, USUAL = 900, 100
"""Of the 1,000: random pairs as `puffadder validate` draws them, and published layers on designs
that one would build."""
TOKENS = 8
MANY = 1_000_000
AXES = {
    "lanes": [4, 8, 16],
    "matvec.rows": [16, 32, 64],
    "matvec.columns": [4, 8, 16, 32],
    "scan.channels": [1, 2, 4],
    "scan.states": [8, 16, 32, 64],
    "precision": ["w4a4", "w4a8", "w8a8"],
    "memory.port_bits": [128, 256, 512],
    "memory.burst": [16, 32, 64, 128],
    "memory.outstanding": [2, 4, 8, 16],
    "memory.prefetch": [64, 256, 512, 1024],
    "order": ["interleaved", "naive"],
    "state.placement": ["chip", "memory"],
    "state.buffers": [1, 2],
}


def draw_usual(index: int) -> Pair:
    """One or two layers of a published shape, a short head, and a design of usual proportions."""
    pick = random.Random(f"usual/{index}").choice
    while True:
        shape = replace(
            SHAPES[pick(sorted(SHAPES))], layers=pick([1, 2]), vocab=pick([64, 256, 1000])
        )
        lanes, bits = pick([4, 8, 16]), pick([128, 256, 512, 1024])
        port = {
            "port_bits": bits,
            "burst": pick([16, 32, 64, 128]),
            "outstanding": pick([4, 8, 16]),
        }
        raw = {
            "name": f"usual-{index}",
            "lanes": lanes,
            "matvec": {"rows": lanes * pick([1, 2, 4]), "columns": pick([8, 16, 32])},
            "scan": {"channels": pick([1, 2, 4]), "states": pick([8, 16, 32])},
            "memory": port | {"prefetch": pick([64, 256, 512, 1024])},
            "order": pick(["interleaved", "interleaved", "naive"]),
            "state": {"placement": pick(["chip", "memory"]), "buffers": pick([1, 2])},
            "precision": pick(["w8a8", "w4a8", "w4a4"]),
        }
        interval, cycles = pick([(0, 0), (780, 35)])
        memory = MemoryModel(
            bits, CLOCK_HZ, latency=pick([32, 60, 100]), fraction=pick([1.0, 0.9375, 0.8]),
            refresh_interval=interval, refresh_cycles=cycles,
        )  # fmt: skip
        with suppress(InputError):
            design = Design.model_validate(raw)
            machine_config(shape, design)
            return Pair(design.name, shape, design, memory)


def error(pair: Pair, tokens: int) -> float:
    """Of the closed form, relative to the engine's mean over `tokens`."""
    machine = machine_config(pair.shape, pair.design)
    edges = predict(machine, 1, tokens + 1, pair.memory).token_edges
    cycles = cycles_per_token(pair.shape, Designs.of([pair.design], [pair.memory]))
    return float(cycles.total[0] * tokens / (edges[-1] - edges[0]) - 1)


def told(name: str, errors: list[float]) -> str:
    sizes = np.abs(errors)
    return (
        f"{name}: {len(sizes)} designs, error median {np.median(sizes):.3%}, 90th percentile "
        f"{np.percentile(sizes, 90):.2%}, worst {sizes.max():.1%}, mean {np.mean(errors):+.2%}; "
        f"{np.mean(sizes <= 0.02):.1%} within 2 %"
    )


def test_closed_form_is_near_the_engine():
    extreme = [error(draw(11, index), TOKENS) for index in range(EXTREME)]
    usual = [error(draw_usual(index), 2) for index in range(USUAL)]
    print(told("extreme", extreme))
    print(told("usual", usual))
    assert np.median(np.abs(extreme)) < 0.015
    assert np.median(np.abs(usual)) < 0.001
    assert np.mean(np.abs(usual) <= 0.02) >= 0.9


def test_a_million_designs():
    """CPU seconds of one core, with the units of each parallelism, on Mamba2-2.7B."""
    designs = Designs.grid(find_design("lightmamba-vck190", ()), AXES, numbers=range(MANY))
    shape = find_shape("mamba2-2.7b")
    cycles_per_token(shape, designs)
    begin = time.process_time()
    cycles = cycles_per_token(shape, designs)
    seconds = time.process_time() - begin
    print(f"{MANY / seconds / 1e6:.2f} million designs/s")
    print(f"{np.isnan(cycles.total).mean():.1%} of them do not fit the network")
    assert MANY / seconds > 300_000
