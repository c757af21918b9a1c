"""Is every checkpoint of Mamba-1 read as it stands, and every wrong one refused in whole?"""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.checkpoints.reader import (
    read_checkpoint,
    read_network,
    read_network_shape,
    read_shape,
)
from models.networks.oracle.mamba1 import prefill
from models.networks.parameters import NetworkParameters
from models.networks.shapes import find_shape
from tests.checkpoints.folders import HF_OUT, MATCH_OUT, SSM_OUT, copy, edit, refusal, retensor
from tests.networks.recordings import RECORDED


@pytest.fixture
def folder(tmp_path):
    """A copy of the recorded network `mamba1-plain`: d_model 32, inner 64, 2 layers, vocab 40."""
    return copy("mamba1-plain", tmp_path)


def write_config(tmp_path, **raw):
    (tmp_path / "config.json").write_text(json.dumps(raw))
    return tmp_path


def test_arrays_are_those_of_the_file():
    folder = RECORDED / "mamba1-biases"
    network, tensors = read_network(str(folder)), load_file(folder / "model.safetensors")
    layer, prefix = network.layers[1], "backbone.layers.1."
    assert (network.embedding == tensors["backbone.embeddings.weight"]).all()
    assert (network.final_norm == tensors["backbone.norm_f.weight"]).all()
    assert (network.head == tensors["lm_head.weight"]).all()
    assert (layer.norm == tensors[prefix + "norm.weight"]).all()
    assert (layer.in_proj == tensors[prefix + "mixer.in_proj.weight"]).all()
    assert (layer.in_proj_bias == tensors[prefix + "mixer.in_proj.bias"]).all()
    assert (layer.conv_weight == tensors[prefix + "mixer.conv1d.weight"][:, 0]).all()
    assert (layer.conv_bias == tensors[prefix + "mixer.conv1d.bias"]).all()
    assert (layer.x_proj == tensors[prefix + "mixer.x_proj.weight"]).all()
    assert (layer.dt_proj == tensors[prefix + "mixer.dt_proj.weight"]).all()
    assert (layer.dt_bias == tensors[prefix + "mixer.dt_proj.bias"]).all()
    assert (-np.exp(tensors[prefix + "mixer.A_log"]) == layer.A).all()
    assert (tensors[prefix + "mixer.D"] == layer.D).all()
    assert (layer.out_proj == tensors[prefix + "mixer.out_proj.weight"]).all()
    assert (layer.out_proj_bias == tensors[prefix + "mixer.out_proj.bias"]).all()


def test_a_network_of_either_kind_is_read(folder):
    network = read_network(folder)
    assert network.head is network.embedding
    assert network.layers[0].in_proj_bias is None
    assert network.layers[0].out_proj_bias is None
    assert isinstance(read_network(RECORDED / "plain"), NetworkParameters)


def test_fields_without_effect_are_without_effect(folder):
    tokens = np.arange(40)
    before = prefill(read_network(folder), tokens)
    edit(folder, residual_in_fp32=False, use_cache=False, hidden_act="swish", use_mambapy=True)
    edit(folder, time_step_min=0.5, time_step_rank="auto", a_field_of_tomorrow=1)
    edit(folder, intermediate_size=None)
    assert (prefill(read_network(folder), tokens) == before).all()


def test_absent_fields_have_the_defaults_of_transformers(tmp_path):
    shape = read_network_shape(write_config(tmp_path, model_type="mamba"))
    assert (shape.d_model, shape.layers, shape.vocab) == (768, 32, 50280)
    assert (shape.inner, shape.state, shape.conv, shape.dt_rank) == (1536, 16, 4, 48)
    assert (shape.tied, shape.conv_bias, shape.proj_bias) == (True, True, False)
    assert shape.norm_eps == 1e-5


@pytest.mark.parametrize(
    ("fields", "inner"), [({"intermediate_size": 50}, 50), ({"expand": 3}, 99), ({}, 66)]
)
def test_widths_that_are_not_told_follow(tmp_path, fields, inner):
    write_config(tmp_path, model_type="mamba", hidden_size=33, **fields)
    shape = read_network_shape(tmp_path)
    assert (shape.inner, shape.dt_rank) == (inner, 3)


def test_absent_fields_have_the_defaults_of_state_spaces(tmp_path):
    """The published mamba-130m, as its config.json is."""
    raw = {"d_model": 768, "n_layer": 24, "vocab_size": 50277, "ssm_cfg": {}, "rms_norm": True}
    raw |= {"residual_in_fp32": True, "fused_add_norm": True, "pad_vocab_size_multiple": 8}
    assert read_network_shape(write_config(tmp_path, **raw)) == find_shape("mamba-130m")


