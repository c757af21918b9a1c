"""Is every checkpoint read as it stands, and is every wrong one refused with the whole message?"""

import json
import math
import pickle
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models.checkpoints.reader import read_checkpoint, read_shape
from models.networks.oracle.mamba2 import prefill
from tests.checkpoints.folders import (
    FOLDER_OUT,
    HF_OUT,
    MATCH_OUT,
    SSM_OUT,
    copy,
    edit,
    refusal,
    retensor,
)
from tests.networks.recordings import RECORDED

FILE_OUT = "download or save the file again"
DAMAGED_OUT = "the file is damaged or its training diverged: use another checkpoint"
CONVERT = (
    "nothing is unpickled; convert it once, where torch is installed: "
    "python -c 'import torch, safetensors.torch as s; s.save_file({k: v.clone() for k, v in "
    'torch.load("pytorch_model.bin", weights_only=True).items()}, "model.safetensors")\''
)
D = "backbone.layers.1.mixer.D"
IN_PROJ = "backbone.layers.0.mixer.in_proj.weight"


@pytest.fixture
def folder(tmp_path):
    """A copy of the recorded network `plain`: d_model 32, 4 heads of 16, 2 layers, vocab 40."""
    return copy("plain", tmp_path)


# What is read


def test_arrays_are_those_of_the_file(folder):
    network, tensors = read_checkpoint(str(folder)), load_file(folder / "model.safetensors")
    layer, prefix = network.layers[1], "backbone.layers.1."
    assert network.head is network.embedding
    assert (network.embedding == tensors["backbone.embeddings.weight"]).all()
    assert (network.final_norm == tensors["backbone.norm_f.weight"]).all()
    assert (layer.norm == tensors[prefix + "norm.weight"]).all()
    assert (layer.in_proj == tensors[prefix + "mixer.in_proj.weight"]).all()
    assert (layer.conv_weight == tensors[prefix + "mixer.conv1d.weight"][:, 0]).all()
    assert (layer.conv_bias == tensors[prefix + "mixer.conv1d.bias"]).all()
    assert (layer.dt_bias == tensors[prefix + "mixer.dt_bias"]).all()
    assert (-np.exp(tensors[prefix + "mixer.A_log"]) == layer.A).all()
    assert (tensors[prefix + "mixer.D"] == layer.D).all()
    assert (layer.gated_norm == tensors[prefix + "mixer.norm.weight"]).all()
    assert (layer.out_proj == tensors[prefix + "mixer.out_proj.weight"]).all()
    assert layer.in_proj_bias is None
    assert layer.out_proj_bias is None


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("[0.0, Infinity]", (0.0, math.inf)),
        ('[0.0, {"__float__": "Infinity"}]', (0.0, math.inf)),
        ("[0, 1]", (0.0, 1.0)),
        ("[0.001, 0.1]", (0.001, 0.1)),
        (None, (0.0, math.inf)),
    ],
)
def test_every_form_of_time_step_limit(folder, limit, expected):
    edit(folder, time_step_limit=None if limit is None else "LIMIT")
    file = folder / "config.json"
    file.write_text(file.read_text().replace('"LIMIT"', str(limit)))
    assert read_shape(folder).time_step_limit == expected


def test_fields_without_effect_are_without_effect(folder):
    tokens = np.arange(40)
    before = prefill(read_checkpoint(folder), tokens)
    edit(folder, chunk_size=3, residual_in_fp32=False, use_cache=False, hidden_act="swish")
    edit(folder, rescale_prenorm_residual=True, time_step_min=0.5, a_field_of_tomorrow=1)
    assert (prefill(read_checkpoint(folder), tokens) == before).all()
    assert not read_shape(folder).residual_in_fp32


def test_absent_fields_have_the_defaults_of_transformers(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "mamba2"}')
    shape = read_shape(tmp_path)
    assert (shape.d_model, shape.layers, shape.vocab) == (4096, 64, 32768)
    assert (shape.heads, shape.head_dim, shape.groups, shape.state) == (128, 64, 8, 128)
    assert (shape.conv, shape.tied, shape.conv_bias, shape.proj_bias) == (4, False, True, False)
    assert (shape.norm_eps, shape.time_step_limit) == (1e-5, (0.0, math.inf))


