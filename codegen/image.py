"""Weights as words: what a layer is fed for a token, and the memory image of a whole network."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.beats import STEP
from models.images import pack_matrix
from models.networks.layer import LayerUnits, padded_heads
from models.networks.machine import EMBEDDED, LOOPED, MachineConfig
from models.networks.order import PADDING, conv_order, in_proj_order
from models.networks.quantized import Matrix, QuantizedLayer, QuantizedNetwork
from models.networks.shape import Mamba2Shape
from models.networks.steps import Words, head_steps, layer_steps
from models.networks.stream import (
    PacketLayout,
    head_packets,
    layer_packets,
    prefix_words,
    row_packet,
    spill_parts,
)
from models.registers import image_addresses
from models.units.conv1d import pack_weights
from models.units.fetch import Packet, pack

PAGE = 4096
"""Bytes that the embedding is aligned to."""


@dataclass(frozen=True)
class Image:
    """What the accelerator reads: the stream of every token, and a row for each token.

    Words as wide as the `ports` together, the lowest octets first in memory; of each word, every
    port's memory holds its part at the same place, the first port's the lowest octets. `stream`
    starts at 0, of which the `prefix` first words can be read before the token is known; row r of
    the embedding, `row_words` long, at `embedding + r * row_words * octets`.
    """

    port_bits: int
    stream: list[int]
    prefix: int
    rows: list[list[int]]
    ports: int = 1

    @property
    def octets(self) -> int:
        """Octets of a word behind each port, the step of its addresses."""
        return self.port_bits // 8

    @property
    def row_words(self) -> int:
        return len(self.rows[0])

    @property
    def embedding(self) -> int:
        """Address of the first row of the embedding, behind each port."""
        return -(-len(self.stream) * self.octets // PAGE) * PAGE

    def settings(self, prompt: int, new: int, base: int = 0) -> dict[str, int]:
        """Registers of `models.registers` for a run, with the image at address `base`.

        The parts of several ports lie one after the other, each at a whole page.
        """
        size = self.embedding + len(self.rows) * self.row_words * self.octets
        pages = -(-size // PAGE) * PAGE
        places = {name: base + at * pages for at, name in enumerate(image_addresses(self.ports))}
        return places | {
            "prompt_tokens": prompt,
            "new_tokens": new,
            "image_words": len(self.stream),
            "prefix_words": self.prefix,
            "embedding_address": base + self.embedding,
            "embedding_stride": self.row_words * self.octets,
            "embedding_words": self.row_words,
        }

    @property
    def names(self) -> list[str]:
        """Files of the image, one for each port.

        >>> Image(64, [], 0, [], ports=2).names
        ['image.0.bin', 'image.1.bin']
        """
        if self.ports == 1:
            return ["image.bin"]
        return [f"image.{port}.bin" for port in range(self.ports)]

    def files(self) -> dict[str, bytes]:
        """What lies in memory from address 0, by the file's name."""
        return dict(zip(self.names, striped(self.to_bytes(), self.ports, self.octets), strict=True))

    def to_bytes(self) -> bytes:
        """The words of the image one after the other, with those between stream and embedding."""
        octets = self.ports * self.octets
        stream = b"".join(word.to_bytes(octets, "little") for word in self.stream)
        rows = b"".join(word.to_bytes(octets, "little") for row in self.rows for word in row)
        return stream.ljust(self.ports * self.embedding, b"\0") + rows


def striped(words: bytes, ports: int, octets: int) -> list[bytes]:
    """What the memory of each port holds of `words`: of each, `octets` octets.

    >>> striped(b"aAbBcC", ports=2, octets=1)
    [b'abc', b'ABC']
    """
    parts = np.frombuffer(words, np.uint8).reshape(-1, ports, octets)
    return [parts[:, port].tobytes() for port in range(ports)]


def joined(parts: Sequence[bytes], octets: int) -> bytes:
    """The reverse of `striped`.

    >>> joined([b"abc", b"ABC"], octets=1)
    b'aAbBcC'
    """
    memories = [np.frombuffer(part, np.uint8).reshape(-1, octets) for part in parts]
    return np.stack(memories, axis=1).tobytes()


def network_image(quantized: QuantizedNetwork, machine: MachineConfig) -> Image:
    """Image of a whole network for `machine`."""
    config, state = machine.fetch, _state(machine)
    packets = [
        packet
        for index, layer in enumerate(quantized.layers)
        for packet in _filled(
            layer_packets(machine), _of_layer(layer, index, machine) | state[index]
        )
    ]
    packets += _filled(head_packets(machine), _of_head(quantized, machine))
    rows = [
        pack(_filled([row_packet(machine)], {"embedding": words}), config)
        for words in (machine.embedding_beat.pack(x=row) for row in quantized.embedding)
    ]
    stream, prefix = pack(packets, config), prefix_words(machine)
    return Image(machine.port.port_bits, stream, prefix, rows, machine.ports)


