"""Validation: the engine's prediction against the hardware's counters, over random pairs.

Each pair of a network's shape and a design is drawn from a seed, generated, run in Verilator with
its memory in the loop, and compared with the engine: total cycles, and every unit's activities.
"""

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codegen.files import write_whole
from codegen.origin import NOTE
from hwsim.devices import CLOCK_HZ
from hwsim.memory import MemoryModel
from models.design import Design
from models.errors import InputError
from models.networks.machine import machine_config
from models.networks.random import random_parameters
from models.networks.shape import Mamba2Shape
from models.precision import NAMED
from reports.inputs import Show
from reports.run import run_network

PROMPT, NEW = [3, 17], 3
"""Tokens of a run: two that are given and two that are fed back, so that both paths are timed."""
TOTAL_BAR, ACTIVITY_BAR = 0.01, 0.02
"""Largest error promised: of a run's cycles, and of one activity of a unit, relative to these."""


@dataclass(frozen=True)
class Pair:
    """A network's shape, a design and a memory."""

    name: str
    shape: Mamba2Shape
    design: Design
    memory: MemoryModel


@dataclass(frozen=True)
class Result:
    """Cycles of a pair's run, simulated (`measured`) and modelled (`predicted`)."""

    pair: dict[str, Any]
    equal: bool
    predicted: int
    measured: int
    units: dict[str, dict[str, dict[str, int]]]

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1

    def errors(self) -> Iterator[tuple[str, str, int, int]]:
        """Unit, activity, and its cycles as predicted and as measured."""
        for unit, sides in self.units.items():
            for activity, measured in sides["measured"].items():
                yield unit, activity, sides["predicted"][activity], measured

    @property
    def adds_up(self) -> bool:
        """Whether every unit's activities add up to the run's cycles, on both sides."""
        totals = {"predicted": self.predicted, "measured": self.measured}
        return all(
            sum(sides[side].values()) == total
            for sides in self.units.values()
            for side, total in totals.items()
        )


def draw(seed: int, index: int) -> Pair:
    """The pair number `index` of `seed`; the first drawn design that fits the drawn shape."""
    chance = random.Random(f"{seed}/{index}")
    name = f"{seed}-{index}"
    while True:
        shape, design = _shape(chance), _design(chance, name)
        with suppress(InputError):
            machine_config(shape, design)
            return Pair(name, shape, design, _memory(chance, design.memory.port_bits))


def _shape(chance: random.Random) -> Mamba2Shape:
    pick = chance.choice
    groups = pick([1, 1, 2])
    return Mamba2Shape(
        d_model=pick([16, 24, 32, 48, 64]),
        layers=pick([1, 2, 3]),
        heads=groups * pick([1, 2, 3]),
        head_dim=pick([8, 16, 24, 32]),
        groups=groups,
        state=pick([8, 16, 32, 64]),
        conv=pick([2, 3, 4]),
        vocab=pick([24, 40, 61]),
        tied=pick([True, False]),
        conv_bias=pick([True, False]),
        proj_bias=pick([True, False, False]),
    )


def _design(chance: random.Random, name: str) -> Design:
    pick = chance.choice
    lanes, placement = pick([2, 4, 8, 16]), pick(["chip", "memory"])
    return Design.model_validate(
        {
            "name": name,
            "lanes": lanes,
            "matvec": {"rows": lanes * pick([1, 1, 2, 4]), "columns": pick([2, 4, 8, 16])},
            "scan": {"channels": pick([1, 2, 4]), "states": pick([4, 8, 16])},
            "memory": {
                "port_bits": pick([64, 128, 256, 512]),
                "burst": pick([4, 16, 64]),
                "outstanding": pick([1, 2, 4, 8]),
                "prefetch": pick([3, 16, 64, 256]),
            },
            "order": pick(["interleaved", "naive"]),
            "state": {"placement": placement, "buffers": pick([1, 2])},
            "precision": NAMED[pick(["w8a8", "w4a8", "w4a4"])].model_dump()
            | {"hadamard": pick([False, True])},
        }
    )


def _memory(chance: random.Random, port_bits: int) -> MemoryModel:
    interval, cycles = chance.choice([(0, 0), (0, 0), (780, 35), (200, 20)])
    return MemoryModel(
        port_bits,
        CLOCK_HZ,
        latency=chance.choice([5, 20, 40, 90]),
        fraction=chance.choice([1.0, 0.9375, 0.7, 0.5]),
        refresh_interval=interval,
        refresh_cycles=cycles,
        outstanding=chance.choice([2, 8, 16]),
    )


def validate(pairs: int, seed: int, out: Path, show: Show) -> "Validation":
    """Run `pairs` pairs of `seed` and write the table of errors: `validation.json` and `.md`."""
    results = []
    for index in range(pairs):
        results.append(measure(draw(seed, index)))
        last = results[-1]
        show(
            f"pair {index + 1} of {pairs}: {last.predicted} cycles predicted, {last.measured} "
            f"measured{'' if last.equal else ', WRONG CODES'}"
        )
    validation = Validation(seed, results)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "validation.json", validation.to_json().encode())
    write_whole(out / "validation.md", validation.to_markdown().encode())
    return validation


