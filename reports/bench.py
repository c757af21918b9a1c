"""The software baseline: kernels on this CPU against what it can do, and other software."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from codegen.files import fresh_folder, write_whole
from models.errors import InputError
from models.networks.shape import Mamba2Shape, Shape
from models.networks.shapes import SHAPES, find_shape
from models.precision import NAMED
from reports.bench_report import Against, Bench, Limits, Row, Spread
from reports.beside import Beside, beside
from reports.inputs import Show
from reports.kernels import against_numpy, scans
from reports.limits import available_bytes, cores, multiply_rate, processor, read_bandwidth
from reports.networks import FLOAT, decoder_of, needed_bytes
from reports.page.bench import render
from reports.subjects import (
    Decoder,
    PyTorch,
    Sample,
    Subject,
    command,
    decoding,
    interleaved,
    prefilling,
)

WATTS_PER_CORE = 5.0
"""Assumed where the processor's counters cannot be read: a server's thermal design power over its
cores (AMD EPYC 9654: 360 W, 96 cores, rounded up for the memory)."""
RESULTS = ("bench.json", "bench.html")
PRECISIONS = (FLOAT, *NAMED)
WORKS = ("decode", "prefill", "scan", "kernels")
SCANNED = 2048
"""Tokens of the scan by itself."""
READ, MULTIPLY = "memory read", "multiply-add"
SHARE_OF_MEMORY = 0.9
"""That weights may take of what is available."""


def bench(
    networks: Sequence[str],
    precisions: Sequence[str],
    works: Sequence[str],
    threads: Sequence[int],
    tokens: int,
    repeats: int,
    compare: Sequence[str],
    watts_per_core: float,
    designs: Sequence[str],
    board_watts: float | None,
    out: Path | None,
    show: Show,
) -> Bench:
    """Measure networks of published shapes with random weights; all shapes where none is named.

    tokens    that prefill reads
    compare   `torch`, or commands that print tokens/s
    designs   that are put beside each Mamba-2, in each of its precisions of integers; their boards
              are assumed to take `board_watts`
    out       folder for `bench.json` and `bench.html`, each whole or not at all

    Raises InputError for unknown names, for a network that is named and does not fit the memory,
    for a comparison that cannot be made, and for a design that a network does not fit.
    """
    _require_known("precision", precisions, PRECISIONS)
    _require_known("work", works, WORKS)
    for count in threads:
        if count > cores():
            rule = f"must be at most the {cores()} cores that there are, not {count}"
            raise InputError("threads", rule, "use fewer")
    named = {name: find_shape(name) for name in networks or SHAPES}
    modelled = list(_designs(named, precisions, designs, board_watts, show))
    if out:
        fresh_folder(out, RESULTS)  # what is wrong with it is told before anything is measured
    limits, rows, kernels = list[Limits](), list[Row](), list[Against]()
    refused = dict[str, str]()
    versions = {each: version(each) for each in ("puffadder", "numpy", "numba", "llvmlite")}
    versions["python"] = platform.python_version()
    for name, shape in named.items():
        try:
            groups = _groups(name, shape, precisions)
        except InputError as error:
            if networks:
                raise
            refused[name] = str(error)
            continue
        text = np.arange(tokens) % shape.vocab
        for group in groups:
            show(f"{name}: random weights, {', '.join(group)}")
            decoders = {precision: decoder_of(shape, precision) for precision in group}
            for count in threads:
                show(f"{name}: measuring on {count} threads")
                with ExitStack() as stack:
                    subjects = dict(_subjects(decoders, works, count, text))
                    others = dict(_others(stack, compare, name, works, count, tokens, versions))
                    own = {READ: read_bandwidth(count), MULTIPLY: multiply_rate(count)}
                    found = interleaved({**own, **subjects, **others}, repeats)
                limits.append(Limits(name, count, *(_spread(found.pop(each)) for each in own)))
                rows += _rows(
                    name, shape, count, decoders, found, limits[-1], tokens, watts_per_core
                )
            decoders.clear()
        for count in threads:
            show(f"{name}: the scan by itself on {count} threads")
            rows += _scanned(name, shape, works, count, repeats, compare, watts_per_core)
        kernels += _against(name, shape, works, tokens, repeats)
    machine = {
        "processor": processor(), "cores": cores(), "repeats": repeats, "tokens": tokens,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(), "watts_per_core": watts_per_core,
    }  # fmt: skip
    done = Bench(machine, versions, limits, rows, kernels, modelled, refused)
    if out:
        write_whole(out / "bench.html", render(done).encode())
        write_whole(out / "bench.json", done.to_json().encode())
    return done


def _require_known(thing: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            rule = f"must be one of {', '.join(known)}, not {name!r}"
            raise InputError(thing, rule, "name one of these")


def _designs(
    named: Mapping[str, Shape], precisions: Sequence[str], designs: Sequence[str],
    watts: float | None, show: Show,
) -> Iterator[Beside]:  # fmt: skip
    for name, shape in named.items():
        if not isinstance(shape, Mamba2Shape):
            continue
        for design in designs:
            for precision in [each for each in precisions if each != FLOAT]:
                show(f"{name}: predicting design {design}, {precision}")
                yield beside(name, shape, design, precision, watts, show)


Key = Any
"""A subject's software, work and precision."""


