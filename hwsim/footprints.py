"""Footprints: the memory blocks that each of millions of designs takes, and whether they are there.

What `hwsim.resources` says of one design. The queues behind the port are computed for all designs
that differ in them; the other memories, which parallelism, precision, order and placement of the
state decide, once for each combination of these.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.closed_form import PARALLELISM, Designs, Numbers
from hwsim.devices import Device
from hwsim.distinct import Places, distinct
from hwsim.packing import PACKED, Packer, Queues, standing
from hwsim.resources import BURST_BITS, unit_memories, write_bursts
from models.design import Design, MatvecParallelism, ScanParallelism, StateStore
from models.errors import InputError
from models.networks.layer import layer_units
from models.networks.queues import Load, Loads, depths, loads
from models.networks.shape import Mamba2Shape
from models.precision import Precision
from models.units.fetch import per_word, waiting_bits

OF_UNITS = (*PARALLELISM, "naive", "spilled")
"""What decides the memories that are not behind the port."""
OF_PORT = ("ports", "port_bits", "prefetch", "outstanding", "buffers")
"""What decides those that are, beside these."""
AT_ONCE = 1 << 16
"""Designs whose queues are computed together, few enough for a processor's cache."""

Columns = Mapping[str, NDArray[np.int32]]
"""Of `Designs.table`, by name."""


@dataclass(frozen=True)
class Footprints:
    """Of each design: blocks used, and whether there are blocks for all of its memories.

    NaN, and no fit, where the design does not fit the network.
    """

    block_ram: Numbers
    ultra_ram: Numbers
    fits: NDArray[np.bool_]


def footprints(shape: Mamba2Shape, designs: Designs, device: Device) -> Footprints:
    """As `hwsim.resources.place` puts the memories of each design into the blocks of `device`."""
    first, units = distinct([designs.table[name] for name in OF_UNITS])
    held = [_held(shape, *each) for each in _of_units(designs, first)]
    port = of_port(designs)
    different, which = distinct([units, *port.values()])
    port = {name: column[different] for name, column in port.items()}
    packed = _packed(held, units[different], port, device)[which]
    block_ram, ultra_ram, left_out = np.ascontiguousarray(packed.T)
    return Footprints(block_ram, ultra_ram, left_out == 0)


def fed(shape: Mamba2Shape, designs: Designs) -> Iterator[tuple[Places, Loads]]:
    """Numbers of the designs with the same targets of fetch, and what each target takes there, as
    arrays; without those that do not fit the network.
    """
    first, units = distinct([designs.table[name] for name in OF_UNITS])
    held = [_held(shape, *each) for each in _of_units(designs, first)]
    for group, rows in _groups(held):
        numbers = np.flatnonzero(rows[units] >= 0)
        found = np.stack([each.loads for each in group], axis=-1)[..., rows[units[numbers]]]
        yield numbers, _loads(group[0].targets, found)


def of_port(designs: Designs) -> Columns:
    """OF_PORT of designs; of a state in memory 0 where it is on chip, for it decides nothing."""
    table = designs.table
    spilled = {name: table[name] * table["spilled"] for name in ("outstanding", "buffers")}
    return {name: spilled.get(name, table[name]) for name in OF_PORT}


def _of_units(designs: Designs, numbers: Places) -> Iterator[tuple[tuple[int, ...], Precision]]:
    """OF_UNITS of designs, and their precisions."""
    for values in designs.table[numbers][list(OF_UNITS)].tolist():
        yield values, designs.precisions[values[OF_UNITS.index("precision")]]


class Held(NamedTuple):
    """What designs hold that have OF_UNITS in common; of each target of fetch, a `Load` in a row.

    loads     int (targets, 3)
    standing  int (memories, 5)  as of `hwsim.packing`
    """

    targets: tuple[str, ...]
    loads: NDArray[np.int64]
    standing: NDArray[np.int64]


@lru_cache(maxsize=1 << 14)
def _held(shape: Mamba2Shape, values: tuple[int, ...], precision: Precision) -> Held | None:
    """None where the network does not fit. Kept, for grids larger than memory come in parts."""
    try:
        units = layer_units(shape, _design(values, precision), shape.layers)
    except InputError:
        return None
    taken = loads(shape, units, precision)
    return Held(tuple(taken), np.array(list(taken.values())), standing(unit_memories(shape, units)))


def _design(values: tuple[int, ...], precision: Precision) -> Design:
    """A design by OF_UNITS, with no port."""
    v = SimpleNamespace(**dict(zip(OF_UNITS, values, strict=True)))
    return Design.model_construct(
        name="any",
        lanes=v.lanes,
        matvec=MatvecParallelism.model_construct(rows=v.rows, columns=v.columns),
        scan=ScanParallelism.model_construct(channels=v.channels, states=v.states),
        state=StateStore.model_construct(placement="memory" if v.spilled else "chip"),
        order="naive" if v.naive else "interleaved",
        precision=precision,
    )


def _packed(
    held: Sequence[Held | None], units: Places, port: Columns, device: Device
) -> NDArray[np.float64]:
    """PACKED of designs that hold `held[units]`; NaN of those that hold None."""
    packed = np.full((len(units), len(PACKED)), np.nan)
    for group, rows in _groups(held):
        packer = Packer.of([each.standing for each in group], device)
        loads = np.stack([each.loads for each in group], axis=-1)
        numbers = np.flatnonzero(rows[units] >= 0)
        for at in range(0, len(numbers), AT_ONCE):
            some = numbers[at : at + AT_ONCE]
            row, of_port = rows[units[some]], {name: port[name][some] for name in port}
            packed[some] = packer.pack(_queues(group[0].targets, loads[..., row], of_port), row)
    return packed


def _groups(found: Sequence[Held | None]) -> Iterator[tuple[list[Held], Places]]:
    """Those with the same targets, and the place of each that was found among them, or -1."""
    for targets in dict.fromkeys(held.targets for held in found if held):
        group = [held for held in found if held and held.targets == targets]
        ours = np.array([held is not None and held.targets == targets for held in found])
        yield group, np.where(ours, np.cumsum(ours) - 1, -1)


def _loads(targets: Sequence[str], loads: NDArray[np.int64]) -> Loads:
    return {name: Load(*load) for name, load in zip(targets, loads, strict=True)}


def _queues(targets: Sequence[str], loads: NDArray[np.int64], port: Columns) -> Queues:
    """The memories behind the port.

    loads  int (targets, 3, designs)
    """
    taken = _loads(targets, loads)
    word_bits, spilled = port["ports"] * port["port_bits"], "spills" in targets
    words = np.empty((len(targets) + spilled, loads.shape[2]), np.int64)
    bits, copies = np.empty_like(words), np.ones_like(words)
    places = depths(taken, word_bits, port["prefetch"], port["buffers"])
    for at, (name, load) in enumerate(taken.items()):
        words[at] = places[name] - 1  # the last waits in registers
        bits[at] = waiting_bits(load.bits, per_word(load.bits, word_bits))
    if spilled:
        words[-1], bits[-1] = write_bursts(port["outstanding"]), BURST_BITS
        copies[-1] = port["ports"]
    return Queues(words, bits, copies)
