"""Where a run went wrong: the first code that differs, unit by unit, and waves around it.

The run is simulated again up to the wrong token, with an observer that records what every unit
hands over. That is compared with the integer network in the order of the data: token by token,
layer by layer, unit by unit, so that the unit named has got right inputs.
"""

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from codegen.image import Image
from codegen.observer import STARTED, Place, observer
from models.beats import Beat
from models.formats import Codes
from models.networks.machine import MachineConfig
from models.networks.mamba2 import Arithmetic, Block, Network, compiled
from models.networks.order import PADDING, conv_order, in_proj_order
from models.networks.quantized import QuantizedNetwork
from models.networks.stream import PacketLayout, head_packets, layer_packets
from models.units.fetch import fetch
from models.units.scan import ScanConfig
from rtl.accelerator import Accelerator

NETWORK = ("machine", "network")
CORE = (*NETWORK, "core")
SHARED = ("norm", "linear_input", "matvec")
"""Units that serve in_proj, out_proj and the head in turn."""
CONVOLVED = ("conv_input", "conv1d", "silu", "scan_input")
"""Units whose channels are in the order of the convolution."""
WAVES, STREAMS = "waves.vcd", "streams"
CYCLE_NS = 10
ROOM_BYTES = 2**20
BEFORE, AFTER = 1000, 100
"""Cycles around the first differing code that are in the waves."""


@dataclass(frozen=True)
class Handed:
    """What a unit has to hand over on one of its streams for one token in one layer.

    `layer` is None in the head; `serving` tells for whom a shared unit works.
    """

    stream: str
    unit: str
    layer: int | None
    token: int
    serving: str | None
    beat: Beat
    words: list[int]


@dataclass(frozen=True)
class Transfers:
    """Words that went over a stream, and when, in nanoseconds of the simulation."""

    words: list[int]
    times: list[int]


@dataclass(frozen=True)
class Difference:
    """A code that differs; `index` counts the codes of `field` in the order of the stream.

    `received` is None for a code that never came, `time` then that of the last one that did.
    """

    unit: str
    layer: int | None
    token: int
    serving: str | None
    field: str
    index: int
    expected: int
    received: int | None
    time: int  # nanoseconds of the simulation

    def to_dict(self) -> dict[str, Any]:
        """For a report, with where to look in the waves."""
        told = asdict(self)
        return told | {"waves": WAVES, "waves_ns": told.pop("time")}


Rerun = Callable[[str, int, list[str], int | None], object]
"""Simulates the run again, with the Verilog of an observer and plus arguments for it, over so many
tokens, or until a time in nanoseconds."""


def diagnose(
    quantized: QuantizedNetwork,
    machine: MachineConfig,
    top: str,
    image: Image,
    memory: bytes,
    tokens: list[int],
    rerun: Rerun,
    folder: Path,
) -> Difference | None:
    """The first code of any unit that differs while `tokens` are read, one after the other.

    `memory` is the image as the hardware reads it, word by word. Leaves `waves.vcd` in `folder`,
    whole or not at all, with all signals around the difference. A run that gets stuck differs where
    the first code is missing. None when no unit's codes differ, or the run
    never started. Raises OSError when the disk is full.
    """
    watch = observer(Accelerator(machine), top, observed(machine))
    recording, waves = (folder.resolve() / f"{name}.part" for name in (STREAMS, WAVES))
    try:
        try:
            rerun(watch, len(tokens), [f"+streams={recording}"], None)
        except RuntimeError:
            if not recording.exists():
                raise
        _require_room(folder)
        received = read_recording(recording)
        if STARTED not in received:
            return None
        wanted = expected(quantized, machine, tokens, image, memory)
        difference = first_difference(wanted, received)
        if difference:
            around = difference.time
            window = [f"+waves={waves}", f"+from={max(0, around - BEFORE * CYCLE_NS)}"]
            rerun(watch, len(tokens), window, around + AFTER * CYCLE_NS)
            _require_room(folder)
            waves.replace(folder / WAVES)
    finally:
        for path in (recording, waves):
            path.unlink(missing_ok=True)
    return difference


def _require_room(folder: Path) -> None:
    """Refuse what a simulator wrote while its disk was full, of which it does not tell."""
    if shutil.disk_usage(folder).free < ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def observed(machine: MachineConfig) -> dict[str, Place]:
    """Every stream that is compared, by its name."""
    streams: dict[str, Place] = {
        f"fetch.{target.name}": ((*NETWORK, "fetch"), f"o_{target.name}")
        for target in machine.fetch.targets
    }
    streams |= {name: ((*CORE, name), "o") for name in _unit_names(machine.units)}
    if machine.units.scan.spilled:
        streams["scan.state"] = ((*CORE, "scan"), "o_state")
    return streams | {"argmax": ((*NETWORK, "argmax"), "o")}


