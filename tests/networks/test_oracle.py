"""Does the oracle of Mamba-2 compute what `transformers` computes, in prefill and in decode?"""

import dataclasses
import hashlib
import json
import math

import numpy as np
import pytest

from models.checkpoints import bundled
from models.checkpoints.corpus import held_out_text
from models.checkpoints.reader import read_checkpoint
from models.networks.metrics import nats_per_token, windows
from models.networks.oracle.mamba2 import (
    LayerState,
    LayerTensors,
    State,
    decode,
    layer_step_tensors,
    layer_tensors,
    prefill,
)
from models.networks.oracle.scan import scan_chunked, scan_step
from tests.networks.recordings import BAR, NAMES, RECORDED, difference, in_every_layer, vectors


def folder_of(name):
    return bundled() if name == "bundled" else RECORDED / name


def recorded(name):
    """Parameters, tokens (2, time) and the logits that `transformers` computed."""
    return read_checkpoint(folder_of(name)), *vectors(name)


def decode_all(parameters, tokens):
    """Logits of `decode` token by token, with the time axis of `prefill`."""
    state, logits = State.zeros(parameters.shape, tokens.shape[:-1]), []
    for at in range(tokens.shape[-1]):
        step, state = decode(parameters, state, tokens[..., at])
        logits.append(step)
    return np.stack(logits, axis=-2)


def test_recorded_networks_cover_what_the_configuration_can_change():
    shapes = [read_checkpoint(folder_of(name)).shape for name in NAMES]
    assert len(NAMES) >= 7
    assert {shape.groups for shape in shapes} >= {1, 2, 3}
    assert {shape.tied for shape in shapes} == {True, False}
    assert {(shape.proj_bias, shape.conv_bias) for shape in shapes} >= {
        (False, True),
        (False, False),
        (True, True),
        (True, False),
    }
    assert {shape.heads % 2 for shape in shapes} == {0, 1}
    assert {shape.conv for shape in shapes} >= {2, 3, 4, 5}
    assert {math.isinf(shape.time_step_limit[1]) for shape in shapes} == {True, False}
    assert {shape.residual_in_fp32 for shape in shapes} == {True, False}


@pytest.mark.parametrize("name", NAMES)
def test_prefill_is_transformers(name):
    parameters, tokens, expected = recorded(name)
    logits = prefill(parameters, tokens)
    assert logits.dtype == np.float32
    assert difference(logits, expected) <= BAR


@pytest.mark.parametrize("name", NAMES)
def test_decode_is_transformers_and_prefill(name):
    parameters, tokens, expected = recorded(name)
    logits = decode_all(parameters, tokens)
    assert logits.dtype == np.float32
    assert difference(logits, expected) <= BAR
    assert difference(logits, prefill(parameters, tokens)) <= BAR


def without(field):
    """A fault in every layer: `field` is zero."""
    return lambda parameters: in_every_layer(parameters, **{field: np.zeros_like})


def reshaped(**fields):
    """A fault in the shape."""

    def plant(parameters):
        shape = dataclasses.replace(parameters.shape, **fields)
        return dataclasses.replace(parameters, shape=shape)

    return plant


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("plain", without("A")),
        ("plain", without("D")),
        ("plain", without("dt_bias")),
        ("plain", without("conv_bias")),
        ("groups", without("in_proj_bias")),
        ("groups", without("out_proj_bias")),
        ("each", reshaped(norm_eps=1e-5)),
        ("limit", reshaped(time_step_limit=(0.0, 0.4))),
        ("limit", reshaped(time_step_limit=(0.02, math.inf))),
        ("chunks", reshaped(time_step_limit=(0.0, math.inf))),
    ],
)
def test_a_fault_in_the_arithmetic_is_seen(name, fault):
    parameters, tokens, expected = recorded(name)
    assert difference(prefill(fault(parameters), tokens), expected) > 10 * BAR


def test_one_mean_square_over_all_groups_is_seen(monkeypatch):
    from models.networks.oracle import mamba2

    grouped = mamba2.gated_rms_norm
    monkeypatch.setattr(
        mamba2, "gated_rms_norm", lambda *most_and_groups: grouped(*most_and_groups[:-1], 1)
    )
    parameters, tokens, expected = recorded("groups")
    assert difference(prefill(parameters, tokens), expected) > 10 * BAR


