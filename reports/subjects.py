"""What is measured beside each other: kernels of this process, processes, and any command."""

import importlib.util
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numba
import numpy as np

from models.errors import InputError
from reports.limits import joules

ROOT = Path(__file__).parents[1]
SECONDS = 0.5
"""Of a measurement of decoding, at least."""
PAUSE = 0.1
"""Seconds between measurements."""
_SPEED = re.compile(
    r"([0-9][0-9_,]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*(?:tokens/s|tok/s|t/s|tokens per second)"
)

Subject = Callable[[], float]
"""Measures once; tokens/s, or whatever it is that is more when it is faster."""


class Decoder(Protocol):
    """A network on the CPU, of `models.networks.cpu`."""

    weight_bytes: int
    bytes_per_token: int
    macs_per_token: int

    def start(self) -> None: ...

    def decode(self, token: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Sample:
    """One measurement: what the subject told, and the power meanwhile where it can be read."""

    value: float
    watts: float | None


def interleaved(subjects: Mapping[Any, Subject], repeats: int) -> dict[Any, list[Sample]]:
    """`repeats` measurements of each subject, in turns, after one of each that does not count.

    Whatever else the machine does meanwhile then meets all of them alike. Before each there is a
    pause: threads of the one before, which wait for more work with their cores busy, fall asleep.
    """
    for subject in subjects.values():
        subject()
    found: dict[str, list[Sample]] = {name: [] for name in subjects}
    for _ in range(repeats):
        for name, subject in subjects.items():
            found[name].append(_sample(subject))
    return found


def _sample(subject: Subject) -> Sample:
    time.sleep(PAUSE)
    before, start = joules(), time.perf_counter()
    value = subject()
    spent, after = time.perf_counter() - start, joules()
    if before is None or after is None or after <= before:  # the counter has wrapped
        return Sample(value, None)
    return Sample(value, (after - before) / spent)


def decoding(decoder: Decoder, threads: int) -> Subject:
    """Tokens/s of one sequence, each token the likeliest after the one before."""

    def measure() -> float:
        numba.set_num_threads(threads)
        decoder.start()
        token, count, start = 1, 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < SECONDS or count < 2:
            token = int(decoder.decode(token).argmax())
            count += 1
        return count / spent

    return measure


def prefilling(decoder: Any, tokens: np.ndarray, threads: int) -> Subject:
    """Tokens/s of reading `tokens` int (time,) at once."""

    def measure() -> float:
        numba.set_num_threads(threads)
        decoder.start()
        start = time.perf_counter()
        decoder.prefill(tokens)
        return len(tokens) / (time.perf_counter() - start)

    return measure


class PyTorch:
    """A process with `reports.peers.pytorch`, whose works are subjects; a context manager.

    Raises InputError when torch or transformers is missing.
    """

    def __init__(self, network: str, threads: int, tokens: int) -> None:
        for package in ("torch", "transformers"):
            if importlib.util.find_spec(package) is None:
                raise InputError(
                    "--compare torch", f"must find {package} installed, but it is not",
                    "run `.venv/bin/pip install -e '.[train]'`",
                )  # fmt: skip
        self._command = [
            sys.executable, "-m", "reports.peers.pytorch", network, str(threads), str(tokens)
        ]  # fmt: skip

    def __enter__(self) -> "PyTorch":
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.versions = self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def subject(self, work: str) -> Subject:
        def measure() -> float:
            assert self._process.stdin
            self._process.stdin.write(f"{work}\n")
            self._process.stdin.flush()
            return float(self._answer())

        return measure

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            _, error = self._process.communicate()
            raise RuntimeError(f"the process of PyTorch ended: {error[-2000:]}")
        return line


def command(line: str) -> Subject:
    """A command that prints tokens/s, such as `12.5 tokens/s`; the last that it prints counts.

    Raises InputError when it cannot be run, fails, or prints none.
    """

    def measure() -> float:
        place = f"--compare {line!r}"
        try:
            done = subprocess.run(shlex.split(line), capture_output=True, text=True)
        except (OSError, ValueError, IndexError) as error:
            raise InputError(place, f"must be a command, not {error}", "correct it") from None
        if done.returncode:
            rule = f"must end with exit code 0, not {done.returncode}: {done.stderr[-300:].strip()}"
            raise InputError(place, rule, "run it by itself to see why")
        found = _SPEED.findall(done.stdout)
        if not found:
            rule = f"must print tokens/s, not {done.stdout[-80:].strip()!r}"
            raise InputError(place, rule, "let it print a line such as `12.5 tokens/s`")
        return float(re.sub("[_,]", "", found[-1]))

    return measure