def test_absent_fields_have_the_defaults_of_state_spaces(tmp_path):
    """The published mamba2-130m, as its config.json is."""
    raw = {"d_model": 768, "d_intermediate": 0, "n_layer": 24, "vocab_size": 50277}
    raw |= {"ssm_cfg": {"layer": "Mamba2"}, "attn_layer_idx": [], "attn_cfg": {}}
    raw |= {"rms_norm": True, "residual_in_fp32": True, "fused_add_norm": True}
    raw |= {"pad_vocab_size_multiple": 16, "tie_embeddings": True}
    (tmp_path / "config.json").write_text(json.dumps(raw))
    shape = read_shape(tmp_path)
    assert (shape.d_model, shape.layers, shape.vocab) == (768, 24, 50288)
    assert (shape.heads, shape.head_dim, shape.groups, shape.state) == (24, 64, 1, 128)
    assert (shape.conv, shape.tied, shape.conv_bias, shape.proj_bias) == (4, True, True, False)
    assert shape.parameters == 128_989_632


def test_the_original_names_are_read():
    original = read_checkpoint(RECORDED / "original")
    assert original.shape.vocab == 40
    assert original.shape.time_step_limit == (0.0, 0.5)
    assert original.head is original.embedding


def test_half_precision_is_widened_exactly(folder):
    tensors = load_file(folder / "model.safetensors")
    halves = {name: tensor.astype(np.float16) for name, tensor in tensors.items()}
    save_file(halves, folder / "model.safetensors")
    network = read_checkpoint(folder)
    assert network.embedding.dtype == np.float32
    assert (network.embedding == halves["backbone.embeddings.weight"]).all()


def test_bfloat16_is_widened_exactly():
    """The recorded weights were rounded to bfloat16: the lower half of every float is zero."""
    embedding = read_checkpoint(RECORDED / "bfloat16").embedding
    assert embedding.dtype == np.float32
    assert (embedding.view(np.uint32) & 0xFFFF == 0).all()
    assert 0.5 < embedding.std() < 2


def test_shards_need_no_index(tmp_path):
    folder = copy("sharded", tmp_path)
    (folder / "vectors.safetensors").unlink()
    with_index = read_checkpoint(folder)
    (folder / "model.safetensors.index.json").unlink()
    assert (read_checkpoint(folder).head == with_index.head).all()


# What is refused: the folder and config.json


def test_a_folder_that_is_missing(tmp_path):
    message = f"checkpoint {tmp_path}/none must be a folder, not missing; {FOLDER_OUT}"
    assert refusal(tmp_path / "none") == message


def test_a_file_instead_of_a_folder(folder):
    file = folder / "model.safetensors"
    assert refusal(file) == f"checkpoint {file} must be a folder, not a file; {FOLDER_OUT}"


def test_no_config(folder):
    (folder / "config.json").unlink()
    assert refusal(folder) == f"{folder}: config.json must be there, not missing; {FOLDER_OUT}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "JSON, not with an error: Expecting value: line 1 column 1 (char 0)"),
        ('{"a" 1}', "JSON, not with an error: Expecting ':' delimiter: line 1 column 6 (char 5)"),
        ("[1, 2]", "a JSON object, not [1, 2]"),
    ],
)
def test_a_config_that_is_no_json_object(folder, text, what):
    (folder / "config.json").write_text(text)
    assert refusal(folder) == f"{folder}/config.json: content must be {what}; {FILE_OUT}"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"model_type": "mamba3"}, 'model_type must be "mamba2", not "mamba3"'),
        ({"model_type": None}, 'model_type must be "mamba2", not null'),
        ({"hidden_act": "gelu"}, 'hidden_act must be "silu", not "gelu"'),
        ({"rms_norm": False}, "rms_norm must be true, not false"),
        ({"num_heads": 4.0}, "num_heads must be a positive integer, not 4.0"),
        ({"state_size": 0}, "state_size must be a positive integer, not 0"),
        (
            {"state_size": 2**31},
            "state_size must be a positive integer below 2**31, not 2147483648",
        ),
        ({"expand": math.inf}, "expand must be a positive number below 2**31, not Infinity"),
        ({"use_bias": 1}, "use_bias must be true or false, not 1"),
        ({"layer_norm_epsilon": -1}, "layer_norm_epsilon must be a positive number, not -1"),
        ({"n_groups": 3}, "n_groups must be a divisor of num_heads = 4, not 3"),
        ({"expand": 3}, "expand must be num_heads * head_dim / hidden_size = 4 * 16 / 32, not 3"),
        (
            {"time_step_limit": [0.1]},
            "time_step_limit must be two numbers, 0 <= low <= high with low finite, not [0.1]",
        ),
        (
            {"time_step_limit": [0.2, {"__float__": "NaN"}]},
            "time_step_limit must be two numbers, 0 <= low <= high with low finite, "
            'not [0.2, {"__float__": "NaN"}]',
        ),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True, "x": 1}},
            "quantization_config must be absent, "
            'not {"quant_method": "bitsandbytes", "load_in_8bit": true, "x...',
        ),
    ],
)
def test_a_field_that_is_wrong(folder, fields, problem):
    edit(folder, **fields)
    assert refusal(folder) == f"{folder}/config.json: {problem}; {HF_OUT}"


