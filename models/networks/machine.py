"""The machine: what a whole network needs besides a layer's units, from a shape and a design."""

from dataclasses import dataclass

from models.beats import Beat, fixed_beat
from models.counters import counters
from models.design import Design
from models.errors import InputError
from models.formats import Fixed
from models.memory_port import ReadPortConfig
from models.networks.layer import LayerUnits, layer_units
from models.networks.queues import depths, loads, target_beats
from models.networks.shape import Mamba2Shape
from models.units.argmax import ArgmaxConfig
from models.units.fetch import FetchConfig, Target
from models.units.spill import SpillConfig

EMBEDDED, LOOPED = 0, 1
"""Where a layer's input comes from: the embedding, or the layer before."""


@dataclass(frozen=True)
class MachineConfig:
    """Configurations of everything in a generated accelerator.

    `embedding` is the format of the embedding's rows, whose beats carry `lanes` codes. `spill` is
    there when the state is in memory. `port` is one of the memory `ports`;
    `fetch` and `spill` have words of all of them together.
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
    def ports(self) -> int:
        """Memory ports."""
        return self.design.memory.ports

    @property
    def word_beat(self) -> Beat:
        """A word of all ports together."""
        return self.port.striped_beat(self.ports)

    @property
    def counters(self) -> list[str]:
        """Names of the counters that are there, as `models.registers.register_map` takes them."""
        return counters(self.units.counted) if self.design.counters else []


def machine_config(shape: Mamba2Shape, design: Design) -> MachineConfig:
    """Configurations for a network of `shape` on `design`.

    Raises InputError when the design does not fit the network.
    """
    units, precision = layer_units(shape, design, shape.layers), design.precision
    try:
        memory = design.memory
        port = ReadPortConfig(memory.port_bits, burst=memory.burst, outstanding=memory.outstanding)
        fetch = FetchConfig(memory.word_bits, _targets(shape, design, units))
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
    return SpillConfig(design.memory.word_bits, units.scan.state_beat)


def _targets(shape: Mamba2Shape, design: Design, units: LayerUnits) -> tuple[Target, ...]:
    """Ports and their queues."""
    precision, memory = design.precision, design.memory
    waiting = loads(shape, units, precision)
    places = depths(waiting, memory.word_bits, memory.prefetch, design.state.buffers)
    beats = target_beats(units, precision)
    return tuple(Target(name, beat, int(places[name])) for name, beat in beats.items())
