"""The machine computes the integer network: all logits of each token, and its argmax."""

import numpy as np
import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring

from codegen.image import network_image
from models.networks.machine import machine_config
from models.networks.mamba2 import Network, compiled
from models.precision import NAMED
from models.quantization.rtn import quantize_network
from reports.run import greedy
from rtl.core import connect
from rtl.machine import Machine
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters
from tests.streams import run_streams
from tests.test_layer import design


class Started(wiring.Component):
    """A machine with its settings fixed, started once at reset."""

    def __init__(self, config, settings):
        self.machine, self.settings = Machine(config), settings
        streams = ("o_reads", "i", "i_tokens", "o_tokens", "o_logits")
        members = self.machine.signature.members
        super().__init__({name: members[name] for name in streams})

    def elaborate(self, platform):
        m = Module()
        m.submodules.machine = machine = self.machine
        first = Signal(init=1)
        m.d.sync += first.eq(0)
        m.d.comb += machine.start.eq(first)
        m.d.comb += [getattr(machine, name).eq(value) for name, value in self.settings.items()]
        for name, member in self.signature.members.items():
            ours, theirs = wiring.flipped(getattr(self, name)), getattr(machine, name)
            pair = (ours, theirs) if member.flow is wiring.In else (theirs, ours)
            connect(m, *pair)
        return m


@pytest.mark.parametrize(("offer", "accept"), [(1.0, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize(
    ("shape", "parallelism", "precision"),
    [
        (PLAIN, (4, 8, 8, 2, 8), "w8a8"),
        (GROUPED, (8, 16, 16, 1, 4), "w4a4"),
        (ODD, (2, 8, 4, 1, 16), "w4a8"),
    ],
    ids=["plain", "groups", "odd"],
)
def test_machine_agrees(shape, parallelism, precision, offer, accept):
    quantized = quantize_network(random_parameters(shape), NAMED[precision])
    config = machine_config(shape, design(*parallelism, precision))
    image = network_image(quantized, config)
    prompt, new = [3, 17], 2
    chosen, logits = greedy(Network(quantized, compiled()), prompt, new)
    tokens = [*prompt, *chosen[len(prompt) - 1 : -1]]
    settings = image.settings(len(prompt), new, base=0x10000)
    rows = [settings["embedding_address"] + t * settings["embedding_stride"] for t in tokens]
    counts = [image.row_words, len(image.stream)] * len(tokens)
    inputs = {
        "i": [word for token in tokens for word in (*image.rows[token], *image.stream)],
        "i_tokens": prompt,
    }
    padded = np.pad(logits, ((0, 0), (0, -shape.vocab % config.units.lanes)))
    outputs = {
        "o_reads": config.port.i_beat.pack(
            address=[address for row in rows for address in (row, settings["image_address"])],
            words=counts,
        ),
        "o_logits": config.units.matvec.o_beat.pack(y=padded),
        "o_tokens": chosen,
    }
    run = run_streams(Started(config, settings), inputs, outputs, offer=offer, accept=accept)
    assert run.outputs == outputs
