"""What the oracles of Mamba-1 and of Mamba-2 promise alike: memory, pieces, leading axes."""

import math

import numpy as np
import pytest

from models.checkpoints.reader import read_network
from models.networks.oracle import mamba1, mamba2
from tests.networks.recordings import BAR, RECORDED, difference, vectors

KINDS = {"mamba1": (mamba1, "mamba1-"), "mamba2": (mamba2, "")}


def recorded(kind, name):
    """The oracle, parameters, tokens (2, time) and the logits that `transformers` computed."""
    oracle, prefix = KINDS[kind]
    return oracle, read_network(RECORDED / f"{prefix}{name}"), *vectors(f"{prefix}{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_scan_remembers(kind):
    """The recorded networks would be no test if their states decayed at once."""
    oracle, parameters, tokens, _ = recorded(kind, "plain")
    other = tokens.copy()
    other[:, 0] = (other[:, 0] + 1) % parameters.shape.vocab
    changed = oracle.prefill(parameters, tokens) - oracle.prefill(parameters, other)
    beyond_the_convolutions = parameters.shape.layers * (parameters.shape.conv - 1) + 1
    assert np.abs(changed).max(axis=(0, 2))[beyond_the_convolutions:20].min() > 10 * BAR


@pytest.mark.parametrize(("kind", "name"), [("mamba1", "narrow"), ("mamba2", "limit")])
def test_a_text_in_pieces_is_the_text(kind, name):
    oracle, parameters, tokens, _ = recorded(kind, name)
    state, pieces = oracle.State.zeros(parameters.shape, (2,)), []
    for part in (tokens[:, :1], tokens[:, 1:3], tokens[:, 3:40], tokens[:, 40:]):
        logits, state = oracle.advance(parameters, state, part)
        pieces.append(logits)
    assert difference(np.concatenate(pieces, axis=1), oracle.prefill(parameters, tokens)) <= BAR


@pytest.mark.parametrize("lead", [(), (1,), (2, 1)])
@pytest.mark.parametrize(("kind", "name"), [("mamba1", "odd"), ("mamba2", "groups")])
def test_leading_axes_are_sequences_side_by_side(kind, name, lead):
    oracle, parameters, tokens, expected = recorded(kind, name)
    tokens = tokens[0] if lead == () else tokens[: math.prod(lead)].reshape(*lead, -1)
    logits = oracle.prefill(parameters, tokens)
    expected = expected[0] if lead == () else expected[: math.prod(lead)]
    assert logits.shape == (*tokens.shape, parameters.shape.vocab)
    assert difference(logits.reshape(expected.shape), expected) <= BAR
    state, steps = oracle.State.zeros(parameters.shape, lead), []
    for at in range(tokens.shape[-1]):
        step, state = oracle.decode(parameters, state, tokens[..., at])
        steps.append(step)
    assert difference(np.stack(steps, axis=-2), logits) <= BAR
