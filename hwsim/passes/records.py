"""Records that compiled code reads: of a shape, and of the units of a parallelism."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.units.activate import ActivateTiming
from hwsim.units.argmax import ArgmaxTiming
from hwsim.units.conv1d import Conv1dTiming
from hwsim.units.discretize import DiscretizeTiming
from hwsim.units.gate import GateTiming
from hwsim.units.hadamard import HadamardTiming
from hwsim.units.matvec import MatvecTiming
from hwsim.units.norm import NormTiming
from hwsim.units.quantize import QuantizeTiming
from hwsim.units.residual import ResidualTiming
from hwsim.units.scan import ScanTiming
from models.beats import STEP, fixed_beat
from models.design import Design, MatvecParallelism, ScanParallelism
from models.errors import InputError
from models.networks.layer import LayerUnits, layer_units, queue_depths
from models.networks.shape import Mamba2Shape
from models.precision import Precision
from models.units.argmax import ArgmaxConfig
from models.units.spill import SpillConfig

NET = np.dtype(
    [
        (name, np.int64)
        for name in ("d_model", "layers", "heads", "head_dim", "groups", "state", "vocab", "inner",
                     "proj_bias")
    ]
)  # fmt: skip
BITS = (
    "step", "norm_pass", "matvec_pass", "norm", "conv", "heads", "embedding", "weights", "scales",
    "bias", "state", "spills",
)  # fmt: skip
"""Of beats."""
TIMES = (
    "quantize", "conv1d", "silu", "head_latency", "discretize", "update", "scan_quantize",
    "read_out", "gate", "residual", "norm_latency", "norm_root", "matvec", "argmax", "hadamard",
)  # fmt: skip
"""Latencies; `hadamard` is what the rotation adds to the way of a vector, 0 without."""
QUEUES = ("rows", "activated", "z")
"""Places in queues, of the interleaved order."""
UNITS = np.dtype(
    [("fits", np.int64), ("group", np.int64), ("weight_group", np.int64)]
    + [(name, np.int64) for name in BITS + TIMES]
    + [(f"{name}_queue", np.int64) for name in QUEUES]
)


def shape_record(shape: Mamba2Shape) -> NDArray[Any]:
    """The record of NET of a shape (1,)."""
    net = np.zeros(1, NET)
    net[0] = tuple(getattr(shape, name) for name in NET.names or ())
    return net


def units_table(
    shape: Mamba2Shape, chosen: NDArray[np.int64], precisions: tuple[Precision, ...]
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Records of UNITS, and why a parallelism does not fit."""
    table, refusals = np.zeros(len(chosen), UNITS), []
    for at, (lanes, rows, columns, channels, states, precision) in enumerate(chosen.tolist()):
        design = Design.model_construct(
            name=f"{lanes} lanes, {rows} x {columns}, {channels} x {states}",
            lanes=lanes,
            matvec=MatvecParallelism.model_construct(rows=rows, columns=columns),
            scan=ScanParallelism.model_construct(channels=channels, states=states),
            precision=precisions[precision],
        )
        try:
            units = layer_units(shape, design)
            table[at] = (1, *_of_units(shape, units, design.precision))
            refusals.append("")
        except InputError as error:
            refusals.append(str(error))
    return table, tuple(refusals)


def _of_units(shape: Mamba2Shape, units: LayerUnits, p: Precision) -> Iterator[int]:
    """What UNITS keeps, in its order."""
    norm, matvec, scan = NormTiming(units.norm), MatvecTiming(units.matvec), ScanTiming(units.scan)
    discretize = DiscretizeTiming(units.discretize)
    yield from (p.group, p.weight_group)
    beats = (
        STEP, units.norm.pass_beat, units.matvec.pass_beat, units.norm.weight_beat,
        units.conv1d.weight_beat, units.discretize.weight_beat,
        fixed_beat(units.lanes, x=p.embedding), units.matvec.weight_beat, units.matvec.scale_beat,
        units.matvec.bias_beat, units.scan.state_beat,
        SpillConfig(64, units.scan.state_beat).step_beat,
    )  # fmt: skip
    yield from (beat.bits for beat in beats)
    yield QuantizeTiming(units.linear_input).latency
    yield Conv1dTiming(units.conv1d).latency
    yield ActivateTiming(units.silu).latency
    yield from (discretize.head_latency, discretize.latency)
    yield from (scan.update_latency, scan.quantize_latency, scan.read_out_latency)
    yield from (GateTiming(units.gate).latency, ResidualTiming(units.residual).latency)
    yield from (norm.latency, norm.settle + norm.root, matvec.latency)
    yield ArgmaxTiming(ArgmaxConfig(p.stream, shape.vocab, units.lanes)).latency
    vector = shape.inner // units.lanes - 1
    yield HadamardTiming(units.hadamard).cycles(1) - vector if units.hadamard else 0
    depths = queue_depths(shape, units)
    yield from (depths[name] for name in QUEUES)