def _unit_names(units: Any) -> list[str]:
    return [field.name for field in fields(units) if hasattr(getattr(units, field.name), "o_beat")]


def read_recording(path: Path) -> dict[str, Transfers]:
    """What an observer recorded since the last start, by stream."""
    streams: dict[str, Transfers] = {}
    with path.open() as lines:
        for line in lines:
            name, time, payload = line.split()
            if name == STARTED:
                streams.clear()
            transfers = streams.setdefault(name, Transfers([], []))
            transfers.words.append(int(payload, 16))
            transfers.times.append(int(time))
    return streams


def first_difference(
    expected: Iterable[Handed], received: dict[str, Transfers]
) -> Difference | None:
    """The first code that differs, in the order of what is expected."""
    taken = dict.fromkeys(received, 0)
    nothing = Transfers([], [])
    for handed in expected:
        start = taken.get(handed.stream, 0)
        stop = taken[handed.stream] = start + len(handed.words)
        transfers = received.get(handed.stream, nothing)
        words = transfers.words[start:stop]
        if words != handed.words:
            return _difference(handed, words, transfers.times[:stop] or received[STARTED].times)
    return None


def _difference(handed: Handed, words: list[int], times: list[int]) -> Difference:
    """The difference of a unit's `words`, the last of them handed over at the last of `times`."""
    pairs = enumerate(zip(handed.words, words, strict=False))
    at = next((at for at, (ours, theirs) in pairs if ours != theirs), len(words))
    ours = handed.beat.unpack(handed.words[at : at + 1])
    theirs = handed.beat.unpack(words[at : at + 1]) if at < len(words) else {}
    field = handed.beat.fields[0]
    place = 0
    for field in handed.beat.fields if theirs else ():
        differs = np.flatnonzero(ours[field.name][0] != theirs[field.name][0])
        if len(differs):
            place = int(differs[0])
            break
    return Difference(
        unit=handed.unit,
        layer=handed.layer,
        token=handed.token,
        serving=handed.serving,
        field=field.name,
        index=at * field.count + place,
        expected=int(ours[field.name][0, place]),
        received=int(theirs[field.name][0, place]) if theirs else None,
        time=times[at - len(words)] if theirs else times[-1],
    )


def expected(
    quantized: QuantizedNetwork,
    machine: MachineConfig,
    tokens: Iterable[int],
    image: Image,
    memory: bytes,
    arithmetic: Arithmetic | None = None,
) -> Iterator[Handed]:
    """All that the units hand over while `tokens` are read, in the order of the data.

    `fetch` has to hand over what is in `memory`, or the state that left before, the other units
    what the integer network says.
    """
    calls = _Calls(arithmetic or compiled())
    network = Network(quantized, calls.arithmetic)
    names = {id(getattr(network.units, name)): name for name in _unit_names(network.units)}
    held = _Held(machine, image, memory)
    states = network.start()
    for at, token in enumerate(tokens):
        calls.made.clear()
        logits, states = network.decode(states, token)
        layer, serving = 0, "in_proj"
        yield from held.fetched(layer, at, token)
        for config, result in calls.made:
            unit = names[id(config)]
            yield _of_unit(unit, machine, layer, at, serving, result)
            if unit == "scan" and machine.units.scan.spilled:
                yield held.left(layer, at, result[1])
            elif unit == "matvec":
                serving = "out_proj"
            elif unit == "residual":
                layer += 1
                serving = "head" if layer == machine.shape.layers else "in_proj"
                yield from held.fetched(layer, at, token)
        chosen = machine.argmax.o_beat.pack(index=np.argmax(logits))
        yield Handed("argmax", "argmax", None, at, None, machine.argmax.o_beat, chosen)


