"""Exploring ten million points: how fast, killed twenty times, and on a cluster of two."""

import os
import random
import resource
import signal
import subprocess
import sys
import time

import pytest
from distributed import Client, LocalCluster

from reports.explore import explore, screening
from reports.explore.space import Space
from soak.test_closed_form import AXES
from tests.reports.explore.spaces import pieces_of, small

KILLS = 20
SECONDS, BYTES = 120, 4 * 2**30
"""That 10 million points may take, on 2 cores, and the memory of all processes together."""
MANY = {
    "name": "many",
    "networks": ["mamba2-2.7b"],
    "base": "lightmamba-vck190",
    "knobs": AXES | {"memory.prefetch": {"from": 64, "to": 1024, "step": 48}},
    "objectives": ["tokens_per_second", "lut"],
    "constraints": ["lut <= 107000", "dsp <= 228", "ultra_ram <= 61", "memory_bandwidth <= 12e9"],
    "verify": {"engine": 0},
}
RUN = """
from pathlib import Path
from reports.explore import explore, screening
from tests.reports.explore.spaces import small
if __name__ == "__main__":
    screening.PIECE = 8
    explore(small(), Path({folder!r}), workers=2)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Front and counts of the small space, as found in this process at once."""
    folder = tmp_path_factory.mktemp("whole")
    found = explore(small(), folder, workers=1)
    return (folder / "front.csv").read_bytes(), found.found.counts


def test_killed_at_random_times(whole, tmp_path, monkeypatch):
    chance = random.Random(6)
    script, path = tmp_path / "run.py", tmp_path / "results.sqlite"
    script.write_text(RUN.format(folder=str(tmp_path)))
    killed = 0
    for _ in range(KILLS):
        enough = pieces_of(path) + chance.randint(1, 5)
        run = subprocess.Popen(
            [sys.executable, str(script)], env=os.environ | {"PYTHONPATH": os.getcwd()}
        )
        while pieces_of(path) < enough and run.poll() is None:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        run.send_signal(signal.SIGKILL)
        killed += run.wait() == -signal.SIGKILL
    monkeypatch.setattr(screening, "PIECE", 8)
    found = explore(small(), tmp_path, workers=1)
    left = found.run["computed"]
    print(f"killed {killed} times; {left} of {found.plan.points} points were left")
    assert killed == KILLS
    assert pieces_of(path) == -(-found.plan.points // 8)
    assert ((tmp_path / "front.csv").read_bytes(), found.found.counts) == whole


def test_two_dask_workers(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(screening, "PIECE", 200)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            client.wait_for_workers(2)
        found = explore(small(), tmp_path, scheduler=cluster.scheduler_address)
    assert ((tmp_path / "front.csv").read_bytes(), found.found.counts) == whole


def test_ten_million_points(tmp_path):
    start = time.monotonic()
    found = explore(Space.model_validate(MANY), tmp_path, workers=2, show=print)
    seconds = time.monotonic() - start
    own, others = (
        resource.getrusage(who).ru_maxrss * 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    size = (tmp_path / "results.sqlite").stat().st_size
    print(f"{found.plan.points:,} points in {seconds:.0f} s, file {size / 2**20:.0f} MiB")
    print(f"memory {own / 2**20:.0f} MiB, and at most {others / 2**20:.0f} MiB of each worker")
    assert found.plan.points > 1e7
    assert seconds < SECONDS
    assert own + 2 * others < BYTES
