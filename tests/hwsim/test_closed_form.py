"""The closed form: its cycles are near the engine's, its words those of the stream."""

from dataclasses import replace

import numpy as np
import pytest

from hwsim.closed_form import Designs, cycles_per_token
from hwsim.engine import predict
from hwsim.memory import MemoryModel
from models.design import Design
from models.errors import InputError
from models.networks.layer import layer_units
from models.networks.machine import machine_config
from models.networks.shape import Mamba2Shape
from reports.estimate import bounds_of, traffic
from reports.validate import draw

TOKENS = 6
"""Over which the engine's cycles are averaged, since refreshes fall where they fall."""
SHAPE = Mamba2Shape(d_model=256, layers=2, heads=8, head_dim=64, state=64, vocab=128)
DESIGN = Design.model_validate(
    {
        "name": "usual",
        "lanes": 4,
        "matvec": {"rows": 8, "columns": 8},
        "scan": {"channels": 1, "states": 16},
        "memory": {"port_bits": 512, "burst": 64, "outstanding": 8, "prefetch": 256},
        "precision": "w4a4",
    }
)
MEMORY = MemoryModel(512, 1e8, latency=40, fraction=0.9375)
USUAL = {
    "as it is": {},
    "naive": {"order": "naive"},
    "two groups": {"groups": 2},
    "deep": {"layers": 9, "d_model": 128},
    "state in memory": {"state": {"placement": "memory", "buffers": 2}},
    "one buffer": {"state": {"placement": "memory", "buffers": 1}, "order": "naive"},
    "slow memory": {"fraction": 0.4},
    "one burst": {"memory": {"port_bits": 512, "burst": 16, "outstanding": 1, "prefetch": 64}},
    "short queue": {"memory": {"port_bits": 512, "burst": 16, "outstanding": 1, "prefetch": 8}},
    "many multipliers": {"matvec": {"rows": 32, "columns": 16}},
    "slow scan": {"scan": {"channels": 1, "states": 4}},
    "biases": {"proj_bias": True},
    "several ports": {
        "memory": {"port_bits": 64, "ports": 8, "burst": 64, "outstanding": 8, "prefetch": 256},
        "state": {"placement": "memory", "buffers": 2},
    },
    "state among weights that wait for it": {
        "matvec": {"rows": 4, "columns": 4},
        "memory": {"port_bits": 512, "burst": 64, "outstanding": 8, "prefetch": 16},
        "state": {"placement": "memory", "buffers": 2},
    },
    "state behind weights that found no room": {
        "matvec": {"rows": 4, "columns": 4},
        "memory": {"port_bits": 256, "burst": 16, "outstanding": 8, "prefetch": 16},
        "state": {"placement": "memory", "buffers": 2},
        "order": "naive",
    },
    "many written bursts between those read": {
        "matvec": {"rows": 32, "columns": 16},
        "scan": {"channels": 4, "states": 64},
        "memory": {"port_bits": 256, "burst": 8, "outstanding": 4, "prefetch": 256},
        "state": {"placement": "memory", "buffers": 2},
    },
    "written bursts wait for those read": {
        "memory": {"port_bits": 256, "burst": 32, "outstanding": 2, "prefetch": 64},
        "state": {"placement": "memory", "buffers": 1},
        "order": "naive",
    },
    "weights behind a state that is written": {
        "memory": {"port_bits": 256, "burst": 64, "outstanding": 1, "prefetch": 64},
        "state": {"placement": "memory", "buffers": 1},
    },
    "rotation": {"precision": {"weight_bits": 4, "hadamard": True}},
}


def engine(shape, design, memory):
    """Cycles of a token that follows from the one before."""
    edges = predict(machine_config(shape, design), 1, TOKENS + 1, memory).token_edges
    return (edges[-1] - edges[0]) / TOKENS


def closed(shape, design, memory):
    return cycles_per_token(shape, Designs.of([design], [memory]))