def test_fields_of_state_spaces_are_read(tmp_path):
    ssm = {"layer": "Mamba1", "d_state": 8, "d_conv": 3, "expand": 1.5, "dt_rank": 5}
    ssm |= {"conv_bias": False, "bias": True, "dt_init": "random", "use_fast_path": False}
    write_config(tmp_path, d_model=20, n_layer=2, vocab_size=10, ssm_cfg=ssm, tie_embeddings=False)
    shape = read_network_shape(tmp_path)
    assert (shape.d_model, shape.layers, shape.vocab, shape.inner) == (20, 2, 16, 30)
    assert (shape.state, shape.conv, shape.dt_rank) == (8, 3, 5)
    assert (shape.tied, shape.conv_bias, shape.proj_bias) == (False, False, True)
    del ssm["dt_rank"]
    write_config(tmp_path, d_model=20, n_layer=2, ssm_cfg=ssm)
    assert read_network_shape(tmp_path).dt_rank == 2


def test_the_original_names_are_read():
    original = read_network(RECORDED / "mamba1-original")
    assert original.shape == read_network_shape(RECORDED / "mamba1-plain")
    assert original.head is original.embedding


@pytest.mark.parametrize("name", ["mamba1-plain", "mamba1-original"])
@pytest.mark.parametrize("read", [read_checkpoint, read_shape])
def test_the_accelerator_takes_no_mamba_1(read, name):
    assert refusal(RECORDED / name, read) == (
        f"checkpoint {RECORDED / name} must be a Mamba-2, which the accelerator takes, "
        "not a Mamba-1; `puffadder bench` takes Mamba-1"
    )


def test_all_wrong_fields_are_told_at_once(folder):
    edit(folder, hidden_act="relu", rms_norm=False, time_step_rank="Auto", intermediate_size=0)
    edit(folder, expand="2", state_size=1.5, use_bias="no", quantization_config={"bits": 4})
    assert refusal(folder, read_network) == (
        f'{folder}/config.json: hidden_act must be "silu", not "relu"; '
        "rms_norm must be true, not false; "
        'quantization_config must be absent, not {"bits": 4}; '
        'expand must be a positive number, not "2"; '
        "intermediate_size must be a positive integer, not 0; "
        "state_size must be a positive integer, not 1.5; "
        'time_step_rank must be a positive integer, not "Auto"; '
        f'use_bias must be true or false, not "no"; {HF_OUT}'
    )


def test_all_wrong_fields_of_state_spaces_are_told_at_once(tmp_path):
    folder = copy("mamba1-original", tmp_path)
    ssm = {"layer": "Mamba1", "headdim": 64, "dt_rank": 0, "bias": "no"}
    edit(folder, rms_norm=False, d_model=-32, ssm_cfg=ssm)
    assert refusal(folder, read_network) == (
        f"{folder}/config.json: rms_norm must be true, not false; "
        "d_model must be a positive integer, not -32; "
        "ssm_cfg.headdim must be absent, not 64; "
        "ssm_cfg.dt_rank must be a positive integer, not 0; "
        f'ssm_cfg.bias must be true or false, not "no"; {SSM_OUT}'
    )


def test_a_width_of_nothing(tmp_path):
    write_config(tmp_path, model_type="mamba", hidden_size=20, expand=0.04)
    assert refusal(tmp_path, read_network) == (
        f"{tmp_path}/config.json: intermediate_size must be a positive integer, not 0; {HF_OUT}"
    )
    write_config(tmp_path, d_model=20, n_layer=2, ssm_cfg={"expand": 0.04})
    assert refusal(tmp_path, read_network) == (
        f"{tmp_path}/config.json: ssm_cfg.expand must be at least 1 / d_model = 1 / 20, not 0.04; "
        f"{SSM_OUT}"
    )


def test_tensors_that_disagree_with_the_config(folder):
    tensors = load_file(folder / "model.safetensors")
    prefix = "backbone.layers.1.mixer."
    retensor(folder, **{prefix + "x_proj.weight": tensors[prefix + "x_proj.weight"][1:]})
    retensor(folder, **{prefix + "dt_proj.bias": None, prefix + "dt_bias": np.zeros(64)})
    what = f"{prefix}dt_proj.bias missing, {prefix}dt_bias unexpected, "
    what += f"{prefix}x_proj.weight (33, 64) instead of (34, 64)"
    assert refusal(folder, read_network) == (
        f"{folder}: weights must be those that config.json describes, not with {what}; {MATCH_OUT}"
    )


def test_a_rate_that_is_infinite(folder):
    name = "backbone.layers.1.mixer.A_log"
    rates = np.zeros((64, 16), np.float32)
    rates[63, 15] = 100
    retensor(folder, **{name: rates})
    message = f"{folder}: {name} must be below 88.7, not 100.0; "
    assert refusal(folder, read_network) == (
        message + "exp(A_log) is infinite: use another checkpoint"
    )
