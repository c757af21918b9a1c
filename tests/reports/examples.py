"""A made-up run of the size of the demo's, for tests of what is told of a run."""

import math
from dataclasses import replace

import numpy as np

from models.counters import UNITS, Activity
from reports.error import BINS
from reports.run_report import RunReport

LAYERS, PROMPT, NEW = 4, 86, 32
TOKEN = 23_000
"""Cycles."""

SHAPE = {
    "d_model": 128,
    "layers": LAYERS,
    "heads": 8,
    "head_dim": 32,
    "groups": 1,
    "state": 64,
    "conv": 4,
    "vocab": 256,
    "tied": True,
    "norm_eps": 1e-5,
    "time_step_limit": (0.0, math.inf),
    "recipe": "rtn",
}
DESIGN = {
    "name": "tiny",
    "lanes": 4,
    "matvec": {"rows": 4, "columns": 4},
    "scan": {"channels": 1, "states": 8},
    "memory": {"port_bits": 64, "burst": 64, "outstanding": 4, "prefetch": 64},
    "precision": {"weight_bits": 4, "activation_bits": 4, "stream": "s24f12"},
}
MEMORY = {
    "port_bits": 64,
    "clock_hz": 200e6,
    "latency": 40,
    "fraction": 0.9,
    "refresh_interval": 1560,
    "refresh_cycles": 70,
    "outstanding": 4,
    "gap": 0.0,
    "jitter": 0,
    "seed": 0,
}


def timeline(seed=0, cycles=TOKEN, start=1_000_000):
    """Of one token: long and short intervals, each unit at its own activities, without a gap."""
    rng = np.random.default_rng(seed)
    rows = {}
    for unit, activities in UNITS.items():
        row, at = [], start
        others = [activity.word for activity in activities if activity is not Activity.BUSY]
        share = {"matvec": 0.85, "fetch": 0.7, "scan": 0.4}.get(unit, 0.1)
        while at < start + cycles:
            layer = (at - start) * (LAYERS + 1) // cycles
            beat = int(rng.integers(1, 400 if layer % 2 else 6))
            pause = max(1, round(beat * (1 - share) / share * rng.uniform(0.5, 1.5)))
            for word, spent in (("busy", beat), (others[int(rng.integers(len(others)))], pause)):
                end = min(at + spent, start + cycles)
                if end > at:
                    row.append([word, at, end])
                at = end
        rows[unit] = row
    return rows


def counted(rows, times=1):
    """Cycles of each unit by activity in a timeline."""
    total = {}
    for unit, row in rows.items():
        total[unit] = dict.fromkeys((at.word for at in UNITS[unit]), 0)
        for word, start, end in row:
            total[unit][word] += times * (end - start)
    return total


def errors():
    """As of `reports.error.layer_errors`: normal, and growing from layer to layer."""
    rng = np.random.default_rng(1)
    layers = []
    for at in range(LAYERS):
        values = rng.normal(0.001, 0.04 * (1 + at), 8192)
        layers.append(
            {
                "counts": np.histogram(values, BINS)[0].tolist(),
                "rms_relative": float(np.sqrt(np.mean(values**2))),
                "mean_relative": float(values.mean()),
            }
        )
    return {"tokens": 64, "bins": BINS.tolist(), "layers": layers}


def bare(**changes):
    """A run of which nothing is known but what the hardware wrote, and in how many cycles."""
    rng = np.random.default_rng(2)
    per_token = (TOKEN + rng.integers(0, 120, PROMPT + NEW - 1)).tolist()
    per_token[0] += 410
    report = RunReport(
        model=SHAPE,
        design=DESIGN,
        memory=MEMORY,
        prompt="The with statement is used to wrap the execution of a block with methods defined",
        text=" by the statement.\n\nThe object is",
        tokens=list(b" by the statement.\n\nThe object i"),
        match={
            "tokens": True,
            "logits": True,
            "compared": 256 * len(per_token),
            "mismatches": 0,
            "first": None,
        },
        cycles={"measured": sum(per_token) + 95, "per_token": per_token},
        simulation={
            "build_seconds": 48.2,
            "run_seconds": 101.3,
            "cycles_per_second": 26_788.4,
        },
    )
    return replace(report, **changes)


def full(**changes):
    """A run of which everything is known; the prediction is a little off for two units."""
    report = bare()
    rows = timeline()
    measured = counted(rows, 117)
    predicted = {unit: dict(cycles) for unit, cycles in measured.items()}
    for unit, moved in (("scan", 1170), ("gate", 585)):
        predicted[unit]["busy"] -= moved
        predicted[unit]["input"] += moved
    total = report.cycles["measured"]
    cycles = report.cycles | {
        "predicted": total - 1404,
        "relative_error": -1404 / total,
        "per_token_predicted": [count - 12 for count in report.cycles["per_token"]],
        "units": {
            unit: {"predicted": predicted[unit], "measured": measured[unit]} for unit in measured
        },
    }
    known = {
        "cycles": cycles,
        "traffic": {"words": 2_003_000, "bursts": 31_400},
        "device": {"name": "vck190", "family": "versal", "bram_bits": 34_000_000},
        "resources": {"state": 1_048_576, "prefetch queue": 32_768, "norm": 6_144, "taps": 24_576},
        "rotation": {
            "cycles_without": total - 25_000,
            "target": "ultrascale_plus",
            "unit_luts": 2_874,
            "unit_registers": 1_937,
            "unit_bits": 10_240,
        },
        "quantization": errors(),
        "timelines": {"predicted": timeline(cycles=TOKEN - 40, start=999_000), "measured": rows},
    }
    return replace(report, **(known | changes))
