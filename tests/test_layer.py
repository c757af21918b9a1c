"""The layer in hardware computes the integer network's layer, code for code, token after token."""

import numpy as np
import pytest

from codegen.image import layer_words
from codegen.verilog import to_verilog
from models.checkpoints import bundled
from models.checkpoints.reader import read_checkpoint
from models.design import Design, MatvecParallelism, ScanParallelism
from models.networks.layer import layer_units
from models.precision import NAMED
from models.quantization.rtn import quantize_network
from reports.inputs import read_tokens
from reports.layer import layer_codes, verify_layer
from rtl.layer import Layer
from tests.faces import WILLING
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters
from tests.streams import run_streams


def design(lanes, rows, columns, channels, states, precision, order="interleaved"):
    return Design(
        name="test",
        lanes=lanes,
        matvec=MatvecParallelism(rows=rows, columns=columns),
        scan=ScanParallelism(channels=channels, states=states),
        order=order,
        precision=NAMED[precision],
    )


PARALLELISMS = {
    "narrow": (2, 16, 8, 1, 4),  # beats and state tiles below a group of 8
    "square": (4, 4, 4, 1, 8),
    "wide": (8, 16, 16, 4, 16),
}


@pytest.mark.parametrize(("offer", "accept"), WILLING)
@pytest.mark.parametrize(
    ("shape", "parallelism", "precision", "order"),
    [
        (PLAIN, (4, 8, 8, 2, 8), "w8a8", "interleaved"),
        (GROUPED, (8, 16, 16, 1, 4), "w4a4", "interleaved"),
        (ODD, (2, 8, 4, 1, 16), "w4a8", "interleaved"),
        (GROUPED, (8, 16, 16, 1, 4), "w4a4", "naive"),
        (ODD, (2, 8, 4, 1, 16), "w4a8", "naive"),
    ],
    ids=["plain", "groups", "odd", "naive_groups", "naive_odd"],
)
def test_layer_agrees(shape, parallelism, precision, order, offer, accept):
    quantized = quantize_network(random_parameters(shape), NAMED[precision])
    units = layer_units(shape, design(*parallelism, precision, order))
    index, tokens = shape.layers - 1, np.array([1, 20, 7])
    stream, expected = layer_codes(quantized, index, tokens)
    words = layer_words(quantized.layers[index], shape, units)
    inputs = {f"i_{name}": once * len(tokens) for name, once in words.items()}
    inputs["i"] = units.residual.i_beat.pack(x=stream)
    outputs = {"o": units.residual.o_beat.pack(x=expected)}
    run = run_streams(Layer(shape, units), inputs, outputs, offer=offer, accept=accept)
    assert run.outputs == outputs


@pytest.mark.verilog
@pytest.mark.parametrize(
    ("parallelism", "precision"), [("narrow", "w8a8"), ("square", "w4a4"), ("wide", "w4a4")]
)
def test_verilog_of_a_trained_layer_agrees_over_64_tokens(parallelism, precision):
    """The other precision of each is in `soak.test_simulations`."""
    run_trained_layer(parallelism, precision)


def run_trained_layer(parallelism, precision):
    quantized = quantize_network(read_checkpoint(bundled()), NAMED[precision])
    text = read_tokens(None, 256, 2000)[1000:1064]
    given = design(*PARALLELISMS[parallelism], precision)
    report = verify_layer(quantized, given, 1, text)
    assert report.first is None
    assert report.compared == 64 * 128


@pytest.mark.verilog
def test_verilog_of_a_layer_agrees_under_stalls():
    quantized = quantize_network(read_checkpoint(bundled()), NAMED["w4a4"])
    text = read_tokens(None, 256, 2008)[2000:2008]
    report = verify_layer(quantized, design(*PARALLELISMS["wide"], "w4a4"), 3, text, 0.5)
    assert report.first is None


def test_verilog_is_the_same_for_the_same_layer():
    units = layer_units(ODD, design(2, 2, 2, 1, 8, "w4a4"))
    assert to_verilog(Layer(ODD, units), "layer") == to_verilog(Layer(ODD, units), "layer")
