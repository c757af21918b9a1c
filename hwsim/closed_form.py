"""The closed form: cycles per token of one network on millions of designs.

It is the engine's model of a token that follows from the one before, without a step for each clock
edge: see `hwsim.passes`. What it takes from a design are the beats and latencies of its units,
which a parallelism and a precision decide, and how it schedules them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.devices import memory_of
from hwsim.distinct import distinct
from hwsim.memory import MemoryModel
from hwsim.passes.records import shape_record, units_table
from hwsim.passes.token import refreshed_periods, tokens
from models.design import Design, changed
from models.errors import InputError
from models.memory_port import ReadPortConfig
from models.networks.shape import Mamba2Shape
from models.precision import Precision

Numbers = NDArray[np.float64]

PARALLELISM = ("lanes", "rows", "columns", "channels", "states", "precision")
"""What decides the units of a design; `precision` is a number of `Designs.precisions`."""
SCHEDULE = ("ports", "port_bits", "burst", "outstanding", "prefetch", "naive", "spilled", "buffers")
MEMORY = ("latency", "refresh_interval", "refresh_cycles", "memory_outstanding")
DESIGN = np.dtype(
    [(name, np.int32) for name in PARALLELISM + SCHEDULE + MEMORY]
    + [("rate", np.float64), ("clock_hz", np.float64)]
)
"""A design and its memory, in words of the port and cycles of its clock."""
KEYS = {
    "lanes": "lanes",
    "matvec.rows": "rows",
    "matvec.columns": "columns",
    "scan.channels": "channels",
    "scan.states": "states",
    "precision": "precision",
    "memory.ports": "ports",
    "memory.port_bits": "port_bits",
    "memory.burst": "burst",
    "memory.outstanding": "outstanding",
    "memory.prefetch": "prefetch",
    "order": "naive",
    "state.placement": "spilled",
    "state.buffers": "buffers",
    "clock_hz": None,
    "device": None,
}
"""Keys of a design file that a grid may list, and what each sets; the others set the memory's."""
OF_MEMORY = ("memory.ports", "memory.port_bits", "state.placement", "clock_hz", "device")
"""Keys that decide which memory is behind the port."""


@dataclass(frozen=True)
class Designs:
    """Designs with their memories: `table` holds records of DESIGN, a field an array.

    >>> from models.precision import NAMED
    >>> base = Design(name="d", lanes=4, matvec={"rows": 4, "columns": 4},
    ...               scan={"channels": 1, "states": 4}, precision=NAMED["w4a4"])
    >>> Designs.grid(base, {"matvec.rows": [4, 8, 16], "order": ["naive"]}).table["rows"].tolist()
    [4, 8, 16]
    """

    table: NDArray[Any]
    precisions: tuple[Precision, ...]

    def __len__(self) -> int:
        return len(self.table)

    @classmethod
    def of(
        cls, designs: Sequence[Design], memories: Sequence[MemoryModel] | None = None
    ) -> "Designs":
        """These designs, with the memories of their boards or those that are given."""
        behind = [memory_of(design) for design in designs] if memories is None else memories
        precisions = tuple(dict.fromkeys(design.precision for design in designs))
        table = np.zeros(len(designs), DESIGN)
        for at, (design, memory) in enumerate(zip(designs, behind, strict=True)):
            table[at] = (*_columns(design, precisions).values(), *_of_memory(memory).values())
        return cls(table, precisions)

    @classmethod
    def grid(
        cls,
        base: Design,
        axes: Mapping[str, Sequence[Any]],
        memory: Callable[[Design], MemoryModel] = memory_of,
        numbers: NDArray[np.int64] | range | None = None,
    ) -> "Designs":
        """`base` with each combination of values of the keys of a design file, the last fastest.

        `numbers` are those of the combinations that are wanted, for grids larger than memory.
        Raises InputError for an unknown key and for a value that a design cannot have.
        """
        lists = {key: _changed(base, key, values) for key, values in axes.items()}
        sizes = tuple(len(designs) for designs in lists.values())
        wanted = range(prod(sizes)) if numbers is None else numbers
        if isinstance(wanted, range):
            wanted = np.arange(wanted.start, wanted.stop)
        places = np.unravel_index(wanted, sizes or (1,))
        index = dict(zip(lists, places, strict=False))
        every = [base, *(design for designs in lists.values() for design in designs)]
        precisions = tuple(dict.fromkeys(design.precision for design in every))
        table = np.zeros(len(wanted), DESIGN)
        for name, value in _columns(base, precisions).items():
            table[name] = value
        for key, designs in lists.items():
            if column := KEYS[key]:
                values = [_columns(design, precisions)[column] for design in designs]
                table[column] = np.array(values)[index[key]]
        _fill_memory(table, base, axes, index, memory)
        return cls(table, precisions)


