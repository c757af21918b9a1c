"""The main job: a whole network on the generated accelerator, verified in Verilator."""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codegen.designs import find_design
from codegen.files import finite, write_whole
from codegen.image import Image, network_image
from codegen.verilog import to_verilog
from hwsim.memory import MemoryModel
from models.beats import Beat
from models.design import Design
from models.errors import InputError
from models.formats import Codes
from models.networks.machine import MachineConfig, machine_config
from models.networks.mamba2 import Network, compiled
from models.networks.parameters import NetworkParameters
from models.networks.quantized import QuantizedNetwork
from models.quantization.rtn import quantize_network
from reports.inputs import find_model
from reports.simulation import build, simulate
from rtl.accelerator import Accelerator

TOP = "accelerator"
BENCH = "reports.benches.accelerator"
CLOCK_HZ, LATENCY = 200e6, 40
"""Assumed where no board says otherwise: the port's clock, and cycles until a read answers."""

Show = Callable[[str], None]
"""Takes what is to be told while the work goes on."""


@dataclass(frozen=True)
class RunReport:
    """What the hardware wrote, and whether it is what the integer network writes.

    Codes and cycles are simulated, seconds measured, `memory` assumed.
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

    @property
    def equal(self) -> bool:
        return bool(self.match["tokens"] and self.match["logits"])

    def to_json(self) -> str:
        return json.dumps(finite(asdict(self)), indent=2)

    def to_text(self) -> str:
        match, cycles, simulation = self.match, self.cycles, self.simulation
        per_token = cycles["per_token"]
        rate = self.memory["clock_hz"] / (sum(per_token) / len(per_token))
        lines = [
            f"{match['compared']} logit codes compared, {match['mismatches']} differ",
            f"{cycles['measured']} cycles simulated for {len(per_token)} tokens; at an assumed "
            f"{self.memory['clock_hz'] / 1e6:.0f} MHz {rate:.0f} tokens/s, LM head included",
            f"measured: {simulation['build_seconds']:.1f} s to build, "
            f"{simulation['run_seconds']:.1f} s to run, "
            f"{simulation['cycles_per_second']:.0f} cycles/s",
        ]
        if match["first"]:
            first = match["first"]
            lines.append(
                f"first: token {first['token']}, logit {first['index']}: "
                f"expected {first['expected']}, received {first['received']}"
            )
        verdict = "EQUAL: every code is the integer network's" if self.equal else "DIFFERENT"
        return "\n".join([*lines, verdict])


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
    parameters = find_model(model)
    tokens = _prompt_tokens(prompt, parameters.shape.vocab)
    return run_network(parameters, chosen, tokens, new, out, show)


def run_network(
    parameters: NetworkParameters,
    design: Design,
    tokens: list[int],
    new: int,
    out: Path,
    show: Show,
    memory: MemoryModel | None = None,
) -> RunReport:
    """Quantize a network, generate it, let the hardware add `new` tokens to `tokens`, and verify.

    Writes into the folder `out`: `accelerator.v`, `image.bin` and `report.json`, each whole or
    not at all. `memory` is behind the read port; without it, one that answers after LATENCY cycles
    with a word in each. Raises InputError when the design does not fit the network.
    """
    config = machine_config(parameters.shape, design)
    show(f"quantizing {parameters.shape.parameters} parameters")
    quantized = quantize_network(parameters, design.precision)
    image = network_image(quantized, config)
    show(f"generating Verilog for design {design.name}")
    verilog = to_verilog(Accelerator(config), TOP)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "accelerator.v", verilog.encode())
    write_whole(out / "image.bin", image.to_bytes())
    show("compiling with Verilator")
    start = time.monotonic()
    build(verilog, TOP)
    built = time.monotonic()
    show(f"simulating {len(tokens)} tokens of the prompt and {new} new ones")
    memory = memory or MemoryModel(config.port.port_bits, CLOCK_HZ, LATENCY)
    result = _simulate(verilog, config, image, out / "image.bin", tokens, new, memory, show)
    report = _report(design, quantized, config, tokens, new, result, memory)
    report.simulation["build_seconds"] = built - start
    write_whole(out / "report.json", report.to_json().encode())
    return report


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


def _simulate(
    verilog: str,
    config: MachineConfig,
    image: Image,
    path: Path,
    tokens: list[int],
    new: int,
    memory: MemoryModel,
    show: Show,
) -> dict[str, Any]:
    """What the bench receives; the text is shown as the hardware writes it."""
    vectors = {
        "clock": "ap_clk",
        "reset": "ap_rst_n",
        "memory": asdict(memory),
        "regions": [{"address": 0, "path": str(path.resolve())}],
        "registers": image.settings(len(tokens), new),
        "counters": [],
        "read": ["cycles"],
        "tokens": tokens,
        "willingness": 1.0,
        "poll": 1000,
        "deadline": 1_000_000,
    }
    with _followed(len(tokens), new, show) as progress:
        return simulate(verilog, TOP, BENCH, vectors, progress)


@contextmanager
def _followed(prompt: int, new: int, show: Show) -> Iterator[Path]:
    """A file of tokens, a line each; those after the prompt's are shown as they come."""
    with tempfile.TemporaryDirectory() as scratch:
        path, over = Path(scratch) / "tokens", threading.Event()
        path.touch()

        def follow() -> None:
            shown = 0
            while not over.wait(0.5) or shown < len(path.read_text().split()):
                tokens = [int(line) for line in path.read_text().split()]
                if len(tokens) > shown:
                    text = _text(tokens[prompt - 1 :])
                    show(f"{len(tokens)} of {prompt + new - 1} tokens: {text!r}")
                    shown = len(tokens)

        follower = threading.Thread(target=follow)
        follower.start()
        try:
            yield path
        finally:
            over.set()
            follower.join()


