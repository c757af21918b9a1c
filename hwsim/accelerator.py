"""The accelerator as a netlist: from memory to tokens, joined as the hardware joins it."""

import numpy as np

from hwsim import parts
from hwsim.core import core
from hwsim.netlist import Netlist
from hwsim.units.argmax import ArgmaxTiming
from models.networks.machine import MachineConfig
from models.networks.stream import (
    Packets,
    prefix_packets,
    row_packet,
    spill_parts,
    token_packets,
)
from models.units.fetch import FetchConfig
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