@dataclass(frozen=True)
class Cycles:
    """Of a token on each design: cycles in all, and those that the port, the multipliers and the
    scan need at least; words that are read and written. NaN and 0 where a design does not fit.
    """

    total: Numbers
    port: Numbers
    multipliers: Numbers
    scan: Numbers
    words_read: Numbers
    words_written: Numbers
    clock_hz: Numbers
    units: NDArray[np.int64]
    refusals: tuple[str, ...]

    @property
    def exposed(self) -> Numbers:
        """Cycles in which what bounds a token waits for something else: fills, latencies."""
        bound = np.maximum(np.maximum(self.port, self.multipliers), self.scan)
        return self.total - bound

    @property
    def tokens_per_second(self) -> Numbers:
        return self.clock_hz / self.total


def cycles_per_token(shape: Mamba2Shape, designs: Designs) -> Cycles:
    """What a token takes that follows from the one before, LM head included."""
    chosen, which = _distinct(designs.table)
    units, refusals = units_table(shape, chosen, designs.precisions)
    told = np.zeros((len(designs), 6))
    refreshed = _refreshed_periods(designs.table)
    tokens(shape_record(shape), designs.table, units, which, refreshed, told)
    total, port, multipliers, scan, read, written = np.ascontiguousarray(told.T)
    clock_hz = designs.table["clock_hz"]
    return Cycles(total, port, multipliers, scan, read, written, clock_hz, which, refusals)


def _columns(design: Design, precisions: tuple[Precision, ...]) -> dict[str, int]:
    """What DESIGN keeps of a design itself."""
    memory = design.memory
    port = _read_port(design)
    values = (
        design.lanes, design.matvec.rows, design.matvec.columns,
        design.scan.channels, design.scan.states, precisions.index(design.precision),
        memory.ports, memory.port_bits, port.burst_words, memory.outstanding, memory.prefetch,
        design.order == "naive", design.state.placement == "memory", design.state.buffers,
    )  # fmt: skip
    return dict(zip(PARALLELISM + SCHEDULE, map(int, values), strict=True))


def _read_port(design: Design) -> ReadPortConfig:
    memory = design.memory
    try:
        return ReadPortConfig(memory.port_bits, burst=memory.burst, outstanding=memory.outstanding)
    except ValueError as error:
        raise InputError(f"design {design.name}:", str(error), "change memory.*") from None


def _of_memory(memory: MemoryModel) -> dict[str, float]:
    """What DESIGN keeps of a memory."""
    return {
        "latency": memory.latency,
        "refresh_interval": memory.refresh_interval,
        "refresh_cycles": memory.refresh_cycles,
        "memory_outstanding": memory.outstanding,
        "rate": float(memory.rate),
        "clock_hz": memory.clock_hz,
    }


def _changed(base: Design, key: str, values: Sequence[Any]) -> list[Design]:
    """`base` with each of the values of a key."""
    if key not in KEYS:
        raise InputError(f"grid: key {key!r}", f"must be one of {', '.join(KEYS)}", "name one")
    if not values:
        raise InputError(f"grid: {key}", "must have at least one value, not none", "give one")
    return [_with(base, {key: value}) for value in values]


def _with(base: Design, changes: Mapping[str, Any]) -> Design:
    return changed(base, changes, f"grid of {base.name}")


def _fill_memory(
    table: NDArray[Any],
    base: Design,
    axes: Mapping[str, Sequence[Any]],
    index: Mapping[str, NDArray[np.intp]],
    memory: Callable[[Design], MemoryModel],
) -> None:
    """The memory of each combination of the keys that decide it, and what of it DESIGN keeps."""
    keys = [key for key in axes if key in OF_MEMORY]
    number = np.zeros(len(table), np.intp)
    for key in keys:
        number = number * len(axes[key]) + index[key]
    combinations = product(*(axes[key] for key in keys))
    kept = [
        (design, _of_memory(memory(design)))
        for design in (_with(base, dict(zip(keys, each, strict=True))) for each in combinations)
    ]
    for name in kept[0][1]:
        table[name] = np.array([values[name] for _, values in kept])[number]
    if "memory.burst" in axes:
        limits = [_read_port(_longest(design)).burst_words for design, _ in kept]
        table["burst"] = np.minimum(np.array(axes["memory.burst"])[index["memory.burst"]],
                                    np.array(limits)[number])  # fmt: skip
    else:
        table["burst"] = np.array([_read_port(design).burst_words for design, _ in kept])[number]


def _longest(design: Design) -> Design:
    return _with(design, {"memory.burst": 256})


def _refreshed_periods(table: NDArray[Any]) -> Numbers:
    """What `hwsim.passes.token.refreshed_periods` says of each design; 0 where no memory has
    refreshes.
    """
    periods = np.zeros(len(table))
    if table["refresh_interval"].any():
        ports, which = np.unique(table[["burst", "outstanding", *MEMORY, "rate"]],
                                 return_inverse=True)  # fmt: skip
        each = np.zeros(len(ports))
        refreshed_periods(np.array(ports), each)
        periods = each[which]
    return periods


def _distinct(table: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each parallelism with a precision once, as rows, and the row of each design."""
    first, which = distinct([table[name] for name in PARALLELISM])
    return np.stack([table[name][first] for name in PARALLELISM], axis=1), which
