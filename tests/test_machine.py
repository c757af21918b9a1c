"""The machine computes the integer network: all logits of each token, and its argmax."""

import numpy as np
import pytest
from amaranth import Module, Mux, Signal
from amaranth.lib import wiring

from codegen.image import network_image
from models.networks.machine import machine_config
from models.networks.mamba2 import Network, compiled
from models.quantization.rtn import quantize_network
from reports.verdict import greedy
from rtl.core import connect
from rtl.machine import Machine
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters
from tests.streams import run_streams
from tests.test_layer import design


class Started(wiring.Component):
    """A machine with its settings fixed, started at reset and again when a run is done.

    No word reaches it that it has not asked for.
    """

    streams = ("o_reads", "i", "i_tokens", "o_tokens", "o_logits")

    def __init__(self, config, settings, runs=1):
        self.machine, self.settings, self.runs = Machine(config), settings, runs
        members = self.machine.signature.members
        super().__init__({name: members[name] for name in self.streams})

    def elaborate(self, platform):
        m = Module()
        m.submodules.machine = machine = self.machine
        start, left = Signal(init=1), Signal(range(self.runs), init=self.runs - 1)
        again = machine.done & (left != 0)
        m.d.sync += [start.eq(again), left.eq(left - again)]
        m.d.comb += machine.start.eq(start)
        m.d.comb += [getattr(machine, name).eq(value) for name, value in self.settings.items()]
        for name, member in self.signature.members.items():
            ours, theirs = wiring.flipped(getattr(self, name)), getattr(machine, name)
            pair = (ours, theirs) if member.flow is wiring.In else (theirs, ours)
            connect(m, *pair)

        asked, words = Signal(32), machine.o_reads.p.words[0]
        due = asked != 0
        m.d.comb += [machine.i.valid.eq(self.i.valid & due), self.i.ready.eq(machine.i.ready & due)]
        m.d.sync += asked.eq(
            asked
            + Mux(self.o_reads.valid & self.o_reads.ready, words, 0)
            - (self.i.valid & self.i.ready)
        )
        return m


def expected_reads(image, settings, tokens):
    """Reads (address, words) of a run over `tokens`, and the words that they bring."""
    first, prefix = settings["image_address"], image.prefix
    behind = (first + prefix * image.octets, len(image.stream) - prefix)
    reads, words = [], []
    for at, token in enumerate(tokens):
        address = settings["embedding_address"] + token * settings["embedding_stride"]
        row = (address, image.row_words)
        if at < settings["prompt_tokens"]:
            reads += [row, (first, len(image.stream))]
            words += [*image.rows[token], *image.stream]
        else:
            reads += [(first, prefix), row, behind]
            words += [*image.stream[:prefix], *image.rows[token], *image.stream[prefix:]]
    return reads, words


def vectors(shape, parallelism, precision, order, prompt, new):
    """As `run_vectors`, of a network with random weights."""
    given = design(*parallelism, precision, order)
    return run_vectors(random_parameters(shape), given, prompt, new)


def run_vectors(parameters, design, prompt, new):
    """Machine, settings, and the words at its ports in a run."""
    shape = parameters.shape
    quantized = quantize_network(parameters, design.precision)
    config = machine_config(shape, design)
    image = network_image(quantized, config)
    chosen, logits = greedy(Network(quantized, compiled()), prompt, new)
    tokens = [*prompt, *chosen[len(prompt) - 1 : -1]]
    settings = image.settings(len(prompt), new, base=0x10000)
    reads, words = expected_reads(image, settings, tokens)
    inputs = {"i": words, "i_tokens": prompt}
    padded = np.pad(logits, ((0, 0), (0, -shape.vocab % config.units.lanes)))
    outputs = {
        "o_reads": config.port.i_beat.pack(
            address=[address for address, _ in reads], words=[words for _, words in reads]
        ),
        "o_logits": config.units.matvec.o_beat.pack(y=padded),
        "o_tokens": chosen,
    }
    return config, settings, inputs, outputs


@pytest.mark.slow
@pytest.mark.parametrize(("offer", "accept"), [(1.0, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize(
    ("shape", "parallelism", "precision", "order", "prompt", "new"),
    [
        (PLAIN, (4, 8, 8, 2, 8), "w8a8", "interleaved", [3, 17], 2),
        (GROUPED, (8, 16, 16, 1, 4), "w4a4", "interleaved", [3], 3),
        (GROUPED, (8, 16, 16, 1, 4), "w4a4", "naive", [3, 17], 2),
        (ODD, (2, 8, 4, 1, 16), "w4a8", "interleaved", [3, 17, 9], 1),
    ],
    ids=["plain", "groups", "naive", "only_prompt"],
)
def test_machine_agrees(shape, parallelism, precision, order, prompt, new, offer, accept):
    config, settings, inputs, outputs = vectors(shape, parallelism, precision, order, prompt, new)
    run = run_streams(Started(config, settings), inputs, outputs, offer=offer, accept=accept)
    assert run.outputs == outputs


@pytest.mark.parametrize("new", [1, 2])
def test_a_run_leaves_nothing_to_the_next(new):
    config, settings, inputs, outputs = vectors(
        ODD, (2, 8, 4, 1, 16), "w4a8", "interleaved", [3], new
    )
    inputs, outputs = (
        {name: words * 2 for name, words in side.items()} for side in (inputs, outputs)
    )
    run = run_streams(Started(config, settings, runs=2), inputs, outputs)
    assert run.outputs == outputs
