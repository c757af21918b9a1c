"""The engine on full-size networks: tokens in a second, and how near leaps come to every cycle."""

import time

import numpy as np
import pytest

from codegen.designs import find_design
from hwsim.devices import memory_of
from hwsim.engine import predict
from models.errors import InputError
from models.networks.machine import machine_config
from models.networks.shapes import MAMBA2_SHAPES, find_mamba2_shape
from soak.test_closed_form import draw_explored

TOKENS = 20
SEED, DRAWN = 5, 100
LONG = 60_000_000
"""Cycles of two tokens, more than which are not stepped through here."""
IN_MEMORY = "state.placement=memory"


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("best-vck190", ()),
        ("lightmamba-vck190", (IN_MEMORY,)),
        ("best-u280", ()),
    ],
)
def test_tokens_a_second(name, overrides):
    """Of Mamba2-2.7B with its head, on one core."""
    design = find_design(name, overrides)
    machine, memory = machine_config(find_mamba2_shape("mamba2-2.7b"), design), memory_of(design)
    predict(machine, 1, 1, memory, leap=True)
    seconds = []
    for _ in range(3):
        began = time.process_time()
        leapt = predict(machine, 1, TOKENS, memory, leap=True)
        seconds.append(time.process_time() - began)
    began = time.process_time()
    every = predict(machine, 1, 2, memory)
    stepped = time.process_time() - began
    speed = TOKENS / min(seconds)
    error = leapt.token_edges[1] / every.token_edges[1] - 1
    print(
        f"{name} {' '.join(overrides)}: {speed:.1f} tokens/s, stepping through "
        f"{leapt.stepped / leapt.cycles:.2%} of {leapt.cycles / TOKENS:,.0f} cycles; through all "
        f"{2 / stepped:.2f} tokens/s, {every.cycles / stepped / 1e6:.1f} M cycles/s; two tokens "
        f"differ by {error:+.5%}"
    )
    assert speed >= 20


def test_leaps_come_near_every_cycle():
    """Published shapes with all their layers and their head, on designs that one would explore."""
    errors, units, stepped = [], [], []
    for index in range(DRAWN):
        pair = draw_explored(SEED, index)
        shapes = (each for each in MAMBA2_SHAPES.values() if each.d_model == pair.shape.d_model)
        try:
            machine = machine_config(next(shapes), pair.design)
        except InputError:
            continue
        leapt = predict(machine, 1, 2, pair.memory, leap=True)
        if leapt.cycles > LONG or leapt.stepped == leapt.cycles:
            continue
        every = predict(machine, 1, 2, pair.memory)
        errors.append(leapt.cycles / every.cycles - 1)
        stepped.append(leapt.stepped / leapt.cycles)
        units.append(
            max(
                abs(leapt.units[unit][word] - value) / every.cycles
                for unit, at in every.units.items()
                for word, value in at.items()
            )
        )
    sizes = np.abs(errors)
    print(
        f"{len(sizes)} of {DRAWN} designs leapt: cycles differ by {np.median(sizes):.4%} (median), "
        f"{np.percentile(sizes, 90):.3%} (90th percentile), {sizes.max():.2%} at most; what a unit "
        f"is at, by {np.median(units):.4%} and {max(units):.2%} of all cycles at most; "
        f"{np.median(stepped):.1%} (median) stepped through"
    )
    assert sizes.max() <= 0.005
