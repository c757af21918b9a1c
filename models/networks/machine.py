"""The machine: what a whole network needs besides a layer's units, from a shape and a design."""

from collections.abc import Callable
from dataclasses import dataclass

from models.beats import STEP, Beat, fixed_beat
from models.counters import counters
from models.design import Design
from models.errors import InputError
from models.formats import Fixed
from models.memory_port import ReadPortConfig
from models.networks.layer import LayerUnits, layer_units, padded_heads
from models.networks.shape import Mamba2Shape
from models.networks.steps import head_steps, layer_steps
from models.units.argmax import ArgmaxConfig
from models.units.fetch import FetchConfig, Target, per_word
from models.units.spill import SpillConfig

EMBEDDED, LOOPED = 0, 1
"""Where a layer's input comes from: the embedding, or the layer before."""


@dataclass(frozen=True)
class MachineConfig:
    """Configurations of everything in a generated accelerator.

    `embedding` is the format of the embedding's rows, whose beats carry `lanes` codes. `spill` is
    there when the state is in memory.
    """

    shape: Mamba2Shape
    design: Design
    units: LayerUnits
    port: ReadPortConfig
    fetch: FetchConfig
    argmax: ArgmaxConfig
    embedding: Fixed
    spill: SpillConfig | None

    @property
    def embedding_beat(self) -> Beat:
        return fixed_beat(self.units.lanes, x=self.embedding)

    @property
    def token_beat(self) -> Beat:
        """A token."""
        return self.argmax.o_beat

    @property
    def counters(self) -> list[str]:
        """Names of the counters that are there, as `models.registers.register_map` takes them."""
        return counters(self.units.counted) if self.design.counters else []


def machine_config(shape: Mamba2Shape, design: Design) -> MachineConfig:
    """Configurations for a network of `shape` on `design`.

    Raises InputError when the design does not fit the network.
    """
    units, precision = layer_units(shape, design, shape.layers), design.precision
    if precision.embedding.frac > precision.stream.frac:
        raise InputError(
            f"design {design.name}: precision.embedding", f"must have at most the "
            f"{precision.stream.frac} fractional bits of stream, not {precision.embedding}",
            "use fewer fractional bits",
        )  # fmt: skip
    try:
        memory = design.memory
        port = ReadPortConfig(memory.port_bits, burst=memory.burst, outstanding=memory.outstanding)
        fetch = FetchConfig(memory.port_bits, _targets(shape, design, units))
    except ValueError as error:
        raise InputError(f"design {design.name}:", str(error), "change memory.*") from None
    return MachineConfig(
        shape=shape,
        design=design,
        units=units,
        port=port,
        fetch=fetch,
        argmax=ArgmaxConfig(precision.stream, shape.vocab, units.lanes),
        embedding=precision.embedding,
        spill=_spill(design, units),
    )


def _spill(design: Design, units: LayerUnits) -> SpillConfig | None:
    if not units.scan.spilled:
        return None
    return SpillConfig(design.memory.port_bits, units.scan.state_beat)


def _targets(shape: Mamba2Shape, design: Design, units: LayerUnits) -> tuple[Target, ...]:
    """Ports and their queues: a layer's small weights and steps wait there as a whole, since
    behind them in the stream come the matrices during which they are used. Steps of the head, for
    which the first layer's of the next token need not wait, take words of their own.
    """
    lanes, spill = units.lanes, _spill(design, units)
    embedded = fixed_beat(lanes, x=design.precision.embedding)
    beats = units.fed | ({"spills": spill.step_beat} if spill else {})
    beats |= {"sources": STEP, "embedding": embedded}
    several = {name: per_word(beat, design.memory.port_bits) for name, beat in beats.items()}

    def places(name: str, part: int) -> int:
        return -(-part // several[name])

    small = {
        "norm": (shape.d_model + shape.inner) // lanes,
        "conv": shape.conv_channels // lanes,
        "heads": padded_heads(shape, lanes) // lanes,
        "bias": -(-units.matvec.max_rows // units.matvec.rows),
        "embedding": shape.d_model // lanes,
    }
    waiting = {name: places(name, part) for name, part in small.items() if name in beats}
    layer, head = layer_steps(shape, units), head_steps(shape, units)
    waiting |= {
        name: places(name, len(words)) + places(name, len(head.get(name, [])))
        for name, words in layer.items()
    }
    waiting |= _matrix_places(shape, design, units, places)
    if spill and design.state.buffers > 1:
        parts = spill.lengths(units.scan.head_words)
        waiting["state"] = design.state.buffers * sum(places("state", part) for part in parts)
    # A word keeps its place until the last of its beats has left.
    depths = {name: waiting.get(name, 0) + (several[name] > 1) for name in beats}
    return tuple(Target(name, beat, max(3, depths[name])) for name, beat in beats.items())


def _matrix_places(
    shape: Mamba2Shape, design: Design, units: LayerUnits, places: Callable[[str, int], int]
) -> dict[str, int]:
    """Places for the weights that wait before the multipliers, and for the scales that they need.

    Behind the weights of the tile that is multiplied wait those of whole tiles, and a tile's scales
    come before its weights: so do not hold them up for room.
    """
    prefetch, matvec = design.memory.prefetch, units.matvec
    tiles = [
        (columns // matvec.columns, -(-columns // matvec.group))
        for columns in (shape.d_model, shape.inner)
    ]
    weights = max(
        prefetch // tile * places("weights", tile) + places("weights", prefetch % tile)
        for tile, _ in tiles
    )
    ahead = max(3, weights + 1)
    scales = max(
        (ahead // places("weights", tile) + 2) * places("scales", groups) for tile, groups in tiles
    )
    return {"weights": weights, "scales": scales}
