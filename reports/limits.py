"""What this machine can do at most, measured, and what its system tells of it."""

import os
import platform
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray

from models.compiled import compiled

READ_BYTES = 512 * 2**20
"""Of the array that is read for the bandwidth: far more than any cache."""
MEMINFO = Path("/proc/meminfo")
COUNTERS = Path("/sys/class/powercap")
CPUINFO = Path("/proc/cpuinfo")

_CHAIN, _VALUES, _ROUNDS = 32, 512, 4_000


@compiled(parallel=True, fastmath=True)
def _read(values: NDArray[np.float32], parts: int) -> np.float32:
    """Sum of `values`, a slice for each of `parts`."""
    totals, length = np.zeros(parts, np.float32), values.size // parts
    for part in prange(parts):
        totals[part] = _sum(values[part * length : (part + 1) * length])
    return totals.sum()


@compiled(fastmath=True)
def _sum(values: NDArray[np.float32]) -> np.float32:
    total = np.float32(0)
    for at in range(values.size):
        total += values[at]
    return total


@compiled(parallel=True, fastmath={"contract"})
def _multiply(parts: int, rounds: int, factor: np.float32, addend: np.float32) -> np.float32:
    """_CHAIN multiply-adds on each of _VALUES numbers in each of `rounds`, for each of `parts`."""
    totals = np.zeros(parts, np.float32)
    for part in prange(parts):
        values = np.full(_VALUES, np.float32(1))
        for _ in range(rounds):
            for at in range(_VALUES):
                value = values[at]
                for _ in range(_CHAIN):
                    value = value * factor + addend
                values[at] = value
        totals[part] = values.sum()
    return totals.sum()


def read_bandwidth(threads: int) -> Callable[[], float]:
    """A function that measures once: bytes/s that `threads` together read from the memory."""
    values = _array()

    def measure() -> float:
        numba.set_num_threads(threads)
        start = time.perf_counter()
        _read(values, threads)
        return values.nbytes / (time.perf_counter() - start)

    measure()  # compiles, or loads what was compiled
    return measure


@cache
def _array() -> NDArray[np.float32]:
    return np.ones(READ_BYTES // 4, np.float32)


def multiply_rate(threads: int) -> Callable[[], float]:
    """A function that measures once: float32 multiply-adds/s of `threads` together."""
    factor, addend = np.float32(0.999), np.float32(0.001)

    def measure() -> float:
        numba.set_num_threads(threads)
        start = time.perf_counter()
        _multiply(threads, _ROUNDS, factor, addend)
        return threads * _ROUNDS * _VALUES * _CHAIN / (time.perf_counter() - start)

    measure()
    return measure


def available_bytes() -> int:
    """Memory that can be had without swapping; all of it where the system does not say."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", _text(MEMINFO), re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def joules() -> float | None:
    """What the processor's packages have used since some time (RAPL); None where it is not told.

    The counters wrap; a difference below 0 tells nothing.
    """
    total = 0.0
    for counter in sorted(COUNTERS.glob("intel-rapl:[0-9]*")):
        if counter.name.count(":") == 1:
            told = _text(counter / "energy_uj").strip()
            if not told.isdigit():
                return None
            total += int(told) / 1e6
    return total or None


def processor() -> str:
    """Its name as the system tells it."""
    found = re.search(r"^model name\s*:\s*(.+)$", _text(CPUINFO), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
