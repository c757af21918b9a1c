"""Weights as words: what a layer is fed for a token, and the memory image of a whole network."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.beats import STEP
from models.images import pack_matrix
from models.networks.layer import LayerUnits, padded_heads
from models.networks.machine import EMBEDDED, LOOPED, MachineConfig
from models.networks.order import PADDING, conv_order, in_proj_order
from models.networks.quantized import Matrix, QuantizedLayer, QuantizedNetwork
from models.networks.shape import Mamba2Shape
from models.networks.steps import head_steps, layer_steps
from models.units.conv1d import pack_weights
from models.units.fetch import Packet, pack

PAGE = 4096
"""Bytes that the embedding is aligned to."""

Words = dict[str, list[int]]


@dataclass(frozen=True)
class Image:
    """What the accelerator reads: the stream of every token, and a row for each token.

    Words of the port's width, the lowest octets first in memory. `stream` starts at 0;
    row r of the embedding, `row_words` long, at `embedding + r * row_words * port octets`.
    """

    port_bits: int
    stream: list[int]
    rows: list[list[int]]

    @property
    def octets(self) -> int:
        """Octets of a word."""
        return self.port_bits // 8

    @property
    def row_words(self) -> int:
        return len(self.rows[0])

    @property
    def embedding(self) -> int:
        """Address of the first row of the embedding."""
        return -(-len(self.stream) * self.octets // PAGE) * PAGE

    def settings(self, prompt: int, new: int, base: int = 0) -> dict[str, int]:
        """Registers of `models.registers` for a run, with the image at address `base`."""
        return {
            "prompt_tokens": prompt,
            "new_tokens": new,
            "image_address": base,
            "image_words": len(self.stream),
            "embedding_address": base + self.embedding,
            "embedding_stride": self.row_words * self.octets,
            "embedding_words": self.row_words,
        }

    def to_bytes(self) -> bytes:
        """The image as it lies in memory, from address 0."""
        stream = b"".join(word.to_bytes(self.octets, "little") for word in self.stream)
        rows = b"".join(word.to_bytes(self.octets, "little") for row in self.rows for word in row)
        return stream.ljust(self.embedding, b"\0") + rows


def network_image(quantized: QuantizedNetwork, machine: MachineConfig) -> Image:
    """Image of a whole network for `machine`."""
    config = machine.fetch
    packets = [
        packet
        for index, layer in enumerate(quantized.layers)
        for packet in _layer_packets(layer, LOOPED if index else EMBEDDED, machine)
    ]
    packets += _head_packets(quantized, machine)
    rows = [
        pack([Packet((("embedding", machine.embedding_beat.pack(x=row)),))], config)
        for row in quantized.embedding
    ]
    return Image(config.port_bits, pack(packets, config), rows)


def _layer_packets(layer: QuantizedLayer, source: int, machine: MachineConfig) -> Iterator[Packet]:
    """Steps and small weights first: they wait on chip while the matrices stream past."""
    shape, units = machine.shape, machine.units
    yield _source(source, shape, units)
    for words in (layer_steps(shape, units), _small_weights(layer, shape, units)):
        for name, beats in words.items():
            yield Packet(((name, beats),))
    for matrix in _projections(layer, shape, units):
        yield from _matrix_packets(matrix, machine)


def _head_packets(quantized: QuantizedNetwork, machine: MachineConfig) -> Iterator[Packet]:
    shape, units, head = machine.shape, machine.units, quantized.head
    yield _source(LOOPED, shape, units)
    for name, beats in head_steps(shape, units).items():
        yield Packet(((name, beats),))
    yield Packet((("norm", units.norm.weight_beat.pack(weight=quantized.final_norm)),))
    yield from _matrix_packets(head, machine)


def _source(port: int, shape: Mamba2Shape, units: LayerUnits) -> Packet:
    return Packet((("sources", STEP.pack(port=[port], beats=[shape.d_model // units.lanes])),))


def _matrix_packets(matrix: Matrix, machine: MachineConfig) -> Iterator[Packet]:
    """All biases, then in turn scales and the weights that they belong to.

    A word of scales holds several, and handing out a second word would keep the port waiting; so
    weights follow each word where a tile's weight groups can be divided that way.
    """
    matvec, words = machine.units.matvec, _pack(matrix, machine.units)
    tiles, groups = -(-len(matrix.weights) // matvec.rows), matrix.scales.shape[1]
    per_word = max(1, machine.fetch.port_bits // matvec.scale_beat.bits)
    share = groups
    if matrix.weights.shape[1] % matvec.group == 0:
        share = max(n for n in range(1, min(groups, per_word) + 1) if groups % n == 0)
    if "bias" in words:
        yield Packet((("bias", words["bias"]),))
    yield Packet(
        (("scales", words["scales"]), ("weights", words["weights"])),
        repeats=tiles * groups // share,
    )


def layer_words(layer: QuantizedLayer, shape: Mamba2Shape, units: LayerUnits) -> Words:
    """Words of one token by what they are fed to, of `LayerUnits.fed`; alike for every token."""
    in_proj, out_proj = (_pack(matrix, units) for matrix in _projections(layer, shape, units))
    matrices = {name: in_proj[name] + out_proj[name] for name in in_proj}
    return _small_weights(layer, shape, units) | matrices


def _projections(
    layer: QuantizedLayer, shape: Mamba2Shape, units: LayerUnits
) -> tuple[Matrix, Matrix]:
    """in_proj, its rows in the order of computation, and out_proj."""
    order = in_proj_order(shape, units.lanes, units.matvec.rows)
    return _permuted(layer.in_proj, order.rows), layer.out_proj


def _small_weights(layer: QuantizedLayer, shape: Mamba2Shape, units: LayerUnits) -> Words:
    channels = conv_order(shape)
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
