"""Does the training script train the network that the oracle computes? Needs torch."""

import json

import numpy as np
import pytest

from models.checkpoints import bundled
from models.checkpoints.reader import read_checkpoint
from models.networks.oracle.mamba2 import prefill

BAR = 1e-4  # largest absolute difference of a logit


def test_the_log_says_what_the_checkpoint_reached():
    log = json.loads((bundled() / "train_log.json").read_text())
    assert log["held_out_nats_per_byte"] <= 1.40
    assert log["parameters"] == read_checkpoint(bundled()).shape.parameters
    assert {"seconds", "options", "versions", "log"} <= log.keys()


@pytest.fixture
def train():
    """The script, which imports torch."""
    pytest.importorskip("torch")
    from models.checkpoints import train

    return train


def test_a_network_is_written_as_it_was_trained(train, tmp_path):
    """Fresh weights through the files and the oracle give the logits of the training form."""
    import torch

    torch.manual_seed(0)
    network = train.Network(dropout=0.5).eval()
    train.write(tmp_path, network, [{"held_out": 0.0, "seconds": 0.0}], {})
    tokens = np.random.default_rng(0).integers(0, 256, (2, 3 * train.CHUNK))
    with torch.no_grad():
        expected = network(torch.tensor(tokens)).numpy()
    assert np.abs(prefill(read_checkpoint(tmp_path), tokens) - expected).max() <= BAR


def test_the_rate_warms_up_and_falls(train):
    rates = [train.learning_rate(step, 500, 1.0, 50) for step in range(500)]
    assert rates[0] == 1 / 50
    assert max(rates) == rates[49] == 1.0
    assert rates[49:] == sorted(rates[49:], reverse=True)
    assert 0.01 <= rates[-1] < 0.011
