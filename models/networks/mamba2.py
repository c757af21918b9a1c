"""The exact integer network: Mamba-2 as a composition of the units, one token at a time.

    network = Network(quantized)
    logits, state = network.decode(network.start(), token)

Leading axes are sequences side by side. `PLAIN` arithmetic is the definition (`models.units`),
`compiled()` its fast twin (`models.kernels`); both give the same codes.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from models.arith import round_shift
from models.design import Design, MatvecParallelism, ScanParallelism
from models.formats import Codes
from models.networks.layer import LayerUnits, epsilon_code, layer_units
from models.networks.quantized import Matrix, QuantizedLayer, QuantizedNetwork
from models.networks.shape import Mamba2Shape
from models.precision import Precision

Block = tuple[Codes, Codes]
"""Codes (..., channels) and exponents (..., channels / group)."""


@dataclass(frozen=True)
class Arithmetic:
    """One function for each unit, all from the same package."""

    norm: Callable[..., Codes]
    quantize: Callable[..., Block]
    matvec: Callable[..., Codes]
    conv1d: Callable[..., Codes]
    activate: Callable[..., Codes]
    discretize: Callable[..., tuple[Codes, Codes, Codes, Codes]]
    scan: Callable[..., tuple[Codes, Block]]
    gate: Callable[..., Codes]
    residual: Callable[..., Codes]
    hadamard: Callable[..., Codes]

    @classmethod
    def of(cls, package: str) -> "Arithmetic":
        """The functions of `package`, whose modules and functions are named after the units."""
        names = cls.__dataclass_fields__
        modules = {name: importlib.import_module(f"{package}.{name}") for name in names}
        return cls(**{name: getattr(module, name) for name, module in modules.items()})


PLAIN = Arithmetic.of("models.units")


@cache
def compiled() -> Arithmetic:
    """The kernels; imported only here, since numba takes a second to load."""
    return Arithmetic.of("models.kernels")


@dataclass(frozen=True, eq=False)
class LayerState:
    """What one layer remembers between tokens.

    conv  block (..., conv - 1, conv_channels)      inputs of the last tokens, oldest first
    h     block (..., heads, head_dim, state)
    """

    conv: Block
    h: Block

    @classmethod
    def zeros(
        cls, shape: Mamba2Shape, precision: Precision, batch: tuple[int, ...]
    ) -> "LayerState":
        """Before the first token of `batch` sequences."""

        def zeros(*axes: int) -> Block:
            groups = (*axes[:-1], axes[-1] // precision.group)
            return np.zeros((*batch, *axes), np.int64), np.zeros((*batch, *groups), np.int64)

        conv = zeros(shape.conv - 1, shape.conv_channels)
        return cls(conv, zeros(shape.heads, shape.head_dim, shape.state))


@dataclass(frozen=True, eq=False)
class LayerCodes:
    """Every tensor of one token in a layer, in the order of the data; leading axes (...).

    normed     block (..., d_model)        input of in_proj
    z          int (..., inner)            gate, before SiLU
    conv_in    block (..., conv_channels)  x, B, C before the convolution
    dt         int (..., heads)            time steps before bias and softplus
    conv_out   int (..., conv_channels)    after the convolution, before SiLU
    x, b, c    block (..., inner), (..., groups * state) twice
    decay      int (..., heads)
    y          int (..., inner)            output of the scan, with the skip
    gated      int (..., inner)            after the gate
    mixed_in   block (..., inner)          after gated norm and hadamard, input of out_proj
    mixed      int (..., d_model)          output of out_proj
    out        int (..., d_model)          residual stream after the layer
    state      LayerState                  after the token
    """

    normed: Block
    z: Codes
    conv_in: Block
    dt: Codes
    conv_out: Codes
    x: Block
    b: Block
    c: Block
    decay: Codes
    y: Codes
    gated: Codes
    mixed_in: Block
    mixed: Codes
    out: Codes
    state: LayerState


def layer_step(
    layer: QuantizedLayer,
    units: LayerUnits,
    shape: Mamba2Shape,
    residual: Codes,
    state: LayerState,
    do: Arithmetic = PLAIN,
) -> LayerCodes:
    """One token through one layer.

    residual  int (..., d_model)  codes of `precision.stream`
    """
    inner, grouped = shape.inner, shape.groups * shape.state
    epsilon = epsilon_code(shape.norm_eps, shape.d_model, units.norm.i)

    normed = do.quantize(do.norm(residual, layer.norm, epsilon, units.norm), units.linear_input)
    rows = _linear(do, normed, layer.in_proj, units)
    z, conv_raw, dt = np.split(rows, (inner, inner + shape.conv_channels), axis=-1)

    conv_in = do.quantize(conv_raw, units.conv_input)
    window = tuple(
        np.concatenate([past, now[..., None, :]], axis=-2)
        for past, now in zip(state.conv, conv_in, strict=True)
    )
    conv_out = do.conv1d(*window, layer.taps, layer.tap_exponents, layer.conv_bias, units.conv1d)
    x, b, c = _split(
        do.quantize(do.activate(conv_out, units.silu), units.scan_input),
        (inner, inner + grouped),
        units.scan_input.block.group,
    )

    decay, drive, drive_exponents, skip = do.discretize(
        dt, layer.dt_bias, layer.rate, layer.skip, *x, units.discretize
    )
    y, h = do.scan(decay, drive, drive_exponents, skip, b, c, state.h, units.scan)

    gate_z = do.quantize(do.activate(z, units.gate_silu), units.gate_input)
    gated = do.gate(*do.quantize(y, units.scan_output), *gate_z, units.gate)
    mixed_in = do.quantize(_mixer_input(do, gated, layer, units, shape), units.linear_input)
    mixed = _linear(do, mixed_in, layer.out_proj, units)
    return LayerCodes(
        normed=normed,
        z=z,
        conv_in=conv_in,
        dt=dt,
        conv_out=conv_out,
        x=x,
        b=b,
        c=c,
        decay=decay,
        y=y,
        gated=gated,
        mixed_in=mixed_in,
        mixed=mixed,
        out=do.residual(residual, mixed, units.residual),
        state=LayerState((window[0][..., 1:, :], window[1][..., 1:, :]), h),
    )


class Network:
    """A quantized network with its units, ready to decode.

    The parallelism of `units` changes no code, so that any design of the same precision will do.
    """

    def __init__(self, quantized: QuantizedNetwork, arithmetic: Arithmetic = PLAIN) -> None:
        self.quantized = quantized
        self.units = reference_units(quantized.shape, quantized.precision)
        self._do = arithmetic

    def start(self, batch: tuple[int, ...] = ()) -> tuple[LayerState, ...]:
        """States of all layers before the first token of `batch` sequences."""
        empty = LayerState.zeros(self.quantized.shape, self.quantized.precision, batch)
        return (empty,) * self.quantized.shape.layers

    def embed(self, token: ArrayLike) -> Codes:
        """Residual stream (..., d_model) that `token` int (...) starts with."""
        return embed(self.quantized.embedding, token, self.quantized.precision)

    def decode(
        self, states: tuple[LayerState, ...], token: ArrayLike
    ) -> tuple[Codes, tuple[LayerState, ...]]:
        """Read one token.

        token   int (...), the leading axes of `states`
        return  logits int (..., vocab), codes of `precision.stream`, and the states after
        """
        layers = self.layers(states, token)
        return self.head(layers[-1].out), tuple(layer.state for layer in layers)

    def layers(self, states: tuple[LayerState, ...], token: ArrayLike) -> list[LayerCodes]:
        """All tensors of every layer while one token is read; arguments as of `decode`."""
        residual, codes = self.embed(token), []
        shape = self.quantized.shape
        for layer, state in zip(self.quantized.layers, states, strict=True):
            codes.append(layer_step(layer, self.units, shape, residual, state, self._do))
            residual = codes[-1].out
        return codes

    def head(self, residual: Codes) -> Codes:
        """Logits (..., vocab) of the residual stream (..., d_model)."""
        do, units, shape = self._do, self.units, self.quantized.shape
        epsilon = epsilon_code(shape.norm_eps, shape.d_model, units.norm.i)
        normed = do.norm(residual, self.quantized.final_norm, epsilon, units.norm)
        return _linear(do, do.quantize(normed, units.linear_input), self.quantized.head, units)

    def prefill(self, tokens: ArrayLike) -> Codes:
        """Logits (..., time, vocab) of sequences `tokens` (..., time) from their start."""
        tokens = np.asarray(tokens)
        states, logits = self.start(tokens.shape[:-1]), []
        for at in range(tokens.shape[-1]):
            one, states = self.decode(states, tokens[..., at])
            logits.append(one)
        return np.stack(logits, axis=-2)


def embed(embedding: np.ndarray, token: ArrayLike, precision: Precision) -> Codes:
    """Residual stream int (..., d_model) that `token` int (...) starts with.

    embedding  int (vocab, d_model)  codes of `precision.embedding`
    """
    codes = embedding[np.asarray(token)].astype(np.int64)
    more = precision.stream.frac - precision.embedding.frac
    return codes << more if more >= 0 else round_shift(codes, -more)


def reference_units(shape: Mamba2Shape, precision: Precision) -> LayerUnits:
    """Units of a network without any parallelism, for its codes alone."""
    one = Design(
        name="reference",
        lanes=1,
        matvec=MatvecParallelism(rows=1, columns=1),
        scan=ScanParallelism(channels=1, states=1),
        precision=precision,
    )
    return layer_units(shape, one)


def _linear(do: Arithmetic, x: Block, matrix: Matrix, units: LayerUnits) -> Codes:
    return do.matvec(*x, matrix.weights, matrix.scales, matrix.bias, units.matvec)


def _split(block: Block, at: tuple[int, ...], group: int) -> list[Any]:
    codes = np.split(block[0], at, axis=-1)
    exponents = np.split(block[1], [place // group for place in at], axis=-1)
    return list(zip(codes, exponents, strict=True))


def _mixer_input(
    do: Arithmetic, gated: Codes, layer: QuantizedLayer, units: LayerUnits, shape: Mamba2Shape
) -> Codes:
    """The norm after the gate, over the channels of each group by itself; rotated if asked for."""
    length = shape.inner // shape.groups
    epsilon = epsilon_code(shape.norm_eps, length, units.norm.i)
    parts = [
        do.norm(part, weight, epsilon, units.norm)
        for part, weight in zip(
            np.split(gated, shape.groups, axis=-1),
            np.split(layer.gated_norm, shape.groups),
            strict=True,
        )
    ]
    normed = np.concatenate(parts, axis=-1)
    return do.hadamard(normed, units.hadamard) if units.hadamard else normed
