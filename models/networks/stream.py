"""The stream: what a token reads from memory, packet by packet, without the data.

The row of its embedding and, for every token alike, the packets of each layer and of the head. The
weight image fills them in; a prediction needs only their lengths.

The stream begins with its prefix, the steps and small weights of the first layer, which wait on
chip as a whole while matrices stream past. So it can be read before the token, and with it the row,
is known. A longer prefix would hold up the row, and leave less to read while the row is normalized.
"""

from dataclasses import dataclass, replace

from models.images import matrix_pass
from models.networks.layer import padded_heads
from models.networks.machine import MachineConfig
from models.networks.order import in_proj_order, tiles_before_heads
from models.networks.steps import head_steps, layer_steps
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


def layer_packets(machine: MachineConfig, index: int) -> Packets:
    """Layer `index`; all layers are alike."""
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
    steps = {name: len(words) for name, words in layer_steps(shape, units).items()}
    small = {
        "norm": (shape.d_model + shape.inner) // units.lanes,
        "conv": shape.conv_channels // units.lanes,
        "heads": padded_heads(shape, units.lanes) // units.lanes,
    }
    return _singles({"sources": 1} | steps | small)


def prefix_words(machine: MachineConfig) -> int:
    """Words of the prefix."""
    return sum(packet.words(machine.fetch) for packet in prefix_packets(machine))


def head_packets(machine: MachineConfig) -> Packets:
    """What follows the last layer: final norm and head."""
    shape, units = machine.shape, machine.units
    small = {name: len(words) for name, words in head_steps(shape, units).items()}
    norm = {"norm": shape.d_model // units.lanes}
    return (
        *_singles({"sources": 1} | small | norm),
        *_matrix_packets(shape.vocab, shape.d_model, machine),
    )


def token_packets(machine: MachineConfig) -> Packets:
    """All layers and the head."""
    layers = (layer_packets(machine, index) for index in range(machine.shape.layers))
    return (*(packet for layer in layers for packet in layer), *head_packets(machine))


def spill_parts(machine: MachineConfig) -> list[Part]:
    """Where the state lies in the stream, for each of its packets."""
    parts, at = list[Part](), 0
    for packet in token_packets(machine):
        words = packet.words(machine.fetch)
        if machine.spill and "state" in packet.beats:
            beats = packet.beats["state"]
            state = machine.spill.part(0, beats).words
            parts.append(machine.spill.part(at + words - state, beats))
        at += words
    return parts


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