def test_all_wrong_fields_are_told_at_once(folder):
    edit(folder, model_type="bamba", hidden_act="relu", attn_layer_idx=[3], d_intermediate=64)
    edit(folder, conv_kernel="4", tie_word_embeddings="no")
    assert refusal(folder) == (
        f'{folder}/config.json: model_type must be "mamba2", not "bamba"; '
        'hidden_act must be "silu", not "relu"; '
        "attn_layer_idx must be absent, not [3]; "
        "d_intermediate must be absent, not 64; "
        'conv_kernel must be a positive integer, not "4"; '
        f'tie_word_embeddings must be true or false, not "no"; {HF_OUT}'
    )


def test_all_wrong_fields_of_state_spaces_are_told_at_once(tmp_path):
    folder = copy("original", tmp_path)
    ssm = {"layer": "Mamba3", "rmsnorm": False, "D_has_hdim": True, "norm_before_gate": True}
    ssm |= {"d_ssm": 32, "headdim": 24, "dt_rank": 4, "bias": "no"}
    edit(folder, attn_layer_idx=[1], d_intermediate=8, rms_norm=False, moe={"experts": 2})
    edit(folder, ssm_cfg=ssm)
    assert refusal(folder) == (
        f'{folder}/config.json: moe must be absent, not {{"experts": 2}}; '
        "rms_norm must be true, not false; "
        "attn_layer_idx must be absent, not [1]; "
        "d_intermediate must be absent, not 8; "
        "ssm_cfg.dt_rank must be absent, not 4; "
        'ssm_cfg.layer must be "Mamba2", not "Mamba3"; '
        "ssm_cfg.rmsnorm must be true, not false; "
        "ssm_cfg.norm_before_gate must be absent, not true; "
        "ssm_cfg.D_has_hdim must be absent, not true; "
        "ssm_cfg.d_ssm must be 64, not 32; "
        "ssm_cfg.headdim must be a divisor of expand * d_model = 64, not 24; "
        f'ssm_cfg.bias must be true or false, not "no"; {SSM_OUT}'
    )


def test_a_wrong_number_brings_no_second_message(tmp_path):
    folder = copy("original", tmp_path)
    edit(folder, d_model=-33, ssm_cfg={"layer": "Mamba2", "ngroups": 0})
    assert refusal(folder) == (
        f"{folder}/config.json: d_model must be a positive integer, not -33; "
        f"ssm_cfg.ngroups must be a positive integer, not 0; {SSM_OUT}"
    )


# What is refused: the files


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_truncated_file(folder, keep):
    file = folder / "model.safetensors"
    content = file.read_bytes()
    cut = int(keep * len(content))
    file.write_bytes(content[:cut])
    what = f"must be a whole safetensors file, not {cut} bytes of {len(content)}"
    assert refusal(folder) == f"{file}: content {what}; {FILE_OUT}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 not safetensors at all",
        pickle.dumps({"weight": [1.0]}),
        b"\xff" * 200,
        b"\x02\0\0\0\0\0\0\0[]",
        b"\x04\0\0\0\0\0\0\0{}",
    ],
)
def test_a_foreign_file(folder, content):
    file = folder / "model.safetensors"
    file.write_bytes(content)
    what = "must be a whole safetensors file, not another format or an unreadable file"
    assert refusal(folder) == f"{file}: content {what}; {FILE_OUT}"


def test_a_file_with_something_appended(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes() + b"more")
    what = "must be a whole safetensors file, not one with a contradictory header"
    assert refusal(folder) == f"{file}: content {what}; {FILE_OUT}"


def test_no_weights(folder):
    for file in folder.glob("*.safetensors"):
        file.unlink()
    message = f"{folder}: weights must be in *.safetensors files, not missing; "
    assert refusal(folder) == message + "complete the download or save the model with safetensors"


def test_pickled_weights_are_never_opened(folder):
    for file in folder.glob("*.safetensors"):
        file.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"not even a pickle")
    message = f"{folder}: weights must be in *.safetensors files, not in pytorch_model.bin; "
    assert refusal(folder) == message + CONVERT


