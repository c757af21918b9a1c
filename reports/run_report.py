"""What a run found: for report.json, for the terminal, and for the page."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from codegen.files import finite
from models.counters import UNITS, Activity
from reports.trace import Timeline

UnitCycles = dict[str, dict[str, dict[str, int]]]
"""Cycles of each unit, `predicted` and `measured`, by the word of the activity."""


@dataclass(frozen=True)
class RunReport:
    """What the hardware wrote, and whether it is what the integer network writes.

    Codes and cycles are simulated, seconds measured, `memory` assumed, all that is predicted
    modelled.

    cycles        measured, per_token; where known also predicted, relative_error,
                  per_token_predicted and units (`UnitCycles`)
    traffic       words and bursts that were read from memory
    device        what the design runs on, where one was named
    resources     bits of on-chip memory by what they hold
    energy        `reports.energy.energy_report` of a mean token; empty without a device
    rotation      `reports.rotation.rotation_price`
    quantization  `reports.error.layer_errors`; empty for a checkpoint of integers
    timelines     of one token, predicted and measured; for trace.json and the page only
    """

    model: dict[str, Any]
    design: dict[str, Any]
    memory: dict[str, Any]
    prompt: str
    text: str
    tokens: list[int]
    match: dict[str, Any]
    cycles: dict[str, Any]
    simulation: dict[str, float]
    traffic: dict[str, int] = field(default_factory=dict)
    device: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, int] = field(default_factory=dict)
    energy: dict[str, Any] = field(default_factory=dict)
    rotation: dict[str, Any] = field(default_factory=dict)
    quantization: dict[str, Any] = field(default_factory=dict)
    timelines: dict[str, Timeline] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        read_error = self.match.get("read_error")
        return bool(self.match["tokens"] and self.match["logits"] and not read_error)

    @property
    def cycles_per_token(self) -> float:
        per_token = self.cycles["per_token"]
        return float(sum(per_token) / max(len(per_token), 1))

    @property
    def tokens_per_second(self) -> float:
        """At the clock of `memory`, LM head included; 0 without any token."""
        return (
            float(self.memory["clock_hz"] / self.cycles_per_token) if self.cycles_per_token else 0
        )

    def to_json(self) -> str:
        told = asdict(self)
        del told["timelines"]
        return json.dumps(finite(told), indent=2)

    def to_text(self) -> str:
        match, cycles, simulation = self.match, self.cycles, self.simulation
        lines = [
            f"{match['compared']} logit codes compared, {match['mismatches']} differ",
            f"{cycles['measured']} cycles simulated for {len(cycles['per_token'])} tokens; at an "
            f"assumed {self.memory['clock_hz'] / 1e6:.0f} MHz {self.tokens_per_second:.0f} "
            "tokens/s, LM head included",
            f"measured: {simulation['build_seconds']:.1f} s to build, "
            f"{simulation['run_seconds']:.1f} s to run, "
            f"{simulation['cycles_per_second']:.0f} cycles/s",
        ]
        if cycles.get("predicted") is not None:
            lines.append(
                f"{cycles['predicted']} cycles predicted, {100 * cycles['relative_error']:+.3f}%"
            )
        if self.rotation:
            lines.append(rotation_cost(self.rotation, cycles["predicted"]))
        if match["first"]:
            lines.append(f"first: {first_difference(match['first'])}")
        if match.get("read_error"):
            lines.append(f"the memory was asked for what it does not hold: {match['read_error']}")
        lines.append("EQUAL: every code is the integer network's" if self.equal else "DIFFERENT")
        if cycles.get("units"):
            lines += ["", *unit_table(cycles["units"])]
        return "\n".join(lines)


def first_difference(first: dict[str, Any]) -> str:
    """The first code that differs, and where its waves are.

    >>> first_difference({"unit": "scan", "layer": 1, "token": 3, "field": "y", "index": 17,
    ...                   "expected": 5, "received": 6})
    'unit scan, layer 1, token 3, y[17]: expected 5, received 6'
    """
    serving = f" ({first['serving']})" if first.get("serving") else ""
    layer = "" if first["layer"] is None else f", layer {first['layer']}"
    received = "nothing" if first["received"] is None else first["received"]
    told = (
        f"unit {first['unit']}{serving}{layer}, token {first['token']}, "
        f"{first['field']}[{first['index']}]: expected {first['expected']}, "
        f"received {received}"
    )
    return f"{told}; {first['waves']} at {first['waves_ns']} ns" if first.get("waves") else told


def rotation_cost(rotation: dict[str, Any], cycles: int) -> str:
    """What the rotation adds to a run of `cycles`, and what its unit is made of.

    >>> rotation_cost({"cycles_without": 1000, "target": "ecp5", "unit_luts": 4250,
    ...                "unit_registers": 1937, "unit_bits": 5120}, 1009)
    'rotation: +9 cycles (+0.90%), 4,250 LUTs, 1,937 registers, 5.0 Kb (engine; Yosys, ecp5)'
    """
    more, without = cycles - rotation["cycles_without"], rotation["cycles_without"]
    return (
        f"rotation: {more:+,} cycles ({more / without:+.2%}), {rotation['unit_luts']:,} LUTs, "
        f"{rotation['unit_registers']:,} registers, {rotation['unit_bits'] / 1024:.1f} Kb (engine; "
        f"Yosys, {rotation['target']})"
    )


def words_in_use(units: UnitCycles) -> list[str]:
    """Activities at which any unit is for any cycle, in the order of `Activity`."""
    used = {
        word
        for sides in units.values()
        for cycles in sides.values()
        for word, count in cycles.items()
        if count
    }
    return [at.word for at in Activity if at.word in used]


def differing(units: UnitCycles) -> list[str]:
    """Units that were predicted and measured, and not alike."""
    return [
        unit
        for unit, sides in units.items()
        if "predicted" in sides and "measured" in sides and not _alike(**sides)
    ]


def _alike(predicted: dict[str, int], measured: dict[str, int]) -> bool:
    words = predicted.keys() | measured.keys()
    return all(predicted.get(word, 0) == measured.get(word, 0) for word in words)


def unit_table(units: UnitCycles) -> list[str]:
    """Lines of a table: a row for each unit, and one of its prediction where that differs.

    A cell has the cycles at an activity and their share of all of the unit's.
    """
    words, differ = words_in_use(units), differing(units)
    rows = [["cycles by unit", *(word.replace("_", " ") for word in words)]]
    for unit in (unit for unit in UNITS if unit in units):
        sides = units[unit]
        main = "measured" if "measured" in sides else "predicted"
        rows.append([unit, *_cells(unit, sides[main], words)])
        if unit in differ:
            rows.append(["  predicted", *_cells(unit, sides["predicted"], words)])
    return [*_aligned(rows), *_comparison(units, differ)]


def _cells(unit: str, cycles: dict[str, int], words: Sequence[str]) -> list[str]:
    possible, total = {at.word for at in UNITS[unit]}, sum(cycles.values())
    return [
        f"{cycles.get(word, 0)} {share(cycles.get(word, 0), total):>4}" if word in possible else ""
        for word in words
    ]


def share(part: float, whole: float) -> str:
    """A part in percent; what is not quite nothing or all is not called so.

    >>> share(1, 3), share(1, 1000), share(999, 1000), share(0, 5)
    ('33%', '<1%', '>99%', '0%')
    """
    if not whole or not part:
        return "0%"
    percent = round(100 * part / whole)
    if percent == 0:
        return "<1%"
    return ">99%" if percent == 100 and part < whole else f"{percent}%"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    ]


def _comparison(units: UnitCycles, differ: list[str]) -> list[str]:
    """What the prediction is to the table."""
    both = sum("predicted" in sides and "measured" in sides for sides in units.values())
    if both:
        return [f"predicted: equal for {both - len(differ)} of {both} units"]
    return ["predicted, not measured"] if any("predicted" in s for s in units.values()) else []
