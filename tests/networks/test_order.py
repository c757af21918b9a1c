"""The order of in_proj's rows: each row once, in whole beats and tiles, for the scan or not."""

import numpy as np
import pytest

from models.networks.order import PADDING, conv_order, in_proj_order
from tests.networks.examples import GROUPED, ODD, PLAIN


@pytest.mark.parametrize("shape", [PLAIN, GROUPED, ODD], ids=["plain", "groups", "odd"])
@pytest.mark.parametrize(("lanes", "tile"), [(1, 1), (4, 4), (4, 16), (8, 8)])
@pytest.mark.parametrize("name", ["interleaved", "naive"])
def test_every_row_once_in_whole_tiles(shape, lanes, tile, name):
    order = in_proj_order(shape, lanes, tile, name)
    rows = order.rows[order.rows != PADDING]
    assert sorted(rows) == list(range(shape.in_proj_rows))
    assert len(order.rows) % tile == 0
    assert sum(section.beats for section in order.sections) * lanes == len(order.rows)


def test_time_steps_then_b_and_c_then_heads():
    order = in_proj_order(ODD, 4, 4)
    assert [section.target for section in order.sections] == (
        ["heads", "conv", "conv"] + ["conv", "gate"] * 3
    )
    dt = ODD.in_proj_rows - 3
    assert order.rows[:4].tolist() == [dt, dt + 1, dt + 2, PADDING]
    assert order.rows[4] == 2 * ODD.inner  # B
    first_head = 4 + 2 * ODD.state
    assert order.rows[first_head] == ODD.inner  # x of head 0
    assert order.rows[first_head + ODD.head_dim] == 0  # z of head 0


def test_naive_is_the_checkpoint_with_the_padding_at_its_end():
    order = in_proj_order(ODD, 4, 16, "naive")
    assert [section.target for section in order.sections] == (
        ["gate", "conv", "conv", "conv", "heads", "dropped"]
    )
    rows = np.arange(ODD.in_proj_rows)
    np.testing.assert_array_equal(order.rows[: len(rows)], rows)
    assert set(order.rows[len(rows) :]) == {PADDING}


def test_naive_convolution_leaves_the_channels_as_they_are():
    np.testing.assert_array_equal(conv_order(ODD, "naive"), np.arange(ODD.conv_channels))


def test_conv_channels_go_b_c_x():
    order = conv_order(GROUPED)
    assert order[0] == GROUPED.inner
    assert order[2 * GROUPED.groups * GROUPED.state] == 0
    assert sorted(order) == list(np.arange(GROUPED.conv_channels))