def _text(tokens: list[int]) -> str:
    """What byte tokens spell; those beyond a byte are left out."""
    return bytes(token for token in tokens if token < 256).decode(errors="replace")


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


def _report(
    design: Design,
    quantized: QuantizedNetwork,
    config: MachineConfig,
    tokens: list[int],
    new: int,
    result: dict[str, Any],
    memory: MemoryModel,
) -> RunReport:
    shape = quantized.shape
    expected, logits = greedy(Network(quantized, compiled()), tokens, new)
    got = [int(word, 16) for word in result["tokens"]]
    received = _logits(config.units.matvec.o_beat, result["logits"], shape.vocab)[: len(logits)]
    wrong = np.argwhere(received != logits[: len(received)])
    missing = logits.size - received.size
    written = got[len(tokens) - 1 :]
    edges = [0, *result["token_edges"]]
    return RunReport(
        model=asdict(shape),
        design=json.loads(design.model_dump_json()),
        memory=asdict(memory),
        prompt=_text(tokens),
        text=_text(written),
        tokens=written,
        match={
            "tokens": got == expected,
            "logits": not len(wrong) and not missing,
            "compared": int(logits.size),
            "mismatches": len(wrong) + missing,
            "first": _first(wrong, logits, received),
        },
        cycles={
            "measured": result["registers"]["cycles"],
            "per_token": np.diff(edges).tolist(),
        },
        simulation={
            "cycles_per_second": result["edges"] / result["seconds"],
            "run_seconds": result["seconds"],
        },
    )


def _logits(beat: Beat, words: list[str], vocab: int) -> Codes:
    """Logits (tokens, vocab) of the stream's words, of those tokens that are complete."""
    lanes = beat.fields[0].count
    beats = -(-vocab // lanes)
    whole = words[: len(words) // beats * beats]
    codes = beat.unpack([int(word, 16) for word in whole])["y"]
    return codes.reshape(-1, beats * lanes)[:, :vocab]


def _first(wrong: np.ndarray, expected: Codes, received: Codes) -> dict[str, int] | None:
    """The first logit code that differs."""
    if not len(wrong):
        return None
    token, index = wrong[0].tolist()
    return {
        "token": token,
        "index": index,
        "expected": int(expected[token, index]),
        "received": int(received[token, index]),
    }
