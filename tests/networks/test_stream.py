"""The stream's layout: the headers of the weight image, and a prefix that waits without its row."""

import pytest

from codegen.image import network_image
from models.networks.machine import machine_config
from models.networks.stream import (
    head_packets,
    layer_packets,
    prefix_packets,
    prefix_words,
    row_packet,
    token_words,
)
from models.quantization.rtn import quantize_network
from models.units.fetch import fetch, headers
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters
from tests.test_layer import design


@pytest.fixture(
    params=[
        (PLAIN, (4, 8, 8, 2, 8, "w8a8")),
        (GROUPED, (8, 16, 16, 1, 4, "w4a4", "naive")),
        (ODD, (2, 8, 4, 1, 16, "w4a8")),
    ],
    ids=["plain", "naive_groups", "odd"],
)
def machine(request):
    shape, parallelism = request.param
    return machine_config(shape, design(*parallelism))


def token_packets(machine):
    return layer_packets(machine) * machine.shape.layers + head_packets(machine)


def test_layout_is_that_of_the_image(machine):
    quantized = quantize_network(random_parameters(machine.shape), machine.design.precision)
    image = network_image(quantized, machine)
    packets = token_packets(machine)
    expected = [packet.header(machine.fetch) for packet in packets]
    assert headers(image.stream, machine.fetch) == expected
    assert len(image.stream) == token_words(machine)
    for row in image.rows:
        assert headers(row, machine.fetch) == [row_packet(machine).header(machine.fetch)]
        assert len(row) == row_packet(machine).words(machine.fetch)
    taken = fetch(image.stream, machine.fetch)
    for name, beats in taken.items():
        assert len(beats) == sum(packet.beats.get(name, 0) for packet in packets)


def test_queues_hold_the_prefix(machine):
    packets = prefix_packets(machine)
    assert layer_packets(machine)[: len(packets)] == packets
    assert prefix_words(machine) == sum(packet.words(machine.fetch) for packet in packets)
    for at, target in enumerate(machine.fetch.targets):
        waiting = [packet.beats.get(target.name, 0) for packet in packets]
        assert sum(machine.fetch.places(at, beats) for beats in waiting) <= target.depth


def test_queues_hold_the_weights_that_wait_and_their_scales(machine):
    """Whole tiles of weights, however they divide; and never do scales keep the port waiting."""
    fetch = machine.fetch
    at = {target.name: index for index, target in enumerate(fetch.targets)}
    depths = {name: fetch.targets[index].depth for name, index in at.items()}
    matrices = [packet for packet in token_packets(machine) if "weights" in packet.beats]
    for (_, scales), (_, weights) in (packet.parts for packet in matrices):
        tile = fetch.places(at["weights"], weights)
        whole, rest = divmod(depths["weights"], tile)
        assert whole * weights + rest * fetch.per_word(at["weights"]) >= (
            machine.design.memory.prefetch
        )
        assert depths["scales"] >= (whole + 2) * fetch.places(at["scales"], scales)
