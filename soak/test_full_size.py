"""A layer of Mamba2-2.7B, full size, on the published parallelism: equal codes, the port busy."""

import pytest

from codegen.designs import find_design
from codegen.image import network_image
from models.networks.machine import machine_config
from models.networks.shape import Mamba2Shape
from models.quantization.rtn import quantize_network
from reports.run import run_network
from tests.networks.examples import random_parameters

LAYER = Mamba2Shape(d_model=2560, layers=1, heads=80, head_dim=64, state=128, vocab=64)
PUBLISHED_CYCLES = 866_852
"""Of a layer and token in LightMamba: 7.21 tokens/s at 400 MHz through 64 layers."""


@pytest.mark.parametrize("precision", ["w4a4"])
def test_layer_of_2_7b(precision, tmp_path):
    design = find_design("lightmamba-vck190", (f"precision={precision}",))
    parameters = random_parameters(LAYER)
    report = run_network(parameters, design, [3, 40], 1, tmp_path, print)
    assert report.equal

    config = machine_config(LAYER, design)
    image = network_image(quantize_network(parameters, design.precision), config)
    port = len(image.stream) + image.row_words
    multipliers = (LAYER.in_proj_rows + LAYER.inner) * LAYER.d_model // 64
    worst = max(report.cycles["per_token"])
    print(
        f"{worst} cycles a token; the port allows {port}, the multipliers {multipliers}; "
        f"LightMamba needs about {PUBLISHED_CYCLES}, also to move the state"
    )
    assert worst <= 1.03 * max(port, multipliers)
