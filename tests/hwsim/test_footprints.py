"""Footprints: of many designs, exactly what `hwsim.resources` says of each."""

import random
from dataclasses import replace

import numpy as np
import pytest

from codegen.designs import find_design
from hwsim.closed_form import Designs
from hwsim.devices import find_device
from hwsim.footprints import footprints
from hwsim.memory import MemoryModel
from hwsim.resources import memories, place
from models.design import Design
from models.errors import InputError
from models.formats import Fixed
from models.networks.machine import machine_config
from models.networks.shapes import MAMBA2_SHAPES
from models.precision import NAMED

BOARDS = ("kv260", "vck190", "ulx3s-85f", "u280")
PRECISIONS = (
    *NAMED.values(),
    NAMED["w4a4"].model_copy(update={"hadamard": True, "weight_group": 64}),
    NAMED["w8a8"].model_copy(update={"weight_scale": "mantissa", "group": 16}),
)
SHAPES = {
    "mamba2-130m": MAMBA2_SHAPES["mamba2-130m"],
    "mamba2-2.7b": MAMBA2_SHAPES["mamba2-2.7b"],
    "groups": replace(MAMBA2_SHAPES["mamba2-370m"], layers=8, groups=2, proj_bias=True),
    "small": replace(MAMBA2_SHAPES["mamba2-130m"], d_model=64, heads=2, state=16, layers=2),
}


def draw(index):
    """A design that an exploration may ask about, whether or not it is sensible."""
    pick = random.Random(f"footprints/{index}").choice
    lanes = pick([1, 2, 4, 8, 16, 64])
    return Design.model_validate(
        {
            "name": f"{index}",
            "lanes": lanes,
            "matvec": {"rows": lanes * pick([1, 2, 4, 8]), "columns": pick([2, 4, 8, 32])},
            "scan": {"channels": pick([1, 2]), "states": pick([1, 4, 16, 32])},
            "memory": {
                "port_bits": pick([64, 128, 256, 1024]),
                "outstanding": pick([1, 4, 16, 100, 3000]),
                "prefetch": pick([3, 16, 100, 1024, 50_000]),
                "ports": (1, 2, 1, 16)[index % 4],
            },
            "order": pick(["interleaved", "naive"]),
            "state": {"placement": pick(["chip", "memory"]), "buffers": pick([1, 2])},
            "precision": pick(PRECISIONS),
        }
    )


def alone(shape, design, device):
    """Where the memories of one design are; None where it does not fit the network."""
    try:
        return place(memories(machine_config(shape, design)), device)
    except InputError:
        return None


def told(shape, drawn, device):
    behind = MemoryModel(64, 1e8, latency=40)  # decides nothing here
    return footprints(shape, Designs.of(drawn, [behind] * len(drawn)), device)


DRAWN = [draw(index) for index in range(100)]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_blocks_are_those_of_each_design(shape, board):
    device = find_device(board)
    found = told(shape, DRAWN, device)
    for number, design in enumerate(DRAWN):
        placed = alone(shape, design, device)
        blocks = found.block_ram[number], found.ultra_ram[number]
        if placed is None:
            assert np.isnan(blocks).all()
            assert not found.fits[number]
        else:
            assert blocks == (placed.block_ram, placed.ultra_ram), design.name
            assert found.fits[number] == placed.fits, design.name


def test_the_drawn_designs_are_of_every_kind():
    found = told(SHAPES["mamba2-130m"], DRAWN, find_device("kv260"))
    refused = np.isnan(found.block_ram)
    assert refused.sum() > 10
    assert (~refused & ~found.fits).sum() > 10
    assert found.fits.sum() > 10


def test_an_embedding_finer_than_the_stream_is_refused():
    precision = NAMED["w4a4"].model_copy(update={"embedding": Fixed(16, 14)})
    design = find_design("lightmamba-vck190").model_copy(update={"precision": precision})
    assert alone(SHAPES["mamba2-130m"], design, find_device("vck190")) is None
    found = told(SHAPES["mamba2-130m"], [design], find_device("vck190"))
    assert np.isnan(found.block_ram[0])
    assert not found.fits[0]


def test_a_grid_is_as_each_design():
    base = find_design("lightmamba-vck190")
    axes = {
        "memory.prefetch": [64, 100_000],
        "lanes": [4, 8, 3],
        "state.placement": ["chip", "memory"],
        "memory.outstanding": [2, 200],
        "order": ["naive", "interleaved"],
        "state.buffers": [1, 2],
    }
    grid, shape, device = Designs.grid(base, axes), SHAPES["mamba2-130m"], find_device("vck190")
    whole = footprints(shape, grid, device)
    assert np.isnan(whole.block_ram).mean() == 1 / 3
    for number in range(0, len(grid), 7):
        one = Designs.grid(base, axes, numbers=range(number, number + 1))
        alone = footprints(shape, one, device)
        assert np.array_equal(alone.block_ram, whole.block_ram[[number]], equal_nan=True)
        assert alone.fits[0] == whole.fits[number]
