"""The weight image: unpacked again, its words are the layer's codes in the order of computation."""

import numpy as np
import pytest

from codegen.image import layer_words
from models.design import Design, MatvecParallelism, ScanParallelism
from models.networks.layer import layer_units
from models.networks.order import PADDING, conv_order, in_proj_order
from models.precision import NAMED
from models.quantization.rtn import quantize_network
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters


@pytest.fixture(
    params=[
        (PLAIN, 4, 8, 8, "interleaved"),
        (GROUPED, 8, 16, 16, "interleaved"),
        (GROUPED, 2, 6, 4, "naive"),
        (ODD, 4, 12, 8, "interleaved"),
    ],
    ids=["plain", "groups", "naive_rows_of_six", "odd"],
)
def image(request):
    """The shape, the units, a layer's codes, and its words by what they are fed to."""
    shape, lanes, rows, columns, order = request.param
    design = Design(
        name="test",
        lanes=lanes,
        matvec=MatvecParallelism(rows=rows, columns=columns),
        scan=ScanParallelism(channels=1, states=8),
        order=order,
        precision=NAMED["w4a8"],
    )
    units = layer_units(shape, design)
    layer = quantize_network(random_parameters(shape), design.precision).layers[-1]
    return shape, units, layer, layer_words(layer, shape, units)


def in_order(codes, rows):
    """Codes (rows, ...) of the checkpoint's rows in the order of computation."""
    padding = (rows == PADDING).reshape(-1, *(1,) * (codes.ndim - 1))
    return np.where(padding, 0, codes[rows])


def filled(codes, rows):
    """Codes (rows, ...) with zeros that fill the last tile of `rows`."""
    return np.pad(codes, [(0, -len(codes) % rows)] + [(0, 0)] * (codes.ndim - 1))


def of_tiles(beats, rows, columns):
    """Codes (rows, columns) of beats that hold a tile's rows, column by column of beats."""
    tiles = beats.reshape(-1, columns, rows, beats.shape[1] // rows)
    return tiles.transpose(0, 2, 1, 3).reshape(-1, columns * beats.shape[1] // rows)


def test_matrices_are_in_proj_in_order_then_out_proj(image):
    shape, units, layer, words = image
    unit = units.matvec
    order = in_proj_order(shape, units.lanes, unit.rows, units.order)
    weights = unit.weight_beat.unpack(words["weights"])["weights"]
    scales = unit.scale_beat.unpack(words["scales"])["scales"]
    taken = {"weights": 0, "scales": 0}

    def next_matrix(beats, name, rows, columns):
        start = taken[name]
        taken[name] = start + -(-rows // unit.rows) * columns
        return of_tiles(beats[start : taken[name]], unit.rows, columns)

    for matrix, rows in ((layer.in_proj, order.rows), (layer.out_proj, np.arange(shape.d_model))):
        for name, beats, codes in (
            ("weights", weights, matrix.weights),
            ("scales", scales, matrix.scales),
        ):
            per_beat = unit.columns if name == "weights" else 1
            got = next_matrix(beats, name, len(rows), codes.shape[1] // per_beat)
            np.testing.assert_array_equal(got, filled(in_order(codes, rows), unit.rows))
    assert taken == {"weights": len(weights), "scales": len(scales)}


def test_biases_follow_their_rows(image):
    shape, units, layer, words = image
    if not shape.proj_bias:
        assert "bias" not in words
        return
    rows = in_proj_order(shape, units.lanes, units.matvec.rows, units.order).rows
    bias = units.matvec.bias_beat.unpack(words["bias"])["bias"].ravel()
    out = filled(layer.out_proj.bias, units.matvec.rows)
    expected = [*filled(in_order(layer.in_proj.bias, rows), units.matvec.rows), *out]
    np.testing.assert_array_equal(bias, expected)


def test_norm_weights_are_those_of_both_norms(image):
    _, units, layer, words = image
    weights = units.norm.weight_beat.unpack(words["norm"])["weight"].ravel()
    np.testing.assert_array_equal(weights, [*layer.norm, *layer.gated_norm])


def test_taps_are_in_the_order_of_the_convolution(image):
    shape, units, layer, words = image
    unit = units.conv1d
    beats = unit.weight_beat.unpack(words["conv"])
    order = conv_order(shape, units.order)
    taps = beats["codes"].reshape(-1, unit.taps, unit.lanes).swapaxes(0, 1).reshape(unit.taps, -1)
    np.testing.assert_array_equal(taps, layer.taps[:, order])
    np.testing.assert_array_equal(beats["bias"].ravel(), layer.conv_bias[order])
    of_channel = np.repeat(layer.tap_exponents, unit.tap.group, axis=1)[:, order]
    exponents = beats["exponents"].reshape(len(taps.T) // unit.lanes, unit.taps, -1)
    spread = np.repeat(exponents, unit.lanes // exponents.shape[2], axis=2)
    np.testing.assert_array_equal(spread.swapaxes(0, 1).reshape(unit.taps, -1), of_channel)


def test_parameters_of_heads_end_in_zeros(image):
    shape, units, layer, words = image
    beats = units.discretize.weight_beat.unpack(words["heads"])
    for name, codes in (("bias", layer.dt_bias), ("rate", layer.rate), ("skip", layer.skip)):
        np.testing.assert_array_equal(beats[name].ravel(), filled(codes, units.lanes))
        assert len(beats[name].ravel()) - shape.heads < units.lanes