def _groups(name: str, shape: Shape, precisions: Sequence[str]) -> list[list[str]]:
    """Precisions that are in memory together: all, or else one after the other."""
    can = [each for each in precisions if each == FLOAT or isinstance(shape, Mamba2Shape)]
    if not can:
        raise InputError(
            f"network {name}", f"must have {FLOAT} among its precisions, not "
            f"{', '.join(precisions)} alone: Mamba-1 has no integer kernels", f"add {FLOAT}",
        )  # fmt: skip
    needs = {each: needed_bytes(shape, each) for each in can}
    there = available_bytes()
    if sum(needs.values()) <= SHARE_OF_MEMORY * there:
        return [can]
    worst = max(needs, key=lambda each: needs[each])
    if needs[worst] > SHARE_OF_MEMORY * there:
        raise InputError(
            f"network {name}", f"must fit {SHARE_OF_MEMORY:.0%} of the {there / 1e9:.1f} GB of "
            f"memory that is available, not need {needs[worst] / 1e9:.1f} GB in {worst}",
            "choose a smaller network or fewer bits",
        )  # fmt: skip
    return [[each] for each in can]


def _subjects(
    decoders: Mapping[str, Decoder], works: Sequence[str], threads: int, text: np.ndarray
) -> Iterator[tuple[Key, Subject]]:
    """Of this process; integers have no prefill."""
    for precision, decoder in decoders.items():
        if "decode" in works:
            yield ("puffadder", "decode", precision), decoding(decoder, threads)
        if "prefill" in works and precision == FLOAT:
            yield ("puffadder", "prefill", precision), prefilling(decoder, text, threads)


def _others(
    stack: ExitStack, compare: Sequence[str], network: str, works: Sequence[str], threads: int,
    tokens: int, versions: dict[str, str],
) -> Iterator[tuple[Key, Subject]]:  # fmt: skip
    """Of other software."""
    for line in compare:
        if line != "torch":
            yield (line, "", ""), command(line)
            continue
        torch = stack.enter_context(PyTorch(network, threads, tokens))
        versions["torch"] = torch.versions.removeprefix("torch ")
        for work in [each for each in ("decode", "prefill") if each in works] + ["products"]:
            yield ("torch", work, FLOAT), torch.subject(work)


def _scanned(
    network: str, shape: Shape, works: Sequence[str], threads: int, repeats: int,
    compare: Sequence[str], watts_per_core: float,
) -> Iterator[Row]:  # fmt: skip
    """One layer's selective scan by itself; by PyTorch too, where it is compared."""
    if "scan" not in works:
        return
    subjects: dict[Key, Subject] = {
        (*name, FLOAT): subject for name, subject in scans(shape, SCANNED, threads).items()
    }
    with ExitStack() as stack:
        if "torch" in compare:
            torch = stack.enter_context(PyTorch(network, threads, SCANNED))
            subjects["torch", "scan", FLOAT] = torch.subject("scan")
        found = interleaved(subjects, repeats)
    yield from _rows(network, shape, threads, {}, found, None, SCANNED, watts_per_core)


def _against(
    network: str, shape: Shape, works: Sequence[str], tokens: int, repeats: int
) -> Iterator[Against]:
    """Each kernel against numpy, in turns; on all cores, which numpy's products take."""
    if "kernels" not in works:
        return
    threads = cores()
    for name, (ours, numpys) in against_numpy(shape, tokens, threads).items():
        found = interleaved({"ours": ours, "numpy": numpys}, repeats)
        pairs = zip(found["ours"], found["numpy"], strict=True)
        ratio = Spread.of([mine.value / other.value for mine, other in pairs])
        yield Against(network, name, threads, ratio)


def _rows(
    network: str,
    shape: Shape,
    threads: int,
    decoders: Mapping[str, Decoder],
    found: Mapping[Key, list[Sample]],
    limits: Limits | None,
    tokens: int,
    watts_per_core: float,
) -> Iterator[Row]:
    for (software, work, precision), samples in found.items():
        speed = _spread(samples)
        watts = [each.watts for each in samples if each.watts is not None]
        known: dict[str, float] = {}
        if limits and software == "puffadder":
            known = _known(decoders[precision], shape, work, tokens, speed.median, limits)
        yield Row(
            network, software, work, precision, threads, speed,
            (median(watts) if watts else watts_per_core * threads) / speed.median,
            "measured" if watts else "assumed", **known,
        )  # fmt: skip


def _known(
    decoder: Decoder, shape: Shape, work: str, tokens: int, speed: float, limits: Limits
) -> dict[str, float]:
    """Bytes and multiply-adds of a token, and their shares of the limits; in a prefill, weights
    are read once for all tokens, and the head is there for the last alone."""
    octets: float = decoder.bytes_per_token
    macs: float = decoder.macs_per_token
    if work == "prefill":
        octets = decoder.weight_bytes / tokens
        macs -= shape.vocab * shape.d_model * (1 - 1 / tokens)
    return {
        "bytes_per_token": octets,
        "macs_per_token": macs,
        "bandwidth_share": octets * speed / limits.read_bytes_per_second.median,
        "multiply_share": macs * speed / limits.multiply_adds_per_second.median,
    }


def _spread(samples: Sequence[Sample]) -> Spread:
    return Spread.of([each.value for each in samples])
