"""A run that leaps over what repeats does the same work in nearly the same cycles."""

from dataclasses import replace

import numpy as np
import pytest
from numba import njit

from hwsim import engine
from hwsim.engine import predict
from hwsim.memory import MemoryModel
from hwsim.parts import leaps
from hwsim.parts.positions import ANY, ASKED, BEATS, DOWN, FED, INDEX, LEVEL, PARTS, UP
from models.design import Design
from models.networks.machine import machine_config
from models.networks.shape import Mamba2Shape
from models.precision import NAMED
from reports.validate import draw

DEEP = Mamba2Shape(d_model=256, layers=8, heads=32, head_dim=32, state=16, vocab=4000)
QUICK = MemoryModel(128, 200e6, latency=40)
SLOW = replace(QUICK, fraction=0.925)
REFRESHED = replace(QUICK, refresh_interval=200, refresh_cycles=9)


def design(lanes=4, rows=8, columns=8, states=8, rotated=False, **others):
    precision = NAMED["w4a4"].model_copy(update={"hadamard": rotated})
    return Design.model_validate(
        {
            "name": "leaping",
            "lanes": lanes,
            "matvec": {"rows": rows, "columns": columns},
            "scan": {"channels": 1, "states": states},
            "memory": {"port_bits": 128, "burst": 16, "outstanding": 4, "prefetch": 64},
            "precision": precision,
            **others,
        }
    )


@pytest.mark.parametrize(
    ("memory", "share"),
    [(QUICK, 0.19), (SLOW, 0.32), (REFRESHED, 0.6)],
    ids=["quick", "slow", "refreshed"],
)
@pytest.mark.parametrize(
    "chosen",
    [
        design(),
        design(rotated=True),
        design(order="naive"),
        design(state={"placement": "memory"}),
    ],
    ids=["chip", "rotated", "naive", "memory"],
)
def test_the_work_is_the_same(chosen, memory, share, monkeypatch):
    monkeypatch.setattr(engine, "LEAST", 256)
    machine = machine_config(DEEP, chosen)
    every = predict(machine, 2, 2, memory)
    leapt = predict(machine, 2, 2, memory, leap=True)
    assert every.stepped == every.cycles
    assert leapt.stepped < share * leapt.cycles
    for unit, at in leapt.units.items():
        assert at["busy"] == every.units[unit]["busy"]
        assert sum(at.values()) == leapt.cycles
    assert leapt.cycles == pytest.approx(every.cycles, rel=5e-4, abs=0)
    tokens = zip([0, *leapt.token_edges], leapt.token_edges, leapt.per_token, strict=False)
    for before, edge, units in tokens:
        assert {sum(at.values()) for at in units.values()} == {edge - before}
    for mine, other in zip(leapt.per_token, every.per_token, strict=True):
        # What fetches ahead does so over a token's edge.
        behind = mine.keys() - {"fetch"}
        assert {unit: mine[unit]["busy"] for unit in behind} == {
            unit: other[unit]["busy"] for unit in behind
        }


@pytest.mark.parametrize("seed", [*range(12), 107])
def test_however_short_a_period_is(seed, monkeypatch):
    """Networks of some hundred cycles a layer, on which an edge more or less counts."""
    monkeypatch.setattr(engine, "LEAST", 8)
    pair = draw(seed, 0)
    shape = replace(pair.shape, layers=6 * pair.shape.layers, vocab=4 * pair.shape.vocab)
    machine = machine_config(shape, pair.design)
    every = predict(machine, 1, 2, pair.memory)
    leapt = predict(machine, 1, 2, pair.memory, leap=True)
    busy = {unit: at["busy"] for unit, at in every.units.items()}
    assert {unit: at["busy"] for unit, at in leapt.units.items()} == busy
    assert leapt.cycles == pytest.approx(every.cycles, rel=1e-3, abs=0)


_repeats = njit(leaps._repeats.py_func)


@pytest.mark.parametrize("which", ["s", "valid"])
@pytest.mark.parametrize("look", range(3))
def test_the_machine_stands_alike_at_all_looks(which, look):
    """Or else what it did in both periods is not what it does in all others."""
    shape = 2, leaps.LOOKS, 1
    past = leaps.Past(
        positions=np.zeros((0, 6), np.int64),
        same=np.ones((1, 1), bool),
        beside_memory=np.ones(1, bool),
        s=np.zeros((*shape, 1), np.int64),
        valid=np.zeros(shape, bool),
        counts=np.zeros((*shape, 1), np.int64),
        edges=np.tile(100 * np.arange(leaps.LOOKS), (2, 1)),
        looks=np.zeros(2, np.int64),
    )
    assert _repeats(past, leaps.TILES, 0, 1, 2)
    getattr(past, which)[leaps.TILES, look] = 1
    assert not _repeats(past, leaps.TILES, 0, 1, 2)


_alike = njit(leaps._alike.py_func)


@pytest.mark.parametrize(
    ("how", "column", "periods"),
    [
        (INDEX, 0, 4),
        (INDEX, 1, 4),
        (PARTS, 1, 6),
        (PARTS, 2, 4),
    ],
)
def test_rows_that_differ_end_a_leap(how, column, periods):
    """But for places of spilled parts: of eight periods of two rows, the seventh differs."""
    table = np.tile([[1, 0, 5], [2, 0, 6]], (8, 1))
    table[12, column] += 1
    place = np.array([0, 0, how, 100, 3, len(table)])
    tables = np.concatenate((np.zeros(100, np.int64), table.ravel()))
    assert _alike(tables, place, 2, 2, 40) == periods


_room = njit(leaps._room.py_func)


@pytest.mark.parametrize(
    ("position", "by", "room"),
    [
        ((0, 0, LEVEL, 30), 2, 9),
        ((0, 0, LEVEL, 30), -2, 20),
        ((0, 0, UP, 30), 2, 9),
        ((0, 0, UP, 30), -2, 0),
        ((0, 0, DOWN, 0), -2, 19),
        ((0, 0, DOWN, 0), 2, 0),
        ((0, 0, BEATS, 100, 2, 2), 3, 4),
        ((0, 0, BEATS, 100, 2, 3), 3, 0),
        ((0, 0, FED, 30, 2, 8), 0, leaps.FOR_EVER),
        ((0, 0, FED, 30, 2, 8), 2, 9),
        ((0, 0, FED, 30, 1, 8), 0, 32),
        ((0, 0, FED, 30, 1, 8), 1, 0),
        ((0, 0, FED, 21, 1, 8), 0, 0),
        ((0, 0, ASKED, 0), -7, 20),
        ((0, 0, ANY, 0), 7, leaps.FOR_EVER),
        ((0, 0, INDEX, 100, 2, 3), 0, leaps.FOR_EVER),
    ],
)
def test_a_register_ends_a_leap(position, by, room):
    """It is at 20; the part that may take words has made 5 beats of them in a period, or none."""
    before = np.array([[20 - by, 0, 1, 0], [0, 6, 0, 0], [0, 11, 0, 0]])
    s = np.array([[20, 0, 1, 1], [0, 11, 0, 0], [0, 11, 0, 0]])
    tables = np.concatenate((np.zeros(100, np.int64), [9, 0, 25, 0]))
    place = np.array((*position, 0, 0)[:6])
    assert max(0, _room(tables, place, before, s, by)) == room
