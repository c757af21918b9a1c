"""The main job: a whole network on the generated accelerator, verified in Verilator."""

import json
import time
from pathlib import Path
from typing import Any

from codegen.designs import find_design
from codegen.files import fresh_folder, write_whole
from hwsim.memory import MemoryModel
from models.design import Design
from models.errors import InputError
from models.networks.mamba2 import Network, compiled
from reports.diagnose import STREAMS, WAVES, diagnose
from reports.inputs import Given, Show, find_network
from reports.job import TOP, Job, prepare
from reports.page import render
from reports.run_report import RunReport, first_difference
from reports.trace import trace_events
from reports.verdict import greedy, report

RESULTS = ("report.json", "report.html", "trace.json", WAVES, STREAMS)
"""What a run finds. It goes when the next one begins in the same folder, so that what is there
belongs together, whenever that one is killed."""


def run(
    model: str,
    design: str,
    overrides: tuple[str, ...],
    prompt: str,
    new: int,
    out: Path,
    show: Show,
) -> RunReport:
    """Let the generated accelerator continue the text `prompt`; `run_network` by names.

    Raises InputError for everything wrong in what is named.
    """
    chosen = find_design(design, overrides)
    network, chosen = find_network(model, chosen, overrides, show)
    tokens = _prompt_tokens(prompt, network.shape.vocab)
    return run_network(network, chosen, tokens, new, out, show)


def run_network(
    network: Given,
    design: Design,
    tokens: list[int],
    new: int,
    out: Path,
    show: Show,
    memory: MemoryModel | None = None,
) -> RunReport:
    """Quantize a network, generate it, let the hardware add `new` tokens to `tokens`, and verify.

    A network of integers is taken as it is, in the precision of `design`.
    Writes into the folder `out`: `accelerator.v`, `image.bin` (for several memory ports
    `image.0.bin` and so on), `trace.json` where a timeline is known, `report.html` and, when all
    others are there, `report.json`, each whole or not at all.
    When a code differs, report.json names the first, and `waves.vcd` has the signals around it.
    `memory` is behind the ports; without it, that of `hwsim.devices.memory_of`. Raises InputError
    when the design does not fit the network, or the board the design, RuntimeError when the
    hardware gets stuck.
    """
    job = prepare(network, design, tokens, new, out, memory, show)
    fresh_folder(out, RESULTS)
    job.write()
    show("compiling with Verilator")
    start = time.monotonic()
    job.build()
    built = time.monotonic()
    show(f"simulating {len(tokens)} tokens of the prompt and {new} new ones")
    try:
        result = job.simulate(show)
    except RuntimeError as error:
        chosen, _ = greedy(Network(job.quantized, compiled()), tokens, new)
        first = _diagnosed(job, [*tokens, *chosen[len(tokens) - 1 : -1]], show)
        if first:
            raise RuntimeError(f"{error}\nfirst: {first_difference(first)}") from None
        raise
    found = report(job, result, built - start)
    _write(found, out)
    if found.match["first"]:
        read = [*tokens, *found.tokens][: found.match["first"]["token"] + 1]
        found.match["first"] = _diagnosed(job, read, show) or found.match["first"]
        _write(found, out)
    return found


def _write(report: RunReport, out: Path) -> None:
    """Write what is told of a run; report.json comes last, so that with it the rest is there."""
    if any(report.timelines.values()):
        trace = trace_events(report.timelines, report.memory["clock_hz"])
        write_whole(out / "trace.json", json.dumps(trace, separators=(",", ":")).encode())
    else:
        (out / "trace.json").unlink(missing_ok=True)
    write_whole(out / "report.html", render(report).encode())
    write_whole(out / "report.json", report.to_json().encode())


def _prompt_tokens(prompt: str, vocab: int) -> list[int]:
    tokens = list(prompt.encode())
    if not tokens:
        raise InputError("prompt", "must have at least one byte, not none", "give a prompt")
    for at, token in enumerate(tokens):
        if token >= vocab:
            raise InputError(
                f"prompt: byte {at}", f"must be below the vocabulary's {vocab}, not {token}",
                "give a prompt that the network's tokens can spell",
            )  # fmt: skip
    return tokens


def _diagnosed(job: Job, read: list[int], show: Show) -> dict[str, Any] | None:
    """The first code of a unit that differs while the tokens `read` are; waves are in the folder.

    None when no unit can be named.
    """
    show("something differs; simulating again to name the unit, with another build")
    try:
        found = diagnose(
            job.quantized, job.config, TOP, job.image, job.read_image(), read, job.watch,
            job.folder,
        )  # fmt: skip
    except (InputError, OSError, RuntimeError) as error:
        show(f"the unit cannot be named: {error}")
        return None
    return found.to_dict() if found else None