def test_integer_weights(folder):
    retensor(folder, **{IN_PROJ: np.zeros((3, 4), np.int8), D: np.zeros(4, np.int64)})
    types = f"I64 of {D}, I8 of {IN_PROJ}"
    assert refusal(folder) == (
        f"{folder}/model.safetensors: tensor types must be F64, F32, F16 or BF16, not {types}; "
        "use the checkpoint before quantization"
    )


def test_a_shard_that_is_missing(tmp_path):
    folder = copy("sharded", tmp_path)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert refusal(folder) == (
        f"{folder}/model.safetensors.index.json: files must all be in the folder, not without "
        "model-00002-of-00002.safetensors; download or save the checkpoint again"
    )


@pytest.mark.parametrize(
    "text", ["", "{}", '{"weight_map": {"a": "../plain/model.safetensors"}}', '{"weight_map": 1}']
)
def test_an_index_that_is_none(tmp_path, text):
    folder = copy("sharded", tmp_path)
    index = folder / "model.safetensors.index.json"
    index.write_text(text)
    assert refusal(folder) == (
        f"{index}: content must be an index of files in this folder, "
        "{weight_map: {tensor: file}}, not another JSON; download or save the checkpoint again"
    )


def test_a_tensor_in_two_files(folder):
    (folder / "vectors.safetensors").unlink()
    shutil.copy(folder / "model.safetensors", folder / "a.safetensors")
    (folder / "model.safetensors").rename(folder / "b.safetensors")
    assert refusal(folder) == (
        f"{folder}: tensor backbone.embeddings.weight must be in one file, not in a.safetensors "
        "and b.safetensors; remove the file that does not belong, or name the right ones in "
        "model.safetensors.index.json"
    )


# What is refused: the tensors


def test_all_tensors_that_disagree_are_told_at_once(folder):
    retensor(folder, **{IN_PROJ: np.zeros((164, 31), np.float32), D: None})
    retensor(folder, lm_head__bias=np.zeros(40, np.float32))
    what = f"{D} missing, lm_head.bias unexpected, {IN_PROJ} (164, 31) instead of (164, 32)"
    assert refusal(folder) == (
        f"{folder}: weights must be those that config.json describes, not with {what}; {MATCH_OUT}"
    )


def test_a_shape_that_disagrees_with_the_config(folder):
    edit(folder, vocab_size=41, conv_kernel=3)
    layers = ", ".join(
        f"backbone.layers.{index}.mixer.conv1d.weight (96, 1, 4) instead of (96, 1, 3)"
        for index in range(2)
    )
    what = f"backbone.embeddings.weight (40, 32) instead of (41, 32), {layers}"
    assert refusal(folder) == (
        f"{folder}: weights must be those that config.json describes, not with {what}; {MATCH_OUT}"
    )


def test_an_untied_head_that_is_missing(folder):
    edit(folder, tie_word_embeddings=False)
    what = "must be those that config.json describes, not with lm_head.weight missing"
    assert refusal(folder) == f"{folder}: weights {what}; {MATCH_OUT}"


def test_more_layers_than_tensors(folder):
    edit(folder, num_hidden_layers=10**9)
    what = "must be those of 1000000000 layers, as in config.json, not 20 tensors"
    assert refusal(folder) == f"{folder}: weights {what}; {MATCH_OUT}"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(folder, value):
    tensors = load_file(folder / "model.safetensors")
    tensors[D][2] = tensors[IN_PROJ][5, 7] = value
    retensor(folder, **tensors)
    what = f"must be finite, not NaN or infinite in {IN_PROJ}, {D}"
    assert refusal(folder) == f"{folder}: weights {what}; {DAMAGED_OUT}"


def test_doubles_that_float32_cannot_hold(folder):
    retensor(folder, **{D: np.full(4, 1e300)})
    what = f"must be finite, not NaN or infinite in {D}"
    assert refusal(folder) == f"{folder}: weights {what}; {DAMAGED_OUT}"


def test_a_rate_that_is_infinite(folder):
    name = "backbone.layers.1.mixer.A_log"
    retensor(folder, **{name: np.full(4, 100, np.float32)})
    message = f"{folder}: {name} must be below 88.7, not 100.0; "
    assert refusal(folder) == message + "exp(A_log) is infinite: use another checkpoint"


def test_a_tied_head_that_differs(tmp_path):
    folder = copy("original", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    retensor(folder, lm_head__weight=tensors["lm_head.weight"] + 1)
    assert refusal(folder) == (
        f"{folder}: lm_head.weight must equal backbone.embedding.weight when config.json ties "
        "them, not differ; set tie_word_embeddings (or tie_embeddings) to false if the head is "
        "its own"
    )
