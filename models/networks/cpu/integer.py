"""Decoding with packed integers on the CPU: the codes of `models.networks.mamba2`, faster.

    decoder = Decoder(quantized)
    logits = decoder.decode(token)

Weights are bytes, or two in a byte where they have 4 bits, and the state is bytes; every sum is
exact. Threads are numba's, as `numba.set_num_threads` allows.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numba import get_num_threads

from models.errors import InputError
from models.formats import Codes
from models.kernels.activate import table_arguments
from models.kernels.discretize import channel_arguments, delta_arguments
from models.kernels.hadamard import hadamard_arguments
from models.kernels.norm import norm_arguments
from models.kernels.packed import scan
from models.kernels.packed.blocks import BLOCK
from models.kernels.packed.lanes import LANES
from models.kernels.packed.matvec import Packed, matvec_arguments, pack, require_packable
from models.networks.cpu.integer_steps import Numbers, Shared, State, Weights, network_step
from models.networks.layer import LayerUnits, epsilon_code
from models.networks.mamba2 import embed, reference_units
from models.networks.quantized import Matrix, QuantizedLayer, QuantizedNetwork
from models.networks.shape import Mamba2Shape
from models.precision import Precision

WORD = 31
"""Bits of what is kept in 32, so that half a unit may be added."""


class Decoder:
    """A quantized network, packed, and the state of one sequence.

    weight_bytes      of everything that is kept of the network, the embedding included
    bytes_per_token   read and written by `decode`: weights, a row of the embedding, and the state
    macs_per_token    multiplications with an addition in `decode`, of products and scan
    """

    def __init__(self, quantized: QuantizedNetwork) -> None:
        """Keeps the embedding and the vectors of `quantized`, copies its matrices.

        Raises InputError for a precision whose codes these kernels do not hold.
        """
        self.shape, self.precision = quantized.shape, quantized.precision
        units = reference_units(self.shape, self.precision)
        _require_supported(self.precision, units)
        head = _packed(quantized.head, units)
        self._embedding, self._final_norm = quantized.embedding, quantized.final_norm
        self._head = (head.words, head.scales, head.bias)
        self._weights = _weights(quantized, units)
        self._numbers = _numbers(self.shape, units)
        self._scan = units.scan
        self._shared = _shared(self.shape, self.precision, self._weights)
        self.start()
        read = _bytes(self._weights) + _bytes(self._head) + self._final_norm.nbytes
        self.weight_bytes: int = read + self._embedding.nbytes
        self.bytes_per_token: int = read + self._embedding[0].nbytes + 2 * _bytes(self._state)
        self.macs_per_token: int = self.shape.macs_per_token

    def start(self) -> None:
        """Forgets all tokens."""
        layers, taps, channels = self.shape.layers, self.shape.conv, self.shape.conv_channels
        one = scan.start(self._scan)
        self._state = State(
            window=np.zeros((layers, taps, channels + LANES), np.int8),
            window_exponents=np.zeros((layers, taps, channels // BLOCK + LANES), np.int8),
            h=np.zeros((layers, one.codes.size), np.int8),
            h_exponents=np.zeros((layers, one.exponents.size), np.int8),
        )
        self._tokens = 0

    def decode(self, token: int) -> Codes:
        """Logits int (vocab,), codes of `precision.stream`, after one more `token`."""
        if not 0 <= token < self.shape.vocab:
            raise ValueError(f"token must be in 0..{self.shape.vocab - 1}, not {token}")
        logits = np.empty(len(self._head[2]), np.int64)
        network_step(
            embed(self._embedding, token, self.precision).astype(np.int32),
            self._tokens % self.shape.conv, get_num_threads(), self._weights, self._state,
            self._shared, self._numbers, self._final_norm, self._head, logits,
        )  # fmt: skip
        self._tokens += 1
        return logits[: self.shape.vocab]


def _require_supported(precision: Precision, units: LayerUnits) -> None:
    """Refuse, by InputError, what bytes, words of 32 bits or float64 would not hold exactly."""
    place = "precision for the CPU's integer kernels"
    if precision.scan_bits > 8:
        rule = f"must be at most 8, not {precision.scan_bits}"
        raise InputError(f"{place}: scan_bits", rule, "use fewer bits")
    for name in ("stream", "normed", "activated"):
        format = getattr(precision, name)
        if format.width > WORD:
            rule = f"must have at most {WORD} bits, not {format.width}"
            raise InputError(f"{place}: {name}", rule, "use a narrower format")
    if precision.skip.width + precision.scan_bits > WORD:
        rule = f"must have at most {WORD - precision.scan_bits} bits, not {precision.skip.width}"
        raise InputError(f"{place}: skip", rule, "use a narrower format")
    try:
        require_packable(units.matvec)
        scan.require_exact(units.scan)
    except InputError as error:
        rule, _, way_out = str(error).partition("; ")
        raise InputError(f"{place}:", rule, way_out) from None


def _packed(matrix: Matrix, units: LayerUnits) -> Packed:
    return pack(matrix.weights, matrix.scales, matrix.bias, units.matvec)


def _weights(quantized: QuantizedNetwork, units: LayerUnits) -> Weights:
    repeats = quantized.precision.group // BLOCK

    def stacked(of: Callable[[QuantizedLayer], np.ndarray]) -> np.ndarray:
        return np.stack([of(layer) for layer in quantized.layers])

    def padded(of: Callable[[QuantizedLayer], np.ndarray], kind: type) -> np.ndarray:
        array: np.ndarray = stacked(of).astype(kind)
        return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, LANES)])

    into, out = (
        _stacked_matrices([getattr(layer, name) for layer in quantized.layers], units)
        for name in ("in_proj", "out_proj")
    )
    return Weights(
        stacked(lambda layer: layer.norm),
        *into,
        padded(lambda layer: layer.taps, np.int16),
        padded(lambda layer: np.repeat(layer.tap_exponents, repeats, axis=-1), np.int8),
        padded(lambda layer: layer.conv_bias, np.int64),
        stacked(lambda layer: layer.dt_bias),
        stacked(lambda layer: layer.rate),
        stacked(lambda layer: layer.skip),
        stacked(lambda layer: layer.gated_norm),
        *out,
    )


def _stacked_matrices(
    matrices: Sequence[Matrix], units: LayerUnits
) -> tuple[np.ndarray, np.ndarray, Codes]:
    """Words, scales and biases of packed `matrices`; only one of these is in memory twice."""
    first = _packed(matrices[0], units)
    words, scales, bias = (
        np.empty((len(matrices), part.size), part.dtype)
        for part in (first.words, first.scales, first.bias)
    )
    for at, matrix in enumerate(matrices):
        packed = _packed(matrix, units)
        words[at], scales[at], bias[at] = packed.words, packed.scales, packed.bias
    return words, scales, bias


def _numbers(shape: Mamba2Shape, units: LayerUnits) -> Numbers:
    stream, linear, mixed = units.norm.i, units.linear_input.block, units.scan_input.block
    conv, gate = units.conv1d, units.gate
    unrotated = (np.zeros((0, 0), np.int64), 0, 0, 0, 0)
    return Numbers(
        heads=shape.heads,
        head_dim=shape.head_dim,
        groups=shape.groups,
        state=shape.state,
        epsilon=epsilon_code(shape.norm_eps, shape.d_model, stream),
        gated_epsilon=epsilon_code(shape.norm_eps, shape.inner // shape.groups, stream),
        norm=norm_arguments(units.norm),
        linear=(linear.group, linear.bits),
        matvec=matvec_arguments(units.matvec),
        mixed=(mixed.group, mixed.bits),
        conv=(conv.shift, conv.o.min_code, conv.o.max_code),
        silu=table_arguments(units.silu.table),
        delta=delta_arguments(units.discretize),
        channel=channel_arguments(units.discretize),
        scan=scan.scan_arguments(units.scan),
        gate=(gate.shift, gate.o.min_code, gate.o.max_code),
        hadamard=hadamard_arguments(units.hadamard) if units.hadamard else unrotated,
        stream=(stream.min_code, stream.max_code),
    )


def _shared(shape: Mamba2Shape, precision: Precision, weights: Weights) -> Shared:
    vectors = shape.groups * shape.state
    longest = max(shape.d_model, shape.inner, 2 * vectors) + LANES
    return Shared(
        rows=np.zeros(weights.in_bias.shape[1] + LANES, np.int32)[:-LANES],
        mixed=np.zeros(weights.out_bias.shape[1], np.int32),
        codes=np.zeros(longest, np.int8),
        exponents=np.zeros(longest, np.int8),
        values=np.zeros(longest, np.int32),
        gated=np.zeros(shape.inner, np.int32),
        b=np.zeros(vectors),
        largest_b=np.zeros(shape.groups),
        c=np.zeros(vectors, np.int32),
        c_exponents=np.zeros(vectors // precision.group, np.int32),
        decay=np.zeros(shape.heads),
        mantissa=np.zeros(shape.heads, np.int64),
        raised=np.zeros(shape.heads, np.int64),
    )


def _bytes(arrays: Sequence[np.ndarray]) -> int:
    return sum(array.nbytes for array in arrays)
