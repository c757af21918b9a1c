"""Grids: the points of a space for one network on one board, by their numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.closed_form import OF_MEMORY, Designs
from hwsim.devices import CLOCK_HZ, LATENCY, Device, memory_on
from hwsim.measures import rule_of
from hwsim.memory import MemoryModel
from models.design import Design, changed
from models.errors import InputError
from models.memory_port import ReadPortConfig
from models.networks.shape import Mamba2Shape
from models.precision import Precision
from reports.explore.identity import digest
from reports.explore.knobs import Knobs, axes_of

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """Points of one network on one board: `base` with each combination of the knobs' values.

    Points are numbered with the last knob fastest, from 0; `first` is what the number of the first
    one is among all points of the network.
    """

    network: str
    shape: Mamba2Shape
    device: Device | None
    base: Design
    knobs: Knobs
    first: int = 0

    @cached_property
    def axes(self) -> Knobs:
        return axes_of(self.knobs, self.base.precision)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.axes.values())

    @cached_property
    def precisions(self) -> tuple[Precision, ...]:
        """Of each value of the axis `precision`; the base's alone where there is no such axis."""
        values = self.axes.get("precision", [self.base.precision])
        return tuple(self._changed({"precision": value}).precision for value in values)

    @property
    def points(self) -> int:
        return prod(self.sizes)

    @cached_property
    def key(self) -> str:
        """What is computed of the points depends on nothing else, but for puffadder's version."""
        base = self.base.model_dump(mode="json") | {"name": ""}
        device = self.device.model_dump(mode="json") if self.device else None
        return digest([asdict(self.shape), base, device, list(self.axes.items())])

    def designs(self, numbers: Numbers) -> Designs:
        return Designs.grid(self.base, self.axes, self._memory, numbers)

    def design(self, number: int) -> Design:
        """The design of a point, with the name of the base."""
        return self._changed(_values(self.axes, number))

    def values(self, number: int) -> dict[str, Any]:
        """The value of each knob at a point."""
        return _values(self.knobs, number)

    def places(self, numbers: Numbers) -> dict[str, Numbers]:
        """Of each axis, the index of its value at each point."""
        if not self.axes:
            return {}
        return dict(zip(self.axes, np.unravel_index(numbers, self.sizes), strict=True))

    def neighbours(self, number: int) -> dict[str, Numbers]:
        """Of each knob, the points that have its values and otherwise those of a point."""
        sizes = tuple(len(values) for values in self.knobs.values())
        found = {}
        for at, key in enumerate(self.knobs):
            index = [np.full(sizes[at], place) for place in np.unravel_index(number, sizes)]
            index[at] = np.arange(sizes[at])
            found[key] = np.ravel_multi_index(tuple(index), sizes)
        return found

    def canonical(self, numbers: Numbers) -> Numbers:
        """The first of the points that are the same design as each of these.

        Values of a knob that are equal, buffers of a state that is on chip, and bursts longer than
        what fits between 4 KB boundaries make no difference.
        """
        places = self.places(numbers)
        if not places:
            return numbers
        for key, first in self._first.items():
            places[key] = first[places[key]]
        if "state.buffers" in places:
            on_chip = self._at("state.placement", places, self.base.state.placement) == "chip"
            places["state.buffers"] = np.where(on_chip, 0, places["state.buffers"])
        if "memory.burst" in places:
            bits = places.get("memory.port_bits", np.zeros_like(numbers))
            places["memory.burst"] = self._bursts[bits, places["memory.burst"]]
        return np.ravel_multi_index(tuple(places.values()), self.sizes)

    def port_rules(self, numbers: Numbers) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """0, or one more than the index of the rule of the board's memory that a point breaks."""
        keys, broken, rules = self._refusals
        places = self.places(numbers)
        combination = np.zeros(len(numbers), np.int64)
        for key in keys:
            combination = combination * len(self.axes[key]) + places[key]
        return broken[combination], rules

    @cached_property
    def _refusals(self) -> tuple[list[str], NDArray[np.int64], tuple[str, ...]]:
        keys = [key for key in self.axes if key in OF_MEMORY]
        rules: list[str] = []
        broken = []
        for values in product(*(self.axes[key] for key in keys)):
            try:
                memory_on(self.device, self._changed(dict(zip(keys, values, strict=True))))
                broken.append(0)
            except InputError as error:
                rule = rule_of(str(error))
                if rule not in rules:
                    rules.append(rule)
                broken.append(rules.index(rule) + 1)
        return keys, np.array(broken), tuple(rules)

    @cached_property
    def _first(self) -> dict[str, NDArray[np.int64]]:
        """Of each value of a knob, the first that is equal to it."""
        found = {}
        for key, values in self.axes.items():
            designs = [self._changed({key: value}) for value in values]
            first = {design: at for at, design in reversed([*enumerate(designs)])}
            found[key] = np.array([first[design] for design in designs])
        return found

    @cached_property
    def _bursts(self) -> NDArray[np.int64]:
        """Of each port's width and burst, the first burst that is as long there."""
        table = []
        for bits in self.axes.get("memory.port_bits", [self.base.memory.port_bits]):
            ports = [ReadPortConfig(bits, burst=each) for each in self.axes["memory.burst"]]
            words = [port.burst_words for port in ports]
            table.append([words.index(each) for each in words])
        return np.array(table)

    def _memory(self, design: Design) -> MemoryModel:
        """The memory of a design on the grid's board; some other where it has none for it."""
        if design not in self._memories:
            try:
                self._memories[design] = memory_on(self.device, design)
            except InputError:
                self._memories[design] = MemoryModel(design.memory.port_bits, CLOCK_HZ, LATENCY)
        return self._memories[design]

    @cached_property
    def _memories(self) -> dict[Design, MemoryModel]:
        """Of the designs that were asked for: combinations of what decides a memory."""
        return {}

    def _at(self, key: str, places: Mapping[str, Numbers], otherwise: Any) -> NDArray[Any]:
        return np.array(self.axes[key])[places[key]] if key in places else np.array(otherwise)

    def _changed(self, values: Mapping[str, Any]) -> Design:
        return changed(self.base, values, f"knobs on {self.base.name}")


def _values(knobs: Knobs, number: int) -> dict[str, Any]:
    sizes = tuple(len(values) for values in knobs.values())
    index = np.unravel_index(number, sizes) if sizes else ()
    return {key: values[at] for (key, values), at in zip(knobs.items(), index, strict=True)}
