"""Simulations of which the tests run a part: the other pairs of the same."""

import pytest

from tests.test_layer import run_trained_layer
from tests.test_rotated import SLOW, require_predicted


@pytest.mark.parametrize(
    ("parallelism", "precision"), [("narrow", "w4a4"), ("square", "w8a8"), ("wide", "w8a8")]
)
def test_verilog_of_a_trained_layer_agrees_over_64_tokens(parallelism, precision):
    run_trained_layer(parallelism, precision)


@pytest.mark.parametrize("memory", [None, SLOW], ids=["ideal", "slow"])
@pytest.mark.parametrize(
    ("name", "in_memory"), [("base_12_narrow", True), ("base_1_narrow", False)]
)
def test_every_cycle_of_a_narrow_rotation_is_predicted(name, in_memory, memory, tmp_path):
    require_predicted(name, in_memory, memory, tmp_path)
