"""What serves every layer, as a netlist: its units, queues and routes, joined as the hardware joins
them, with the latencies of `hwsim.units` and the depths of the configurations.
"""

import math

from hwsim import parts
from hwsim.netlist import Netlist
from hwsim.units.activate import ActivateTiming
from hwsim.units.conv1d import Conv1dTiming
from hwsim.units.discretize import DiscretizeTiming
from hwsim.units.gate import GateTiming
from hwsim.units.hadamard import HadamardTiming
from hwsim.units.matvec import MatvecTiming
from hwsim.units.norm import NormTiming
from hwsim.units.residual import ResidualTiming
from hwsim.units.scan import ScanTiming
from models.beats import STEP
from models.networks.layer import queue_depths
from models.networks.machine import EMBEDDED, LOOPED, MachineConfig
from models.networks.order import TARGETS
from models.networks.steps import Words, head_steps, layer_steps
from models.units.hadamard import HadamardConfig
from models.units.quantize import QuantizeConfig


def core(net: Netlist, machine: MachineConfig) -> None:
    """Add all between what fetch hands out, by the names of its targets, and the rows of the head.

    The channel `head` has these rows; the state, where it is in memory, comes from `state` and goes
    to `state that leaves`.
    """
    _layer(net, machine)
    _mixer(net, machine)


def _layer(net: Netlist, machine: MachineConfig) -> None:
    """What a layer's projections need, from the residual stream back to it, and to the head."""
    shape, units, depths = machine.shape, machine.units, queue_depths(machine.shape, machine.units)
    steps, model = _token_steps(machine), shape.d_model // units.lanes
    origins = [EMBEDDED] + [LOOPED] * shape.layers
    sources = net.table(origins, [model] * len(origins))

    net.add(parts.SELECT, ["sources", "embedding", "looped"], ["stream"], [*sources, 2])
    net.fork("stream", ["stream to norm", "stream to keep"])
    net.add(
        parts.SWITCH,
        ["stream to keep", "kept"], ["keeping"], [*_ports(net, steps["kept"]), 1],
    )  # fmt: skip
    net.queue("keeping", "kept stream", depths["kept"])
    inputs, normed = "norm_inputs", "normed"
    if units.hadamard:
        inputs, normed = rotate(net, units.hadamard, steps["norm_inputs"])
    net.add(
        parts.SELECT,
        [inputs, "stream to norm", "gated"],
        ["norm input"],
        [*_ports(net, steps["norm_inputs"]), 2],
    )
    timing = NormTiming(units.norm)
    passes = units.norm.pass_beat.unpack(steps["norm_passes"])
    net.add(
        parts.NORM,
        ["norm input", "norm_passes", "norm"],
        ["normed"],
        [timing.latency, timing.settle + timing.root, *net.table(passes["beats"][:, 0])],
        "norm",
    )
    net.quantize("linear_input", normed, "vector", units.linear_input)
    _matvec(net, machine, steps["passes"])
    net.queue("rows", "row", depths["rows"])
    targets = [f"row for {target}" for target in TARGETS[:-1]] + ["head"]
    net.add(
        parts.SWITCH, ["row", "targets"], targets, [*_ports(net, steps["targets"]), len(targets)]
    )
    net.pipe(
        "residual",
        ["kept stream", "row for update"],
        "next stream",
        ResidualTiming(units.residual).latency,
    )
    net.queue("next stream", "looped", depths["looped"])


