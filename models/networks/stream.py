"""The stream: what a token reads from memory, packet by packet, without the data.

The row of its embedding and, for every token alike, the packets of each layer and of the head. The
weight image fills them in; a prediction needs only their lengths.

The stream begins with its prefix, the steps and small weights of the first layer, which wait on
chip as a whole while matrices stream past. So it can be read before the token, and with it the row,
is known. A longer prefix would hold up the row, and leave less to read while the row is normalized.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from models.images import matrix_pass
from models.networks.layer import padded_heads
from models.networks.machine import MachineConfig
from models.networks.order import in_proj_order, tiles_before_heads
from models.networks.steps import step_counts
from models.units.fetch import FetchConfig, Header, Packet, header_of
from models.units.spill import Part


@dataclass(frozen=True)
class PacketLayout:
    """A packet for one target or two: their names, and the beats of each in one of its `repeats`.

    >>> PacketLayout((("scales", 1), ("weights", 3)), repeats=2).beats
    {'scales': 2, 'weights': 6}
    """

    parts: tuple[tuple[str, int], ...]
    repeats: int = 1

    @property
    def beats(self) -> dict[str, int]:
        """Beats in all, by target."""
        return {name: beats * self.repeats for name, beats in self.parts}

    def header(self, config: FetchConfig) -> Header:
        """Its header. Raises ValueError when a header cannot say it."""
        parts = tuple((name, range(beats)) for name, beats in self.beats.items())
        return header_of(Packet(parts, self.repeats), config)

    def words(self, config: FetchConfig) -> int:
        """Words that it takes on the port, with its header; none when it has no beats."""
        header = self.header(config)
        return 1 + config.payload(header) if header.parts else 0


Packets = tuple[PacketLayout, ...]


def row_packet(machine: MachineConfig) -> PacketLayout:
    """A row of the embedding."""
    return PacketLayout((("embedding", machine.shape.d_model // machine.units.lanes),))


def layer_packets(machine: MachineConfig) -> Packets:
    """Any layer: all are alike."""
    shape, units = machine.shape, machine.units
    order = in_proj_order(shape, units.lanes, units.matvec.rows, units.order)
    return (
        *prefix_packets(machine),
        *_with_state(_matrix_packets(len(order.rows), shape.d_model, machine), machine),
        *_matrix_packets(shape.d_model, shape.inner, machine),
    )


def prefix_packets(machine: MachineConfig) -> Packets:
    """How a layer begins, the prefix with the first: steps and small weights."""
    shape, units = machine.shape, machine.units
    steps = {name: count for name, (count, _) in step_counts(shape, units).items()}
    small = {
        "norm": (shape.d_model + shape.inner) // units.lanes,
        "conv": shape.conv_channels // units.lanes,
        "heads": padded_heads(shape, units.lanes) // units.lanes,
    }
    return _singles({"sources": 1} | steps | small)


def prefix_words(machine: MachineConfig) -> int:
    """Words of the prefix."""
    return sum(map(_words(machine), prefix_packets(machine)))


def head_packets(machine: MachineConfig) -> Packets:
    """What follows the last layer: final norm and head."""
    shape, units = machine.shape, machine.units
    steps = {name: count for name, (_, count) in step_counts(shape, units).items() if count}
    norm = {"norm": shape.d_model // units.lanes}
    return (
        *_singles({"sources": 1} | steps | norm),
        *_matrix_packets(shape.vocab, shape.d_model, machine),
    )


def per_token(machine: MachineConfig, count: Callable[[PacketLayout], int]) -> int:
    """What `count` says of a packet, summed over all layers and the head."""
    layer, head = (sum(map(count, of(machine))) for of in (layer_packets, head_packets))
    return machine.shape.layers * layer + head


def token_words(machine: MachineConfig) -> int:
    """Words of all layers and the head."""
    return per_token(machine, _words(machine))


def spill_parts(machine: MachineConfig) -> Part:
    """Where the state lies in the stream, for each of its packets: arrays (packets,).

    Raises ValueError when a step cannot say it.
    """
    layers, layer = machine.shape.layers, sum(map(_words(machine), layer_packets(machine)))
    # The places of the last layer are the largest: if a step can say these, it can say all.
    last = _layer_parts(machine, (layers - 1) * layer)
    place, words, beats = np.array(last, np.int64).reshape(-1, len(Part._fields)).T
    starts = layer * np.arange(1 - layers, 1)
    return Part(np.add.outer(starts, place).ravel(), *np.tile([words, beats], layers))


def _layer_parts(machine: MachineConfig, at: int) -> list[Part]:
    """The same for a layer that begins `at` a word."""
    spill, words, parts = machine.spill, _words(machine), list[Part]()
    for packet in layer_packets(machine):
        at += words(packet)
        if spill and (beats := packet.beats.get("state")):
            parts.append(spill.part(at - spill.part(0, beats).words, beats))
    return parts


def _words(machine: MachineConfig) -> Callable[[PacketLayout], int]:
    """Words of a packet, found once for those that are equal."""
    return cache(lambda packet: packet.words(machine.fetch))


def _with_state(packets: Packets, machine: MachineConfig) -> Packets:
    """The `packets` of in_proj, and in between the state of each head, where the scan has all that
    it needs for it.

    So no word waits for one behind it, however short the queues are.
    """
    units, spill = machine.units, machine.spill
    if spill is None:
        return packets
    *biases, matrix = packets
    lengths = spill.lengths(units.scan.head_words)
    state = tuple(PacketLayout((("spills", 1), ("state", beats))) for beats in lengths)
    among, sent = biases, 0
    tiles = tiles_before_heads(machine.shape, units.lanes, units.matvec.rows, units.order)
    for before in tiles:
        among += [replace(matrix, repeats=before - sent)] * (before > sent)
        among += state
        sent = before
    return (*among, *[replace(matrix, repeats=matrix.repeats - sent)] * (sent < matrix.repeats))


def _singles(beats: dict[str, int]) -> Packets:
    return tuple(PacketLayout(((name, count),)) for name, count in beats.items())


def _matrix_packets(rows: int, columns: int, machine: MachineConfig) -> Packets:
    """All biases, then tile by tile the scales and the weights that they belong to."""
    matvec = machine.units.matvec
    tiles = matrix_pass(rows, columns, matvec)[1]
    scales, weights = -(-columns // matvec.group), columns // matvec.columns
    matrix = PacketLayout((("scales", scales), ("weights", weights)), tiles)
    return (*_singles({"bias": tiles} if matvec.bias else {}), matrix)