def _filled(layouts: Iterable[PacketLayout], words: Words) -> Iterator[Packet]:
    """Packets of `layouts`, each with the next of its targets' `words`."""
    taken = dict.fromkeys(words, 0)
    for layout in layouts:
        parts = []
        for name, beats in layout.beats.items():
            parts.append((name, words[name][taken[name] : taken[name] + beats]))
            taken[name] += beats
        yield Packet(tuple(parts), layout.repeats)


def _of_layer(layer: QuantizedLayer, index: int, machine: MachineConfig) -> Words:
    shape, units = machine.shape, machine.units
    source = _source(LOOPED if index else EMBEDDED, shape, units)
    return source | layer_steps(shape, units) | layer_words(layer, shape, units)


def _state(machine: MachineConfig) -> list[Words]:
    """The state of each layer, zeros, and where it is written back to; nothing when on chip."""
    layers, spill = machine.shape.layers, machine.spill
    if spill is None:
        return [{}] * layers
    parts = spill_parts(machine)
    steps, each = spill.step_beat.pack(**parts._asdict()), len(parts.place) // layers
    words = machine.units.scan.state_words // layers
    return [
        {"state": [0] * words, "spills": steps[at * each : (at + 1) * each]} for at in range(layers)
    ]


def _of_head(quantized: QuantizedNetwork, machine: MachineConfig) -> Words:
    shape, units = machine.shape, machine.units
    norm = {"norm": units.norm.weight_beat.pack(weight=quantized.final_norm)}
    source = _source(LOOPED, shape, units)
    return source | head_steps(shape, units) | norm | _pack(quantized.head, units)


def _source(port: int, shape: Mamba2Shape, units: LayerUnits) -> Words:
    return {"sources": STEP.pack(port=[port], beats=[shape.d_model // units.lanes])}


def layer_words(layer: QuantizedLayer, shape: Mamba2Shape, units: LayerUnits) -> Words:
    """Words of one token by what they are fed to, of `LayerUnits.fed`; alike for every token."""
    in_proj, out_proj = (_pack(matrix, units) for matrix in _projections(layer, shape, units))
    matrices = {name: in_proj[name] + out_proj[name] for name in in_proj}
    return _small_weights(layer, shape, units) | matrices


def _projections(
    layer: QuantizedLayer, shape: Mamba2Shape, units: LayerUnits
) -> tuple[Matrix, Matrix]:
    """in_proj, its rows in the order of computation, and out_proj."""
    order = in_proj_order(shape, units.lanes, units.matvec.rows, units.order)
    return _permuted(layer.in_proj, order.rows), layer.out_proj


def _small_weights(layer: QuantizedLayer, shape: Mamba2Shape, units: LayerUnits) -> Words:
    channels = conv_order(shape, units.order)
    groups = channels[:: units.conv1d.x.group] // units.conv1d.x.group
    heads = padded_heads(shape, units.lanes) - shape.heads
    return {
        "norm": units.norm.weight_beat.pack(weight=np.append(layer.norm, layer.gated_norm)),
        "conv": pack_weights(
            layer.taps[:, channels],
            layer.tap_exponents[:, groups],
            layer.conv_bias[channels],
            units.conv1d,
        ),
        "heads": units.discretize.weight_beat.pack(
            bias=np.pad(layer.dt_bias, (0, heads)),
            rate=np.pad(layer.rate, (0, heads)),
            skip=np.pad(layer.skip, (0, heads)),
        ),
    }


def _pack(matrix: Matrix, units: LayerUnits) -> Words:
    words = pack_matrix(matrix.weights, matrix.scales, matrix.bias, units.matvec)
    return {port.removeprefix("i_"): beats for port, beats in words.items()}


def _permuted(matrix: Matrix, rows: np.ndarray) -> Matrix:
    """The matrix of `rows`, zeros for PADDING."""

    def taken(codes: np.ndarray) -> np.ndarray:
        padding = (rows == PADDING).reshape(-1, *(1,) * (codes.ndim - 1))
        return np.where(padding, 0, codes[rows])

    bias = None if matrix.bias is None else taken(matrix.bias)
    return Matrix(taken(matrix.weights), taken(matrix.scales), bias)
