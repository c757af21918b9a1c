"""The engine: every cycle of a run of the accelerator, predicted without a value.

The accelerator's units, queues and routes are parts of a netlist, joined as the hardware joins
them, with the latencies of `hwsim.units` and the depths of the configurations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim import parts
from hwsim.memory import MemoryModel
from hwsim.netlist import Netlist
from hwsim.parts.clock import run
from hwsim.units.activate import ActivateTiming
from hwsim.units.argmax import ArgmaxTiming
from hwsim.units.conv1d import Conv1dTiming
from hwsim.units.discretize import DiscretizeTiming
from hwsim.units.gate import GateTiming
from hwsim.units.hadamard import HadamardTiming
from hwsim.units.matvec import MatvecTiming
from hwsim.units.norm import NormTiming
from hwsim.units.residual import ResidualTiming
from hwsim.units.scan import ScanTiming
from models.beats import STEP
from models.counters import Activity
from models.networks.layer import queue_depths
from models.networks.machine import EMBEDDED, LOOPED, MachineConfig
from models.networks.order import TARGETS
from models.networks.steps import Words, head_steps, layer_steps
from models.networks.stream import (
    Packets,
    prefix_packets,
    row_packet,
    spill_parts,
    token_packets,
)
from models.units.fetch import FetchConfig
from models.units.hadamard import HadamardConfig
from models.units.quantize import QuantizeConfig
from models.units.spill import SpillConfig

PROMPT_EDGE = 2
"""The edge from which on a host offers the prompt that waits for the start."""

Interval = tuple[str, int, int]
"""Word of an activity, the first cycle of it and the one after its last."""


@dataclass(frozen=True)
class Prediction:
    """What a run takes, in cycles; edges count from the one on which the hardware sees its start.

    `token_edges` are those on which each token leaves. `units` are the cycles of each word of
    `models.counters.Activity`, by unit: they add up to `cycles` for each.
    """

    cycles: int
    token_edges: list[int]
    units: dict[str, dict[str, int]]
    timeline: dict[str, list[Interval]]


def predict(
    machine: MachineConfig,
    prompt_tokens: int,
    new_tokens: int,
    memory: MemoryModel,
    *,
    timeline_token: int | None = None,
    tokens: Sequence[int] | None = None,
) -> Prediction:
    """A run that takes `prompt_tokens` and writes `new_tokens` behind them.

    The memory answers without its gaps and jitter, which are for tests. `timeline_token` is the
    token, counted from 0, during which `timeline` says what each unit is at: from the edge after
    the one on which the token before it leaves, or edge 1, to that of its own. `tokens` are those
    that are read, of the prompt and then written ones, where they are known: a row of the embedding
    may or may not cross from one burst into the next. Without them, none does.

    Raises RuntimeError when the accelerator would stand still for ever.
    """
    count = prompt_tokens + new_tokens - 1
    read = [0] * count if tokens is None else list(tokens[:count])
    netlist = _accelerator(machine, prompt_tokens, read)
    units = machine.units.counted
    counts = np.zeros((len(units), len(Activity)), np.int64)
    edge, token_edges, events = run(
        netlist.machine(list(units), _server(memory), machine.port.outstanding),
        netlist.wires(),
        (netlist.names.index("sequence"), netlist.channels["tokens"]),
        counts,
        np.zeros((1024, 3), np.int64),
        -1 if timeline_token is None else timeline_token,
        _patience(memory),
    )
    if edge < 0:
        raise RuntimeError(
            f"the accelerator stands still: nothing moves any more behind token "
            f"{len(token_edges)} of {count}"
        )
    return Prediction(
        cycles=edge,
        token_edges=token_edges.tolist(),
        units={
            unit: {at.word: int(counts[index, at]) for at in activities}
            for index, (unit, activities) in enumerate(units.items())
        },
        timeline={}
        if timeline_token is None
        else _timeline(units, events, int(token_edges[timeline_token]) + 1),
    )


def _server(memory: MemoryModel) -> list[int]:
    """The memory as `hwsim.parts.memory` has it."""
    scale, cost = memory.rate.as_integer_ratio()
    return [
        memory.latency, scale, cost, memory.refresh_interval, memory.refresh_cycles,
        memory.outstanding, 0,
    ]  # fmt: skip


def _patience(memory: MemoryModel) -> int:
    """Edges in which something must get busy: no wait is longer, unless it has no end."""
    scale, cost = memory.rate.as_integer_ratio()
    return 10_000 + 4 * (memory.latency + memory.refresh_cycles + cost // scale)


def _timeline(units: Iterable[str], events: parts.Integers, end: int) -> dict[str, list[Interval]]:
    """The intervals of each unit from its events, in the order of time."""
    timeline: dict[str, list[Interval]] = {}
    for index, unit in enumerate(units):
        edges, _, activities = events[events[:, 1] == index].T
        ends = np.append(edges[1:], end)
        timeline[unit] = [
            (Activity(at).word, int(start), int(stop))
            for at, start, stop in zip(activities, edges, ends, strict=True)
        ]
    return timeline


def _accelerator(machine: MachineConfig, prompt_tokens: int, tokens: list[int]) -> Netlist:
    """The parts of a machine from its memory to its tokens, for a run that reads `tokens`."""
    net = Netlist()
    _memory(net, machine, prompt_tokens, tokens)
    _layer(net, machine)
    _mixer(net, machine)
    config = machine.argmax
    net.fork("head", ["logits", "candidates"])
    net.pipe("argmax", ["candidates"], "chosen", ArgmaxTiming(config).latency, every=config.beats)
    net.fork("chosen", ["tokens", "results"])
    net.taken |= {"logits", "tokens"}
    return net


def _memory(net: Netlist, machine: MachineConfig, prompt_tokens: int, tokens: list[int]) -> None:
    """What asks for a token's words, reads them and hands them out, by the names of the targets."""
    fetch, port = machine.fetch, machine.port
    row, prefix, stream = row_packet(machine), prefix_packets(machine), token_packets(machine)
    rest = stream[len(prefix) :]
    packets, _ = net.table(*_headers(fetch, (row, *stream, *prefix, row, *rest)))
    spans, _ = net.table([*map(fetch.span, range(len(fetch.targets)))])
    lengths = [sum(packet.words(fetch) for packet in each) for each in ([row], stream, prefix)]
    rows, _ = net.table([token * lengths[0] % port.burst_words for token in tokens])

    net.add(
        parts.SEQUENCE,
        ["results"],
        ["reads"],
        [
            len(tokens),
            prompt_tokens,
            PROMPT_EDGE,
            machine.spill is not None,
            *lengths,
            port.burst_words,
            rows,
        ],
        "sequence",
        sees=["spills", "writes", "writing"],
    )
    # The memory sees the writes of an edge behind its reads.
    net.add(
        parts.READER,
        ["reads", "memory behind reads"],
        ["words", "reading"],
        [port.burst_words, port.outstanding],
    )
    net.add(
        parts.FETCH,
        ["words"],
        [f"words of {target.name}" for target in fetch.targets],
        [packets, 1 + len(stream), prompt_tokens, spans, len(fetch.targets)],
        "fetch",
        sees=["reading"],
    )
    net.taken.add("reading")
    for index, target in enumerate(fetch.targets):
        several = fetch.per_word(index) > 1
        waiting = f"{target.name} in words" if several else target.name
        net.queue(f"words of {target.name}", waiting, target.depth)
        if several:
            runs = _runs((row, *stream), target.name)
            net.narrow(waiting, target.name, fetch.per_word(index), runs)
    if machine.spill:
        _spill(net, machine, machine.spill)
    else:
        net.silent |= {"spills", "writes", "writing"}
        net.offered.add("memory behind reads")