def rotate(net: Netlist, config: HadamardConfig, steps: list[int]) -> tuple[str, str]:
    """What came from the gate through the Hadamard unit, the rest past it, as the norm's steps say.

    Returns the channels of the steps that are left for the norm, and of both together.
    """
    net.fork("norm_inputs", ["norm's steps", "steps behind norm", "steps behind hadamard"])
    net.queue("steps behind norm", "ways", 3)
    net.queue("steps behind hadamard", "joins", 3)
    net.add(parts.SWITCH, ["normed", "ways"], ["straight", "to rotate"], [*_ports(net, steps), 2])
    net.add(
        parts.HADAMARD,
        ["to rotate"],
        ["rotated"],
        [config.base, config.points // config.lanes, *_butterflies(net, config)],
        "hadamard",
    )
    net.add(
        parts.SELECT,
        ["joins", "straight", "rotated"],
        ["normed and rotated"],
        [*_ports(net, steps), 2],
    )
    return "norm's steps", "normed and rotated"


def _butterflies(net: Netlist, config: HadamardConfig) -> tuple[int, int]:
    """A table of the folds of beats: by how many each delays, and the stages behind it.

    The first row has no fold, but the stages before; the last is followed by the output's register.
    """
    timing = HadamardTiming(config)
    write, within_beats = 1, config.lanes.bit_length() - 1
    delays, stages = [0], [max(0, timing.times_base - write)]
    while timing.row >> len(delays):
        delays.append(timing.row >> len(delays))
        stages.append(2 if delays[-1] > 1 else 1)  # a memory is read, sums and differences
    stages[-1] += within_beats
    return net.table(delays, stages)


def _matvec(net: Netlist, machine: MachineConfig, passes: list[int]) -> None:
    config, timing = machine.units.matvec, MatvecTiming(machine.units.matvec)
    for name in ("scales", "bias"):
        if name == "scales" or config.bias:
            net.queue(name, f"{name} ahead", timing.ahead)
        else:
            net.offered.add(f"{name} ahead")
    fields, words = config.pass_beat.unpack(passes), config.columns // config.lanes
    # Rows of x and of z take turns, head by head, where they are interleaved.
    several = 2 if machine.units.order == "interleaved" else 1
    head = math.lcm(several * machine.shape.head_dim, config.rows) // config.rows
    alike = [head, 1] * machine.shape.layers + [1]
    net.add(
        parts.MATVEC,
        ["vector", "passes", "weights", "scales ahead", "bias ahead"],
        ["tiles"],
        [
            timing.latency,
            timing.scaled,
            words,
            config.group // config.columns,
            *net.table(fields["beats"][:, 0] // words, fields["tiles"][:, 0], alike),
        ],
        "matvec",
    )
    net.add(parts.SERIALIZE, ["tiles"], ["rows"], [timing.output])


def _mixer(net: Netlist, machine: MachineConfig) -> None:
    """From the rows of in_proj to what the gate gives."""
    units, depths = machine.units, queue_depths(machine.shape, machine.units)
    scan, roles = units.scan, _token_steps(machine)["roles"]
    conv, silu = Conv1dTiming(units.conv1d).latency, ActivateTiming(units.silu).latency

    net.quantize("conv_input", "row for conv", "channels", units.conv_input)
    net.pipe("conv1d", ["channels"], "convolved", conv, fed="conv")
    net.pipe("silu", ["convolved"], "activated", silu)
    net.quantize("scan_input", "activated", "narrowed", units.scan_input)
    net.queue("narrowed", "B, C and x", depths["activated"])
    arriving = "x" if not depths["x"] else "arriving x"
    net.add(
        parts.SWITCH,
        ["B, C and x", "roles"],
        ["beats of B", "beats of C", arriving],
        [*_ports(net, roles), 3],
    )
    if depths["x"]:
        net.queue(arriving, "x", depths["x"])
    for name in ("B", "C"):
        net.resize(f"beats of {name}", name, units.lanes, scan.states)
    discretize = DiscretizeTiming(units.discretize)
    net.add(
        parts.DISCRETIZE,
        ["x", "row for heads", "heads"],
        ["drives"],
        [
            scan.heads,
            scan.lanes,
            scan.head_dim // scan.lanes,
            discretize.head_latency - 1,
            discretize.latency,
        ],
        "discretize",
    )
    _scan(net, machine)
    net.quantize("scan_output", "y", "narrow y", units.scan_output)
    net.queue("narrow y", "y to gate", depths["y"])
    net.pipe("gate_silu", ["row for gate"], "activated z", silu)
    net.quantize("gate_input", "activated z", "narrow z", units.gate_input)
    net.queue("narrow z", "z to gate", depths["z"])
    net.pipe("gate", ["y to gate", "z to gate"], "gating", GateTiming(units.gate).latency)
    net.queue("gating", "gated", depths["gated"])


def _scan(net: Netlist, machine: MachineConfig) -> None:
    config, timing = machine.units.scan, ScanTiming(machine.units.scan)
    of_beat = config.channel_tiles * config.state_tiles
    if not config.spilled:
        net.offered.add("state")
        net.taken.add("state that leaves")
    net.add(
        parts.UPDATE,
        ["drives", "B", "C", "state"],
        ["tiles of h", "skip", "token written"],
        [config.vector_beats, of_beat, timing.tiles, timing.update_latency],
        "scan",
        sees=["words of h", "state that leaves"],
    )
    net.quantize("", "tiles of h", "words of h", QuantizeConfig(config.h, config.states))
    net.queue("skip", "skips", timing.skips)
    net.add(
        parts.READ_OUT,
        ["words of h", "skips", "token written"],
        ["y", "state that leaves"],
        [of_beat, timing.tiles, timing.read_out_latency],
    )


def _ports(net: Netlist, steps: list[int]) -> tuple[int, int]:
    """Steps as a table of ports and beats."""
    fields = STEP.unpack(steps)
    return net.table(fields["port"][:, 0], fields["beats"][:, 0])


def _token_steps(machine: MachineConfig) -> Words:
    """Steps of a token, through all layers and the head."""
    layer, head = (of(machine.shape, machine.units) for of in (layer_steps, head_steps))
    return {
        name: words * machine.shape.layers + head.get(name, []) for name, words in layer.items()
    }
