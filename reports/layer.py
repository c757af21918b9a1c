"""One layer's generated Verilog against the integer network, code for code."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from codegen.designs import find_design
from codegen.image import layer_words
from codegen.verilog import to_verilog
from models.design import Design, StateStore
from models.errors import InputError
from models.formats import Codes
from models.networks.layer import layer_units
from models.networks.mamba2 import Network, compiled, layer_step
from models.networks.quantized import QuantizedNetwork
from reports.inputs import find_network, integers_of, read_tokens
from reports.simulation import build, replay
from rtl.layer import Layer

TOP = "layer"


@dataclass(frozen=True)
class Mismatch:
    """The first output code that differs."""

    token: int
    channel: int
    expected: int
    received: int


@dataclass(frozen=True)
class LayerReport:
    """What the hardware of a layer did with some tokens; cycles are simulated, seconds measured."""

    design: str
    layer: int
    tokens: int
    compared: int  # output codes
    mismatches: int
    first: Mismatch | None
    cycles: int
    weight_beats: int  # of the matvec unit for all tokens: cycles in which it multiplies
    build_seconds: float
    run_seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def to_text(self) -> str:
        busy = self.weight_beats / self.cycles
        lines = [
            f"layer {self.layer} on design {self.design}, {self.tokens} tokens in Verilator",
            f"  compared    {self.compared:>10} output codes, {self.mismatches} differ",
            f"  simulated   {self.cycles:>10} cycles, {self.cycles / self.tokens:.0f} a token; "
            f"multipliers busy in {busy:.1%} of them",
            f"  measured    {self.build_seconds:10.1f} s to build, {self.run_seconds:.1f} s "
            f"to run, {self.cycles / self.run_seconds:.0f} cycles/s",
        ]
        if self.first:
            lines.append(
                f"  first       token {self.first.token}, channel {self.first.channel}: "
                f"expected {self.first.expected}, received {self.first.received}"
            )
        lines.append("DIFFERENT" if self.first else "EQUAL: every code is the integer network's")
        return "\n".join(lines)


def report_layer(
    model: str,
    design: str,
    overrides: tuple[str, ...],
    index: int,
    tokens: int,
    text: Path | None,
) -> LayerReport:
    """Generate layer `index` of the checkpoint `model` on `design`, and verify it.

    A float checkpoint is quantized to nearest codes, one of integers taken as it is. Raises
    InputError for everything that is wrong in what is named.
    """
    chosen = find_design(design, overrides)
    network, chosen = find_network(model, chosen, overrides)
    layer_units(network.shape, chosen)  # a design that does not fit is told first
    start = read_tokens(text, network.shape.vocab, tokens)[:tokens]
    return verify_layer(integers_of(network, chosen), chosen, index, start)


def verify_layer(
    quantized: QuantizedNetwork,
    design: Design,
    index: int,
    tokens: np.ndarray,
    willingness: float = 1.0,
) -> LayerReport:
    """Run layer `index` on `design` in Verilator over `tokens`, beside the integer network.

    Alone, a layer keeps its state on chip, whatever the design says. `willingness` is the chance
    that a producer or a consumer is willing on an edge. Raises InputError when the layer does not
    exist or the design does not fit the network.
    """
    shape = quantized.shape
    if not 0 <= index < shape.layers:
        rule = f"must be in 0..{shape.layers - 1}, not {index}"
        raise InputError("layer index", rule, "count the network's layers from 0")
    units = layer_units(shape, design.model_copy(update={"state": StateStore()}))
    stream, expected = layer_codes(quantized, index, tokens)

    start = time.monotonic()
    verilog = to_verilog(Layer(shape, units), TOP)
    build(verilog, TOP)
    built = time.monotonic()
    weights = layer_words(quantized.layers[index], shape, units)
    inputs = {f"i_{name}": words * len(tokens) for name, words in weights.items()}
    inputs["i"] = units.residual.i_beat.pack(x=stream)
    beats = expected.size // units.lanes
    run = replay(verilog, TOP, inputs, {"o": beats}, willingness)
    received = units.residual.o_beat.unpack(run.outputs["o"])["x"].reshape(expected.shape)
    wrong = np.argwhere(received != expected)
    return LayerReport(
        design=design.name,
        layer=index,
        tokens=len(tokens),
        compared=expected.size,
        mismatches=len(wrong),
        first=_mismatch(wrong, expected, received),
        cycles=run.cycles,
        weight_beats=len(inputs["i_weights"]),
        build_seconds=built - start,
        run_seconds=time.monotonic() - built,
    )


def layer_codes(quantized: QuantizedNetwork, index: int, tokens: np.ndarray) -> tuple[Codes, Codes]:
    """Residual stream (tokens, d_model) before and after layer `index`, of the integer network."""
    network, before, after = Network(quantized, compiled()), [], []
    states = list(network.start())
    for token in tokens:
        residual = network.embed(token)
        for at, layer in enumerate(quantized.layers[: index + 1]):
            before.append(residual)
            codes = layer_step(
                layer, network.units, quantized.shape, residual, states[at], compiled()
            )
            residual, states[at] = codes.out, codes.state
        after.append(residual)
    return np.array(before[index :: index + 1]), np.array(after)


def _mismatch(wrong: np.ndarray, expected: Codes, received: Codes) -> Mismatch | None:
    if not len(wrong):
        return None
    token, channel = wrong[0].tolist()
    return Mismatch(token, channel, int(expected[token, channel]), int(received[token, channel]))
