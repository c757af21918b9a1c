"""The accelerator as a netlist: from memory to tokens, joined as the hardware joins it."""

from functools import cache

import numpy as np

from hwsim import parts
from hwsim.core import core
from hwsim.netlist import Netlist
from hwsim.units.argmax import ArgmaxTiming
from models.networks.machine import MachineConfig
from models.networks.stream import (
    head_packets,
    layer_packets,
    prefix_packets,
    prefix_words,
    row_packet,
    spill_parts,
    token_words,
)
from models.units.fetch import FetchConfig, places
from models.units.spill import SpillConfig

PROMPT_EDGE = 2
"""The edge from which on a host offers the prompt that waits for the start."""


def accelerator(machine: MachineConfig, prompt_tokens: int, tokens: list[int]) -> Netlist:
    """The parts of a machine from its memory to its tokens, for a run that reads `tokens`."""
    net = Netlist()
    _memory(net, machine, prompt_tokens, tokens)
    core(net, machine)
    config = machine.argmax
    net.fork("head", ["logits", "candidates"])
    net.pipe("argmax", ["candidates"], "chosen", ArgmaxTiming(config).latency, every=config.beats)
    net.fork("chosen", ["tokens", "results"])
    net.taken |= {"logits", "tokens"}
    return net


def _memory(net: Netlist, machine: MachineConfig, prompt_tokens: int, tokens: list[int]) -> None:
    """What asks for a token's words, reads them and hands them out, by the names of the targets."""
    fetch, port = machine.fetch, machine.port
    headers = _headers(machine)
    row, prefix, rest = np.split(headers, [1, 1 + len(prefix_packets(machine))])
    orders = np.concatenate([row, prefix, rest, prefix, row, rest])
    packets, _ = net.table(*_places(fetch, orders).T)
    spans, _ = net.table([*map(fetch.span, range(len(fetch.targets)))])
    lengths = [row_packet(machine).words(fetch), token_words(machine), prefix_words(machine)]
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
        [packets, len(headers), prompt_tokens, spans, len(fetch.targets)],
        "fetch",
        sees=["reading"],
    )
    net.taken.add("reading")
    for index, target in enumerate(fetch.targets):
        several = fetch.per_word(index) > 1
        waiting = f"{target.name} in words" if several else target.name
        net.queue(f"words of {target.name}", waiting, target.depth)
        if several:
            net.narrow(waiting, target.name, fetch.per_word(index), *_runs(headers, index))
    if machine.spill:
        _spill(net, machine, machine.spill)
    else:
        net.silent |= {"spills", "writes", "writing"}
        net.offered.add("memory behind reads")


def _headers(machine: MachineConfig) -> parts.Integers:
    """int (packets, 5): the headers of what a token reads, its row first."""
    header = cache(lambda packet: packet.header(machine.fetch))
    row, layer, head = (
        np.array([*map(header, packets)], np.int64)
        for packets in ([row_packet(machine)], layer_packets(machine), head_packets(machine))
    )
    return np.concatenate([row, *[layer] * machine.shape.layers, head])


def _places(fetch: FetchConfig, headers: parts.Integers) -> parts.Integers:
    """The same with places instead of beats: a word's beats, or a beat of several words."""
    per_word = np.array([*map(fetch.per_word, range(len(fetch.targets)))])
    told = headers.copy()
    told[:, [1, 3]] = places(headers[:, [1, 3]], per_word[headers[:, [0, 2]]])
    return told


def _runs(headers: parts.Integers, target: int) -> parts.Integers:
    """int (2, parts): beats and repeats of every part for a target."""
    targets, beats = headers[:, [0, 2]], headers[:, [1, 3]]
    packet, part = np.nonzero((targets == target) & (beats > 0))
    return np.stack([beats[packet, part], headers[packet, 4]])


def _spill(net: Netlist, machine: MachineConfig, config: SpillConfig) -> None:
    """The way of the state back to memory."""
    port, steps = machine.port, spill_parts(machine)
    told = net.table(steps.beats, steps.place % port.burst_words, steps.words)
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
