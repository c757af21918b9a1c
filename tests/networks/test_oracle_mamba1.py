"""Does the oracle of Mamba-1 compute what `transformers` computes, in prefill and in decode?"""

import dataclasses
import math

import numpy as np
import pytest

from models.checkpoints.reader import read_network
from models.networks.oracle import mamba1
from models.networks.oracle.mamba1 import State, decode, prefill
from models.networks.oracle.scan import scan_channels
from tests.networks.recordings import (
    BAR,
    MAMBA1_NAMES,
    RECORDED,
    difference,
    in_every_layer,
    vectors,
)

each_network = pytest.mark.parametrize("name", MAMBA1_NAMES)


def recorded(name):
    """Parameters, tokens (2, time) and the logits that `transformers` computed."""
    return read_network(RECORDED / name), *vectors(name)


def decode_all(parameters, tokens):
    """Logits of `decode` token by token, with the time axis of `prefill`."""
    state, logits = State.zeros(parameters.shape, tokens.shape[:-1]), []
    for at in range(tokens.shape[-1]):
        step, state = decode(parameters, state, tokens[..., at])
        logits.append(step)
    return np.stack(logits, axis=-2)


def test_recorded_networks_cover_what_the_configuration_can_change():
    shapes = [read_network(RECORDED / name).shape for name in MAMBA1_NAMES]
    assert {shape.tied for shape in shapes} == {True, False}
    assert {(shape.proj_bias, shape.conv_bias) for shape in shapes} == {
        (False, True),
        (False, False),
        (True, True),
        (True, False),
    }
    assert {shape.conv for shape in shapes} == {2, 3, 4, 5}
    assert {shape.state for shape in shapes} == {1, 5, 16}
    assert {shape.inner / shape.d_model for shape in shapes} == {1, 2, 3}
    ranks = {(shape.dt_rank, math.ceil(shape.d_model / 16)) for shape in shapes}
    assert ranks == {(1, 1), (2, 2), (3, 3), (7, 2)}


@each_network
def test_prefill_is_transformers(name):
    parameters, tokens, expected = recorded(name)
    logits = prefill(parameters, tokens)
    assert logits.dtype == np.float32
    assert difference(logits, expected) <= BAR


@each_network
def test_decode_is_transformers_and_prefill(name):
    parameters, tokens, expected = recorded(name)
    logits = decode_all(parameters, tokens)
    assert logits.dtype == np.float32
    assert difference(logits, expected) <= BAR
    assert difference(logits, prefill(parameters, tokens)) <= BAR


def halves_swapped(rows):
    return np.roll(rows, len(rows) // 2, axis=0)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("plain", {"A": np.zeros_like}),
        ("plain", {"A": lambda A: -np.log(-A)}),  # without its exp
        ("plain", {"D": np.zeros_like}),
        ("plain", {"dt_bias": np.zeros_like}),
        ("plain", {"conv_bias": np.zeros_like}),
        ("plain", {"conv_weight": lambda taps: taps[:, ::-1]}),
        ("plain", {"in_proj": halves_swapped}),
        ("plain", {"x_proj": lambda rows: np.roll(rows, 1, axis=0)}),
        ("biases", {"in_proj_bias": np.zeros_like}),
        ("biases", {"out_proj_bias": np.zeros_like}),
        ("odd", {"A": lambda A: A[:, ::-1]}),
        ("odd", {"dt_proj": lambda rows: rows[:, ::-1]}),
    ],
)
def test_a_fault_in_the_weights_is_seen(name, fault):
    parameters, tokens, expected = recorded(f"mamba1-{name}")
    faulty = in_every_layer(parameters, **fault)
    assert difference(prefill(faulty, tokens), expected) > 10 * BAR
    assert difference(decode_all(faulty, tokens), expected) > 10 * BAR


def test_another_epsilon_is_seen():
    parameters, tokens, expected = recorded("mamba1-odd")
    shape = dataclasses.replace(parameters.shape, norm_eps=1e-5)
    faulty = dataclasses.replace(parameters, shape=shape)
    assert difference(prefill(faulty, tokens), expected) > 10 * BAR


@pytest.mark.parametrize("function", ["softplus", "silu"])
def test_a_function_left_out_is_seen(monkeypatch, function):
    monkeypatch.setattr(mamba1, function, lambda x: x)
    parameters, tokens, expected = recorded("mamba1-plain")
    with np.errstate(over="ignore", invalid="ignore"):  # decays above 1
        assert not difference(prefill(parameters, tokens), expected) <= 10 * BAR


def test_the_scan_is_the_recurrence_of_every_state_number():
    rng = np.random.default_rng(0)
    x, delta = rng.normal(size=(4, 3)), rng.uniform(0, 1, (4, 3))
    A, B, C = -rng.uniform(0, 4, (3, 2)), rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    start = rng.normal(size=(3, 2))
    y, h = scan_channels(x, delta, A, B, C, start)
    for channel in range(3):
        state = list(start[channel])
        for at in range(4):
            step = delta[at, channel]
            for n in range(2):
                state[n] *= math.exp(step * A[channel, n])
                state[n] += step * B[at, n] * x[at, channel]
            assert y[at, channel] == pytest.approx(sum(C[at] * state))
        assert h[channel] == pytest.approx(state)


def test_tokens_outside_the_vocabulary_are_refused():
    parameters = read_network(RECORDED / "mamba1-plain")
    with pytest.raises(ValueError, match=r"^tokens must be 0 to 39, not 40$"):
        prefill(parameters, np.array([3, 40, 1]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in MAMBA1_NAMES if not name.endswith("original")])
def test_live_transformers(name):
    """Longer texts than recorded, and its own one-token path."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    parameters = read_network(RECORDED / name)
    network = transformers.MambaForCausalLM.from_pretrained(RECORDED / name, dtype="float32")
    tokens = np.random.default_rng(1).integers(0, parameters.shape.vocab, (2, 300))
    logits = prefill(parameters, tokens)
    with torch.no_grad():
        expected = network.eval()(torch.tensor(tokens)).logits.numpy()
        assert difference(logits, expected) <= BAR
        cache = network(torch.tensor(tokens[:, :-1]), use_cache=True).cache_params
        last = network(torch.tensor(tokens[:, -1:]), cache_params=cache).logits.numpy()
        assert difference(logits[:, -1:], last) <= BAR