@pytest.mark.parametrize("name", ["plain", "groups", "limit", "wide"])
def test_inner_tensors_of_a_step_are_those_of_the_sequence(name):
    parameters, tokens, _ = recorded(name)
    shape, layer = parameters.shape, parameters.layers[0]
    u = parameters.embedding[tokens]
    state = State.zeros(shape, (2,)).layers[0]
    whole = layer_tensors(layer, shape, u, state)
    for at in range(u.shape[1]):
        step = layer_step_tensors(layer, shape, u[:, at], state)
        state = step.state
        for field in dataclasses.fields(LayerTensors):
            if field.name != "state":
                tensor = getattr(whole, field.name)[:, at]
                assert tensor.dtype == np.float32
                assert difference(getattr(step, field.name), tensor) <= BAR, field.name
    for field in dataclasses.fields(LayerState):
        assert difference(getattr(state, field.name), getattr(whole.state, field.name)) <= BAR


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_the_chunk_is_without_effect(chunk):
    rng = np.random.default_rng(0)
    heads, head_dim, groups, state, time = 6, 5, 2, 3, 100

    def normal(*dimensions):
        return rng.normal(size=dimensions).astype(np.float32)

    x, delta = normal(time, heads, head_dim), np.exp(normal(time, heads) - 2)
    A, B, C = -np.exp(normal(heads)), normal(time, groups, state), normal(time, groups, state)
    start = normal(heads, head_dim, state)
    y, h = scan_chunked(x, delta, A, B, C, start, chunk)
    for at in range(time):
        expected, start = scan_step(x[at], delta[at], A, B[at], C[at], start)
        assert difference(y[at], expected) < 1e-5
    assert difference(h, start) < 1e-5


def test_a_decay_that_vanishes_is_no_error():
    """delta * A far below the smallest logarithm of float32: the state forgets, nothing warns."""
    ones = np.ones((200, 1, 1), np.float32)
    delta, A = np.full((200, 1), 50, np.float32), np.array([-16], np.float32)
    y, h = scan_chunked(ones, delta, A, ones, ones, np.zeros((1, 1, 1), np.float32))
    assert (y == 50).all()
    assert (h == 50).all()


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        ([3, 40, 1], ValueError, "tokens must be 0 to 39, not 40"),
        ([3, -1], ValueError, "tokens must be 0 to 39, not -1"),
        ([0.5], TypeError, "tokens must be integers, not float64"),
    ],
)
def test_tokens_outside_the_vocabulary_are_refused(tokens, error, message):
    parameters = read_checkpoint(folder_of("plain"))
    with pytest.raises(error) as caught:
        prefill(parameters, np.array(tokens))
    assert str(caught.value) == message


def test_the_bundled_checkpoint_is_a_real_model():
    """At most 1.40 nats/byte on the held-out text, as `train_log.json` says.

    Newer interpreters mark their documentation up in another way; a text that is not the one of
    the log has a wider bar.
    """
    text = held_out_text()
    log = json.loads((bundled() / "train_log.json").read_text())
    same = hashlib.sha256(text).hexdigest() == log["held_out"]["sha256"]
    tokens = windows(text, log["options"]["length"])
    nats = nats_per_token(prefill(read_checkpoint(bundled()), tokens), tokens)
    assert nats <= (1.40 if same else 2.00)
    if same:
        assert nats == pytest.approx(log["held_out_nats_per_byte"], abs=0.01)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "original"])
def test_live_transformers(name):
    """Longer texts than recorded, and its own one-token path where that clamps nothing."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    parameters = read_checkpoint(folder_of(name))
    network = transformers.Mamba2ForCausalLM.from_pretrained(folder_of(name), dtype="float32")
    norm = network.backbone.layers[0].mixer.norm
    if parameters.shape.groups > 1 and not hasattr(norm, "group_size"):
        pytest.skip("this version of transformers has no groups in the gated norm")
    tokens = np.random.default_rng(1).integers(0, parameters.shape.vocab, (2, 300))
    logits = prefill(parameters, tokens)
    with torch.no_grad():
        expected = network.eval()(torch.tensor(tokens)).logits.numpy()
        assert difference(logits, expected) <= BAR
        if math.isinf(parameters.shape.time_step_limit[1]):
            cache = network(torch.tensor(tokens[:, :-1]), use_cache=True).cache_params
            last = network(torch.tensor(tokens[:, -1:]), cache_params=cache).logits.numpy()
            assert difference(logits[:, -1:], last) <= BAR