class _Calls:
    """Calls of an arithmetic's functions: the configuration of the unit, and what it returned."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        self.made: list[tuple[object, Any]] = []
        functions = {field.name: getattr(arithmetic, field.name) for field in fields(Arithmetic)}
        self.arithmetic = Arithmetic(
            **{name: self._kept(function) for name, function in functions.items()}
        )

    def _kept(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = function(*arguments)
            self.made.append((arguments[-1], result))
            return result

        return call


def _of_unit(
    unit: str, machine: MachineConfig, layer: int, token: int, serving: str, result: Any
) -> Handed:
    beat: Beat = getattr(machine.units, unit).o_beat
    return Handed(
        stream=unit,
        unit=unit,
        layer=layer if layer < machine.shape.layers else None,
        token=token,
        serving=serving if unit in SHARED else None,
        beat=beat,
        words=beat.pack(**_in_stream_order(unit, machine, serving, result)),
    )


def _in_stream_order(
    unit: str, machine: MachineConfig, serving: str, result: Any
) -> dict[str, Codes]:
    """Codes of each field of the unit's beats, from what the unit's function returned."""
    units, shape, lanes = machine.units, machine.shape, machine.units.lanes
    if unit == "matvec":
        return {"y": _rows(result, serving, machine)}
    if unit == "discretize":
        decay, drive, exponents, skip = result
        return {
            "decay": np.repeat(decay, shape.head_dim // lanes),
            "drive": drive,
            "exponents": np.repeat(exponents, max(1, units.discretize.x.group // lanes)),
            "skip": skip,
        }
    if unit == "scan":
        return {"y": result[0]}
    if not isinstance(result, tuple):
        channels = conv_order(shape, units.order) if unit in CONVOLVED else slice(None)
        return {getattr(units, unit).o_beat.fields[0].name: result[channels]}
    (codes, exponents), group = result, getattr(units, unit).block.group
    if unit in CONVOLVED:
        channels = conv_order(shape, units.order)
        codes, exponents = codes[channels], exponents[channels[::group] // group]
    return {"codes": codes, "exponents": np.repeat(exponents, max(1, group // lanes))}


def _rows(result: Codes, serving: str, machine: MachineConfig) -> Codes:
    """Rows as the matvec unit computes them: in its order, and whole tiles."""
    units = machine.units
    if serving == "in_proj":
        order = in_proj_order(machine.shape, units.lanes, units.matvec.rows, units.order).rows
        return np.where(order == PADDING, 0, result[order])
    return np.pad(result, (0, -len(result) % units.matvec.rows))


class _Held:
    """What the memory holds: the image, and the state of each layer where that is spilled."""

    def __init__(self, machine: MachineConfig, image: Image, memory: bytes) -> None:
        self.machine, self.image, self.memory = machine, image, memory
        self.settings = image.settings(1, 1)
        stream = self._beats(self.settings["image_address"], self.settings["image_words"])
        layers = [layer_packets(machine)] * machine.shape.layers
        self.parts = list(_parted(stream, [*layers, head_packets(machine)]))

    def fetched(self, layer: int, at: int, token: int) -> Iterator[Handed]:
        """All that is fetched for `token`, the one that is read `at`, in a layer or the head."""
        beats = self.parts[layer]
        if layer == 0:
            row = self.settings["embedding_address"] + token * self.settings["embedding_stride"]
            beats["embedding"] = self._beats(row, self.settings["embedding_words"])["embedding"]
        named = layer if layer < self.machine.shape.layers else None
        for target in self.machine.fetch.targets:
            name, words = target.name, beats[target.name]
            yield Handed(f"fetch.{name}", "fetch", named, at, name, target.beat, words)

    def left(self, layer: int, at: int, state: Block) -> Handed:
        """The state that leaves after a token; it is fetched for the next."""
        scan = self.machine.units.scan
        words = self.parts[layer]["state"] = _state_words(state, scan)
        return Handed("scan.state", "scan", layer, at, "state", scan.state_beat, words)

    def _beats(self, address: int, count: int) -> dict[str, list[int]]:
        """Of the words from an `address` on, which is that of their parts behind each port."""
        size, first = self.image.ports * self.image.octets, self.image.ports * address
        octets = self.memory[first : first + count * size]
        starts = range(0, count * size, size)
        words = [int.from_bytes(octets[start : start + size], "little") for start in starts]
        return fetch(words, self.machine.fetch)


def _parted(
    beats: dict[str, list[int]], parts: list[tuple[PacketLayout, ...]]
) -> Iterator[dict[str, list[int]]]:
    """Of the `beats` of each target those that come with the packets of each of `parts`."""
    taken = dict.fromkeys(beats, 0)
    for packets in parts:
        counts = Counter[str]()
        for packet in packets:
            counts.update(packet.beats)
        yield {name: beats[name][taken[name] : taken[name] + counts[name]] for name in beats}
        for name, count in counts.items():
            taken[name] += count


def _state_words(state: Block, scan: ScanConfig) -> list[int]:
    """Words of a layer's state: channel tile after channel tile, each by state tile."""
    codes, exponents = state
    tiles = [
        np.moveaxis(part.reshape(-1, scan.channels, scan.state_tiles, per_tile), 2, 1)
        for part, per_tile in [
            (codes, scan.states),
            (np.repeat(exponents, max(1, scan.h.group // scan.states), axis=-1),
             max(1, scan.states // scan.h.group)),
        ]
    ]  # fmt: skip
    return scan.state_beat.pack(codes=tiles[0], exponents=tiles[1])