def measure(pair: Pair) -> Result:
    """Predict and run one pair."""
    with tempfile.TemporaryDirectory() as folder:
        report = run_network(
            random_parameters(pair.shape), pair.design, PROMPT, NEW, Path(folder),
            lambda line: None, pair.memory,
        )  # fmt: skip
    return Result(
        describe(pair),
        report.equal,
        report.cycles["predicted"],
        report.cycles["measured"],
        report.cycles["units"],
    )


def describe(pair: Pair) -> dict[str, Any]:
    """What tells a pair from others, without the formats that the precision's name stands for."""
    shape = {
        name: value
        for name, value in asdict(pair.shape).items()
        if name not in ("norm_eps", "time_step_limit", "residual_in_fp32")
    }
    design = pair.design.model_dump(exclude={"precision", "name"}, exclude_none=True)
    del design["memory"]["ports"]  # no pair has several
    precision = pair.design.precision
    design["precision"] = f"w{precision.weight_bits}a{precision.activation_bits}"
    design["hadamard"] = precision.hadamard
    return {"name": pair.name, "shape": shape, "design": design, "memory": asdict(pair.memory)}


@dataclass(frozen=True)
class Validation:
    """Results of all pairs of a seed."""

    seed: int
    results: list[Result]

    @property
    def holds(self) -> bool:
        """Whether every code is right and every cycle within what is promised."""
        return all(
            result.equal
            and result.adds_up
            and abs(result.error) <= TOTAL_BAR
            and all(
                abs(predicted - measured) <= ACTIVITY_BAR * result.measured
                for _, _, predicted, measured in result.errors()
            )
            for result in self.results
        )

    @property
    def command(self) -> str:
        return f"puffadder validate --pairs {len(self.results)} --seed {self.seed}"

    def to_json(self) -> str:
        made = {"command": self.command, "note": NOTE, "seed": self.seed}
        return json.dumps(made | {"results": [asdict(each) for each in self.results]}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Validation":
        made = json.loads(text)
        return cls(made["seed"], [Result(**each) for each in made["results"]])

    def to_markdown(self) -> str:
        """The tables: activities by their worst error, and pairs by theirs."""
        exact = sum(
            predicted == measured
            for result in self.results
            for _, _, predicted, measured in result.errors()
        )
        compared = sum(1 for result in self.results for _ in result.errors())
        wrong = sum(not result.equal for result in self.results)
        return "\n".join(
            [
                "# Predicted against measured cycles",
                "",
                f"Generated by `{self.command}`. {NOTE}",
                "",
                f"{len(self.results)} random pairs of a network's shape and a design, each "
                f"{len(PROMPT)} tokens of a prompt and {NEW} new ones. Measured: the counters of "
                "the generated hardware, simulated in Verilator with the memory model behind its "
                "ports. Predicted: the engine's, modelled with the same memory. "
                f"{wrong} pairs with wrong codes. {exact} of {compared} counters are predicted "
                f"to the cycle.",
                "",
                "## By unit and activity, worst first",
                "",
                "The error is relative to the cycles of the run.",
                "",
                "| unit | activity | worst error | pair | predicted | measured |",
                "| --- | --- | ---: | --- | ---: | ---: |",
                *self._by_activity(),
                "",
                "## By pair, worst first",
                "",
                "| pair | error | predicted | measured | network | design | memory |",
                "| --- | ---: | ---: | ---: | --- | --- | --- |",
                *self._by_pair(),
                "",
            ]
        )

    def _by_activity(self) -> Iterator[str]:
        """Of equal errors, the pair is told in which a unit is at it longest."""
        worst: dict[tuple[str, str], tuple[float, int, int, str]] = {}
        for result in self.results:
            for unit, activity, predicted, measured in result.errors():
                error = abs(predicted - measured) / result.measured
                row = (error, measured, predicted, result.pair["name"])
                worst[unit, activity] = max(worst.get((unit, activity), row), row)
        for (unit, activity), (error, measured, predicted, name) in sorted(
            worst.items(), key=lambda item: -item[1][0]
        ):
            yield f"| {unit} | {activity} | {error:.3%} | {name} | {predicted} | {measured} |"

    def _by_pair(self) -> Iterator[str]:
        for result in sorted(self.results, key=lambda each: -abs(each.error)):
            pair = result.pair
            yield (
                f"| {pair['name']} | {result.error:+.3%} | {result.predicted} | {result.measured} "
                f"| {_told(pair['shape'])} | {_told(pair['design'])} | {_told(pair['memory'])} |"
            )


def _told(mapping: dict[str, Any]) -> str:
    """`key value` pairs in a line; inner mappings dotted."""
    parts = []
    for key, value in mapping.items():
        inner = value.items() if isinstance(value, dict) else ()
        parts += [f"{key}.{name} {each}" for name, each in inner] or [f"{key} {value}"]
    return ", ".join(parts)
