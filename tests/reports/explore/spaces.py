"""A small space for tests: some hundred designs for the bundled network, in no time."""

import sqlite3

from reports.explore.space import Space

KNOBS = {
    "lanes": [2, 4, 32],
    "matvec.rows": {"from": 4, "to": 16, "times": 2},
    "precision": ["w4a4", "w8a8"],
    "memory.port_bits": [64, 256, 1024],
    "memory.burst": [128, 256],
    "memory.prefetch": [16, 64],
    "order": ["interleaved", "naive"],
    "state.placement": ["chip", "memory"],
    "state.buffers": [1, 2],
}


def small(**changes):
    raw = {
        "name": "small",
        "networks": ["bundled"],
        "base": "ecp5",
        "knobs": {"device": ["vck190"]} | KNOBS,
        "objectives": ["tokens_per_second", "lut"],
        "constraints": ["tokens_per_second >= 1000"],
        "verify": {"engine": 0},
    }
    return Space.model_validate(raw | changes)


def pieces_of(path):
    """How many pieces a store has, also while it is written."""
    try:
        with sqlite3.connect(path) as database:
            return database.execute("SELECT count(*) FROM screened").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
