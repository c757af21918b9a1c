"""The verdict on a run: what the hardware wrote against the integer network and the engine."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from hwsim.devices import device_of
from hwsim.engine import Prediction, predict
from hwsim.resources import memories, place
from models.beats import Beat
from models.formats import Codes
from models.networks.machine import MachineConfig
from models.networks.mamba2 import Network, compiled
from reports.energy import design_energy, energy_report
from reports.error import layer_errors
from reports.estimate import traffic
from reports.job import Job, text_of
from reports.rotation import rotation_price
from reports.run_report import RunReport, UnitCycles


def report(job: Job, result: dict[str, Any], build_seconds: float) -> RunReport:
    """Compare the `result` of the bench with what it has to be."""
    quantized, config, tokens = job.quantized, job.config, job.tokens
    shape, network = quantized.shape, Network(quantized, compiled())
    expected, logits = greedy(network, tokens, job.new)
    got = [int(word, 16) for word in result["tokens"]]
    received = _logits(config.units.matvec.o_beat, result["logits"], shape.vocab)[: len(logits)]
    mismatches = logits.size - int(np.sum(received == logits[: len(received)]))
    written = got[len(tokens) - 1 :]
    last = len(tokens) - 1
    read = [*tokens, *expected[last:-1]]
    prediction = predict(config, len(tokens), job.new, job.memory, timeline_token=last, tokens=read)
    return RunReport(
        model=asdict(shape) | {"recipe": quantized.recipe},
        design=json.loads(config.design.model_dump_json()),
        memory=asdict(job.memory),
        prompt=text_of(tokens),
        text=text_of(written),
        tokens=written,
        match={
            "tokens": got == expected,
            "logits": not mismatches,
            "compared": int(logits.size),
            "mismatches": mismatches,
            "first": _first(logits, received, expected, got),
            "read_error": _read_error(result),
        },
        cycles=_cycles(config, prediction, result),
        simulation={
            "cycles_per_second": result["edges"] / result["seconds"],
            "build_seconds": build_seconds,
            "run_seconds": result["seconds"],
        },
        traffic={"words": result["words"], "bursts": result["bursts"]},
        device=_device(config),
        resources={name: memory.total_bits for name, memory in memories(config).items()},
        energy=run_energy(job, result),
        rotation=rotation_price(config, len(tokens), job.new, job.memory, read),
        quantization=layer_errors(job.parameters, network, read) if job.parameters else {},
        timelines={"predicted": prediction.timeline, "measured": result["timeline"]},
    )


def greedy(network: Network, prompt: list[int], new: int) -> tuple[list[int], Codes]:
    """What the accelerator has to compute: the likeliest token, again and again.

    Returns the token after each token that is read (len(prompt) + new - 1 of them), and the
    logits int (tokens, vocab) that it was chosen by.
    """
    states, chosen, logits = network.start(), list[int](), []
    for at in range(len(prompt) + new - 1):
        token = prompt[at] if at < len(prompt) else chosen[-1]
        one, states = network.decode(states, token)
        logits.append(one)
        chosen.append(int(np.argmax(one)))
    return chosen, np.array(logits)


def _cycles(
    config: MachineConfig, prediction: Prediction, result: dict[str, Any]
) -> dict[str, Any]:
    """Predicted and measured cycles: of the run, of its tokens, of each unit."""
    measured, counters = result["registers"]["cycles"], result["counters"]
    units: UnitCycles = {unit: {"predicted": sides} for unit, sides in prediction.units.items()}
    if counters:
        for unit, activities in config.units.counted.items():
            counted = {at.word: counters[f"{unit}_{at.word}"] for at in activities}
            units[unit]["measured"] = counted
    return {
        "predicted": prediction.cycles,
        "measured": measured,
        "relative_error": prediction.cycles / measured - 1,
        "per_token": np.diff([0, *result["token_edges"]]).tolist(),
        "per_token_predicted": np.diff([0, *prediction.token_edges]).tolist(),
        "units": units,
    }


def _device(config: MachineConfig) -> dict[str, Any]:
    """The board that the design names, and the blocks that its memories take there."""
    device = device_of(config.design)
    if device is None:
        return {}
    blocks = place(memories(config), device).blocks
    return {"name": device.name, "part": device.part, "blocks": blocks}


def run_energy(job: Job, result: dict[str, Any]) -> dict[str, Any]:
    """`reports.energy.energy_report` of a mean token; empty where the design names no board."""
    config, tokens = job.config, len(result["token_edges"])
    device = device_of(config.design)
    if device is None or not tokens:
        return {}
    cycles, clock = result["token_edges"][-1] / tokens, job.memory.clock_hz
    moved = sum(traffic(config)) * config.fetch.port_bits // 8
    return energy_report(design_energy(config, device, cycles, clock, moved), device)


def _logits(beat: Beat, words: list[str], vocab: int) -> Codes:
    """Logits (tokens, vocab) of the stream's words, of those tokens that are complete."""
    lanes = beat.fields[0].count
    beats = -(-vocab // lanes)
    whole = words[: len(words) // beats * beats]
    codes = beat.unpack([int(word, 16) for word in whole])["y"]
    return codes.reshape(-1, beats * lanes)[:, :vocab]


def _first(
    expected: Codes, received: Codes, chosen: list[int], got: list[int]
) -> dict[str, Any] | None:
    """The first logit, or chosen token, that differs; `received` is None for one that is missing.

    expected, received  int (tokens, vocab)  logits; what has been received may be cut off
    chosen, got         the tokens that follow
    """
    sides = {
        "logits": (expected, received),
        "tokens": (np.reshape(chosen, (-1, 1)), np.reshape(got, (-1, 1))),
    }
    for token in range(len(expected)):
        for unit, (ours, theirs) in sides.items():
            there = token < len(theirs)
            differs = np.flatnonzero(ours[token] != theirs[token]).tolist() if there else [0]
            if differs:
                return {
                    "unit": unit,
                    "layer": None,
                    "token": token,
                    "field": unit,
                    "index": differs[0],
                    "expected": int(ours[token, differs[0]]),
                    "received": int(theirs[token, differs[0]]) if there else None,
                }
    return None


def _read_error(result: dict[str, Any]) -> str | None:
    """What the accelerator read, or wrote, where its memory holds nothing."""
    outside = result["outside"]
    if not outside and not result["registers"]["read_error"]:
        return None
    where = f", the first at {outside[0]:#x}" if outside else ""
    return f"{len(outside)} bursts outside of the image{where}"