def _headers(fetch: FetchConfig, packets: Packets) -> parts.Integers:
    """Of each packet, int (5, packets): first target, its places, second target, its places, and
    repeats. A place is a word's beats, or a beat of several words.
    """
    headers = {packet: packet.header(fetch) for packet in set(packets)}
    columns = np.array([headers[packet] for packet in packets], np.int64).T
    per_word = np.array([fetch.per_word(target) for target in range(len(fetch.targets))])
    for target, beats in ((0, 1), (2, 3)):
        columns[beats] = -(-columns[beats] // per_word[columns[target]])
    return columns


def _runs(packets: Packets, target: str) -> list[tuple[int, int]]:
    """Beats and repeats of every part for a target."""
    return [
        (beats, packet.repeats)
        for packet in packets
        for name, beats in packet.parts
        if name == target and beats
    ]


def _spill(net: Netlist, machine: MachineConfig, config: SpillConfig) -> None:
    """The way of the state back to memory."""
    port, places = machine.port, spill_parts(machine)
    told = net.table(
        [part.beats for part in places],
        [part.place % port.burst_words for part in places],
        [part.words for part in places],
    )
    net.queue("state that leaves", "state to write", 3)
    net.add(
        parts.SPILL,
        ["spills", "state to write"],
        ["written words", "writes"],
        [config.per_word, config.span, *told],
    )
    net.add(
        parts.WRITER,
        ["writes", "written words"],
        ["writing", "memory behind reads"],
        [port.burst_words, port.outstanding, *told],
    )
    net.taken.add("writing")


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
        inputs, normed = _rotate(net, units.hadamard, steps["norm_inputs"])
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


def _rotate(net: Netlist, config: HadamardConfig, steps: list[int]) -> tuple[str, str]:
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
    net.add(
        parts.MATVEC,
        ["vector", "passes", "weights", "scales ahead", "bias ahead"],
        ["tiles"],
        [
            timing.latency,
            timing.scaled,
            words,
            config.group // config.columns,
            *net.table(fields["beats"][:, 0] // words, fields["tiles"][:, 0]),
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
