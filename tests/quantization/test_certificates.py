"""Certificates: never exceeded by the true error of the state, and not far above it."""

import numpy as np
import pytest

from models.formats import Block, Fixed
from models.networks.mamba2 import Network
from models.precision import NAMED, Precision
from models.quantization.certificates import StateBound, certify, local_errors
from models.quantization.rtn import quantize_network
from models.units.discretize import discretize
from models.units.quantize import QuantizeConfig, quantize
from tests.networks.examples import GROUPED, PLAIN, random_parameters

SCANS = {"int8": NAMED["w8a8"], "int6": Precision(scan_bits=6), "int4": Precision(scan_bits=4)}


def followed(shape, precision, tokens):
    """For each layer and token: the true error of the state, and its bound, in codes."""
    network = Network(quantize_network(random_parameters(shape), precision))
    units, states = network.units, network.start()
    scan = units.scan
    heads = (scan.heads, scan.head_dim, scan.state)
    exact = [np.zeros(heads) for _ in network.quantized.layers]
    bounds = [StateBound.start(scan) for _ in exact]
    for token in tokens:
        layers = network.layers(states, token)
        states = tuple(layer.state for layer in layers)
        for at, (layer, weights) in enumerate(zip(layers, network.quantized.layers, strict=True)):
            decay, *drive, _ = discretize(
                layer.dt, weights.dt_bias, weights.rate, weights.skip, *layer.x, units.discretize
            )
            driven = scan.drive.drive.values(*drive).reshape(scan.heads, scan.head_dim, 1)
            b = scan.b.values(*layer.b).reshape(scan.groups, 1, scan.state)
            b = np.repeat(b, scan.heads // scan.groups, axis=0)
            kept = scan.drive.decay.values(decay)[:, None, None] * exact[at]
            exact[at] = kept + driven * b * 2.0**scan.h.source.frac
            bounds[at].follow(decay, *layer.state.h)
            yield np.abs(scan.h.expand(*layer.state.h) - exact[at]), bounds[at]


@pytest.mark.parametrize("shape", [PLAIN, GROUPED], ids=["plain", "2_groups"])
@pytest.mark.parametrize("name", SCANS)
def test_no_error_is_beyond_its_bound(name, shape):
    tokens = np.random.default_rng(1).integers(0, shape.vocab, 60)
    closest = 0.0
    for errors, bound in followed(shape, SCANS[name], tokens):
        assert (errors <= bound.bound + 1e-6).all()
        assert bound.bound.max() <= bound.static * (1 + 1e-12)
        closest = max(closest, (errors / bound.bound).max())
    assert closest > 0.8  # a bound that is never approached would say nothing


def test_a_bound_without_the_past_is_exceeded(monkeypatch):
    """Planted fault: what was rounded before is forgotten."""
    follow = StateBound.follow

    def forgetful(bound, *given):
        bound.bound = np.zeros_like(bound.bound)
        follow(bound, *given)

    monkeypatch.setattr(StateBound, "follow", forgetful)
    tokens = np.random.default_rng(1).integers(0, PLAIN.vocab, 60)
    found = followed(PLAIN, SCANS["int8"], tokens)
    assert any((errors > bound.bound + 1e-6).any() for errors, bound in found)


@pytest.mark.parametrize("bits", [4, 8])
def test_narrowing_alone_is_within_its_bound_for_every_code(bits):
    block = Block(bits, 1, Fixed(12))
    every = np.arange(block.source.min_code, block.source.max_code + 1)[:, None]
    codes, exponents = quantize(every, QuantizeConfig(block))
    errors = np.abs(block.expand(codes, exponents) - every)
    local = local_errors(codes, exponents, block)
    assert (errors <= local - 0.5).all()
    inside = np.isfinite(local)
    assert (errors[inside] >= local[inside] - 1.5).sum() > 100


def test_a_state_at_the_end_of_its_range_has_no_bound():
    block = Block(4, 2, Fixed(8))
    codes = np.array([[7, 0], [-8, 0], [6, 0], [7, 0]])
    exponents = np.array([[4], [4], [4], [3]])
    beyond = np.isinf(local_errors(codes, exponents, block))
    assert beyond.tolist() == [[True, False], [True, False], [False, False], [False, False]]


def test_certificates_are_in_units_of_the_state():
    network = Network(quantize_network(random_parameters(PLAIN), NAMED["w8a8"]))
    found = certify(network, range(20))
    assert [each.layer for each in found] == [0, 1]
    for each in found:
        assert 0 < each.bound_rms < each.bound_largest <= each.static
        assert each.bound_rms < each.state_rms
        assert 0 < each.largest_decay < 1
