"""The closed form against the engine on 1,000 seeded designs, and how many it does in a second."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from codegen.designs import find_design
from hwsim.closed_form import Designs, cycles_per_token
from hwsim.devices import CLOCK_HZ, memory_of, names
from hwsim.engine import predict
from hwsim.memory import MemoryModel
from models.design import Design
from models.errors import InputError
from models.networks.machine import machine_config
from models.networks.shapes import MAMBA2_SHAPES, find_shape
from models.precision import NAMED
from reports.validate import Pair, draw

EXPLORED, EXTREME = 1000, 900
"""Published layers on designs that one would explore; and random pairs as `puffadder validate`
draws them, of some hundred cycles a token, where each cycle counts."""
SEED = 31
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


def draw_explored(seed: int, index: int) -> Pair:
    """A layer or two of a published shape with a short head, on a design that one would explore.

    The multipliers take a quarter to eight times what the port's words hold; the memory is a
    board's, or one with refreshes.
    """
    pick = random.Random(f"explored/{seed}/{index}").choice
    while True:
        shape = MAMBA2_SHAPES[pick(sorted(MAMBA2_SHAPES))]
        layers = pick([1, 2]) if shape.d_model <= 1024 else 1
        shape = replace(shape, layers=layers, vocab=pick([64, 256, 1000]))
        raw = _explored(pick, f"explored-{seed}-{index}")
        memory, board = _memory(pick, raw["memory"]["port_bits"]), pick([None, None, *names()])
        with suppress(InputError):
            design = Design.model_validate(raw)
            multiplied = raw["matvec"]["rows"] * raw["matvec"]["columns"]
            port_bits = design.memory.port_bits
            share = multiplied * design.precision.weight_bits / port_bits
            machine_config(shape, design)
            if board:
                memory = memory_of(design.model_copy(update={"device": board}))
            if 0.25 <= share <= 8:
                return Pair(design.name, shape, design, memory)


def _explored(pick: Callable[[Sequence[Any]], Any], name: str) -> dict[str, Any]:
    lanes = pick([4, 8, 16])
    port = {
        "port_bits": pick([64, 128, 256, 512, 1024]),
        "burst": pick([16, 32, 64, 128, 256]),
        "outstanding": pick([1, 2, 4, 8, 16]),
        "prefetch": pick([64, 256, 512, 1024]),
    }
    rotated = {"hadamard": pick([False, False, True])}
    return {
        "name": name,
        "lanes": lanes,
        "matvec": {"rows": lanes * pick([1, 2, 4]), "columns": pick([4, 8, 16, 32])},
        "scan": {"channels": pick([1, 2, 4]), "states": pick([8, 16, 32, 64])},
        "memory": port,
        "order": pick(["interleaved", "interleaved", "naive"]),
        "state": {"placement": pick(["chip", "memory"]), "buffers": pick([1, 2])},
        "precision": NAMED[pick(["w8a8", "w4a8", "w4a4"])].model_dump() | rotated,
    }


def _memory(pick: Callable[[Sequence[Any]], Any], port_bits: int) -> MemoryModel:
    interval, cycles = pick([(0, 0), (780, 35), (1560, 70)])
    return MemoryModel(
        port_bits,
        CLOCK_HZ,
        latency=pick([32, 60, 100]),
        fraction=pick([1.0, 0.9375, 0.8]),
        refresh_interval=interval,
        refresh_cycles=cycles,
    )


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
        f"{np.percentile(sizes, 90):.2%}, 99th {np.percentile(sizes, 99):.2%}, "
        f"worst {sizes.max():.1%}, mean {np.mean(errors):+.2%}; "
        f"{np.mean(sizes <= 0.02):.1%} within 2 %"
    )


def test_closed_form_is_near_the_engine():
    explored = [error(draw_explored(SEED, index), 1) for index in range(EXPLORED)]
    print(told("explored", explored))
    extreme = [error(draw(SEED, index), TOKENS) for index in range(EXTREME)]
    print(told("extreme", extreme))
    assert np.median(np.abs(explored)) < 0.0001
    assert np.max(np.abs(explored)) < 0.02
    assert np.median(np.abs(extreme)) < 0.008
    assert np.mean(np.abs(extreme) <= 0.02) >= 0.705


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
    assert MANY / seconds > 1_000_000
