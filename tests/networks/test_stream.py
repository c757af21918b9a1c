"""The stream's layout: the headers of the weight image, and a prefix that waits without its row."""

import pytest

from codegen.image import network_image
from models.networks.machine import machine_config
from models.networks.stream import (
    layer_packets,
    prefix_packets,
    prefix_words,
    row_packet,
    token_packets,
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


def test_layout_is_that_of_the_image(machine):
    quantized = quantize_network(random_parameters(machine.shape), machine.design.precision)
    image = network_image(quantized, machine)
    packets = token_packets(machine)
    expected = [packet.header(machine.fetch) for packet in packets]
    assert headers(image.stream, machine.fetch) == expected
    assert len(image.stream) == sum(packet.words(machine.fetch) for packet in packets)
    for row in image.rows:
        assert headers(row, machine.fetch) == [row_packet(machine).header(machine.fetch)]
        assert len(row) == row_packet(machine).words(machine.fetch)
    taken = fetch(image.stream, machine.fetch)
    for name, beats in taken.items():
        assert len(beats) == sum(packet.beats.get(name, 0) for packet in packets)


def test_queues_hold_the_prefix(machine):
    packets = prefix_packets(machine)
    assert layer_packets(machine, 0)[: len(packets)] == packets
    assert prefix_words(machine) == sum(packet.words(machine.fetch) for packet in packets)
    for target in machine.fetch.targets:
        assert sum(packet.beats.get(target.name, 0) for packet in packets) <= target.depth