def usual(changes):
    shape = replace(SHAPE, **{key: value for key, value in changes.items() if hasattr(SHAPE, key)
                              and key != "state"})  # fmt: skip
    of_design = {key: value for key, value in changes.items() if key in Design.model_fields}
    design = Design.model_validate(DESIGN.model_dump() | of_design)
    return shape, design, replace(MEMORY, fraction=changes.get("fraction", MEMORY.fraction))


NEAR = {
    "deep": 0.01,
    "one burst": 0.002,
    "short queue": 0.04,
    "state among weights that wait for it": 0.001,
    "state behind weights that found no room": 0.004,
    "many written bursts between those read": 0.004,
    "written bursts wait for those read": 0.012,
    "weights behind a state that is written": 0.003,
}
"""Largest errors where they are larger than that of the others, 0.03 %."""


@pytest.mark.parametrize("name", USUAL)
def test_usual_designs_take_as_long_as_the_engine_says(name):
    case = usual(USUAL[name])
    assert closed(*case).total[0] == pytest.approx(engine(*case), rel=NEAR.get(name, 0.0003))


def test_extreme_designs_are_near_the_engine():
    """Bursts of four words, one outstanding, queues of three: half of them within 1.5 %."""
    pairs = [draw(3, index) for index in range(40)]
    errors = np.array(
        [
            closed(pair.shape, pair.design, pair.memory).total[0]
            / engine(pair.shape, pair.design, pair.memory)
            - 1
            for pair in pairs
        ]
    )
    assert np.median(abs(errors)) < 0.015
    assert abs(errors).max() < 0.2


def test_words_and_bounds_are_those_of_the_stream():
    for index in range(40):
        pair = draw(5, index)
        machine = machine_config(pair.shape, pair.design)
        cycles = closed(pair.shape, pair.design, pair.memory)
        assert (cycles.words_read[0], cycles.words_written[0]) == traffic(machine), pair.name
        bounds = bounds_of(machine, pair.memory)
        told = cycles.port[0], cycles.multipliers[0], cycles.scan[0]
        assert told == pytest.approx((bounds.port, bounds.multipliers, bounds.scan)), pair.name


def test_many_designs_are_as_each_alone():
    axes = {"matvec.rows": [4, 8], "precision": ["w4a4", "w8a8"], "memory.burst": [16, 256],
            "order": ["interleaved", "naive"], "memory.port_bits": [128, 256]}  # fmt: skip
    grid = Designs.grid(DESIGN, axes)
    cycles = cycles_per_token(SHAPE, grid)
    assert len(grid) == 32
    for number in (0, 5, 18, 31):
        one = Designs.grid(DESIGN, axes, numbers=range(number, number + 1))
        assert cycles_per_token(SHAPE, one).total[0] == cycles.total[number]
    last = Design.model_validate(
        DESIGN.model_dump()
        | {"matvec": {"rows": 8, "columns": 8}, "precision": "w8a8", "order": "naive",
           "memory": {"port_bits": 256, "burst": 256, "outstanding": 8, "prefetch": 256}}
    )  # fmt: skip
    assert cycles_per_token(SHAPE, Designs.of([last])).total[0] == cycles.total[31]
    assert np.allclose(cycles.tokens_per_second * cycles.total, cycles.clock_hz)
    assert (cycles.exposed >= 0).all()


def test_a_design_that_does_not_fit_says_why():
    grid = Designs.grid(DESIGN, {"lanes": [4, 128]})
    cycles = cycles_per_token(SHAPE, grid)
    fitting, refused = (cycles.refusals[row] for row in cycles.units)
    assert not fitting
    assert np.isnan(cycles.total).tolist() == [False, True]
    wide = Design.model_validate(DESIGN.model_dump() | {"lanes": 128})
    with pytest.raises(InputError) as error:
        layer_units(SHAPE, wide)
    assert refused.split(": ", 1)[1] == str(error.value).split(": ", 1)[1]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"matvec.cols": [4]}, "grid: key 'matvec.cols' must be one of lanes, matvec.rows"),
        ({"lanes": []}, "grid: lanes must have at least one value, not none; give one"),
    ],
)
def test_wrong_axes_are_refused(axes, message):
    with pytest.raises(InputError, match=f"^{message}"):
        Designs.grid(DESIGN, axes)
