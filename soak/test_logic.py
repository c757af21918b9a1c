"""Whole accelerators, synthesized flattened, against the sum of their modelled units."""

import pytest

from codegen.designs import find_design
from codegen.verilog import to_verilog
from hwsim.logic import logic, total
from models.networks.machine import machine_config
from models.networks.shape import Mamba2Shape
from reports.synthesis import cells, used
from rtl.accelerator import Accelerator

SHAPE = Mamba2Shape(d_model=64, layers=2, heads=4, head_dim=16, state=16, vocab=256)
SMALL = ("lanes=2", "matvec.rows=2", "scan.states=2", "memory.prefetch=16", "counters=false")


@pytest.mark.parametrize("precision", ["w4a4", "w8a8"])
def test_a_whole_accelerator(precision):
    overrides = (*SMALL, f"precision={precision}")
    machine = machine_config(SHAPE, find_design("tiny", overrides))
    modelled = total(logic(machine, "ultrascale_plus"))
    verilog = to_verilog(Accelerator(machine), "accelerator")
    measured = used(cells(verilog, "accelerator", "ultrascale_plus"))
    for name in ("lut", "ff", "dsp"):
        ours, theirs = getattr(modelled, name), getattr(measured, name)
        print(
            f"{precision} {name}: modelled {ours:,}, measured {theirs:,}, {ours / theirs - 1:+.1%}"
        )
    assert modelled.dsp == measured.dsp
    assert modelled.lut == pytest.approx(measured.lut, rel=0.1)
    assert modelled.ff == pytest.approx(measured.ff, rel=0.1)
