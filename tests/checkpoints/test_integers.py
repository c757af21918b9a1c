"""Do integer checkpoints come back as they were, and is every damaged one refused with the whole
message?"""

import hashlib
import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from models.checkpoints.integers import (
    MANIFEST,
    TENSORS,
    Manifest,
    is_integers,
    read_integers,
    read_manifest,
    stored_tensors,
    tensors_hash,
    tensors_of,
    to_files,
)
from models.errors import InputError
from models.networks.shape import Mamba2Shape
from models.precision import NAMED, Precision
from models.quantization.rtn import quantize_network
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters

RECIPE = {"name": "mine", "source": "here", "precision": {"group": 8}}
OUT = "quantize the float checkpoint again"
SHAPES = {"tied": PLAIN, "2_groups_biases_untied": GROUPED, "heads_of_24": ODD}


def made(shape=PLAIN, precision=NAMED["w4a4"]):
    return quantize_network(random_parameters(shape), precision)


def write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, to_files(made(), RECIPE, "0" * 64))


def edit(folder, **changes):
    """Change fields of the manifest; None removes one."""
    raw = json.loads((folder / MANIFEST).read_text()) | changes
    kept = {name: value for name, value in raw.items() if value is not None}
    (folder / MANIFEST).write_text(json.dumps(kept))


def retensor(folder, **tensors):
    """Change tensors, `__` for `.`, and the hash in the manifest; None removes one."""
    codes = load((folder / TENSORS).read_bytes())
    codes |= {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    content = save({name: tensor for name, tensor in codes.items() if tensor is not None})
    (folder / TENSORS).write_bytes(content)
    edit(folder, tensors=hashlib.sha256(content).hexdigest())


def refusal(folder, read=read_integers):
    with pytest.raises(InputError) as caught:
        read(folder)
    return str(caught.value)


# What is read


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    "precision",
    [*NAMED.values(), Precision(weight_bits=2, weight_scale="mantissa", tap_bits=16, group=4)],
    ids=[*NAMED, "others"],
)
def test_every_code_comes_back(shape, precision, tmp_path):
    before = made(shape, precision)
    after = read_integers(write(tmp_path, to_files(before, RECIPE, "0" * 64)))
    assert (after.shape, after.precision) == (before.shape, before.precision)
    assert after.recipe == RECIPE["name"]
    theirs = dict(tensors_of(after))
    for name, codes in tensors_of(before):
        assert theirs[name].dtype == codes.dtype, name
        assert theirs[name].flags.writeable, name
        np.testing.assert_array_equal(theirs.pop(name), codes, name)
    assert not theirs


def test_the_manifest_says_what_it_is_of(folder):
    manifest = read_manifest(folder)
    assert manifest == Manifest(
        format=1,
        shape=PLAIN,
        precision=NAMED["w4a4"],
        recipe=RECIPE,
        source="0" * 64,
        tensors=hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest(),
    )
    raw = json.loads((folder / MANIFEST).read_text(), parse_constant=pytest.fail)
    assert raw["shape"]["time_step_limit"] == [0.0, None]
    assert raw["precision"]["stream"] == "s24f12"
    assert is_integers(folder)
    assert not is_integers(folder.parent)


def test_limits_of_time_steps_come_back(tmp_path):
    assert GROUPED.time_step_limit != PLAIN.time_step_limit == (0.0, math.inf)
    write(tmp_path, to_files(made(GROUPED), RECIPE, "0" * 64))
    assert read_manifest(tmp_path).shape == GROUPED


def test_types_are_the_smallest(folder):
    codes = load((folder / TENSORS).read_bytes())
    types = {name.removeprefix("layers.1."): codes[name].dtype.name for name in codes}
    assert {name: kind for name, kind in types.items() if not name.startswith("layers")} == {
        "embedding": "int16",
        "final_norm": "int32",
        "head.weights": "int8",
        "head.scales": "uint8",
        "norm": "int32",
        "in_proj.weights": "int8",
        "in_proj.scales": "uint8",
        "taps": "int8",
        "tap_exponents": "uint8",
        "conv_bias": "int32",
        "dt_bias": "int32",
        "rate": "uint32",
        "skip": "int16",
        "gated_norm": "int32",
        "out_proj.weights": "int8",
        "out_proj.scales": "uint8",
    }


def test_the_same_network_gives_the_same_bytes():
    one, other = (to_files(made(GROUPED), RECIPE, "0" * 64) for _ in range(2))
    assert one == other
    assert list(one) == [TENSORS, MANIFEST]  # the manifest last


def test_bits_are_those_of_the_formats():
    precision = NAMED["w4a8"]
    stored = stored_tensors(PLAIN, precision)
    assert stored["head.weights"].bits == precision.weight.width
    assert stored["head.scales"].bits == precision.scale.code.width
    assert stored["embedding"].bits == precision.embedding.width
    assert stored["layers.0.rate"].bits == precision.rate.width
    assert stored["layers.0.tap_exponents"].bits == precision.conv_tap.exponent.width


@pytest.mark.parametrize("shape", [PLAIN, GROUPED], ids=["tied", "2_groups"])
def test_the_hash_of_the_source_sees_every_weight(shape):
    parameters = random_parameters(shape)
    expected = tensors_hash(parameters)
    assert tensors_hash(random_parameters(shape)) == expected
    hashes = [expected]
    for field in fields(parameters.layers[1]):
        if (array := getattr(parameters.layers[1], field.name)) is not None:
            layer = replace(parameters.layers[1], **{field.name: array + np.float32(1)})
            changed = replace(parameters, layers=(parameters.layers[0], layer))
            hashes.append(tensors_hash(changed))
    hashes.append(tensors_hash(replace(parameters, final_norm=-parameters.final_norm)))
    if not shape.tied:
        hashes.append(tensors_hash(replace(parameters, head=-parameters.head)))
    assert len(set(hashes)) == len(hashes)


# What is refused: the manifest


def test_no_manifest(folder):
    (folder / MANIFEST).unlink()
    assert refusal(folder) == (
        f"{folder}/{MANIFEST} must be there, or the checkpoint is not whole; {OUT}"
    )


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "must be JSON, not with an error: Expecting value: line 1 column 1 (char 0)"),
        (b'{"format": 1', "must be JSON, not with an error: Expecting ',' delimiter: "
         "line 1 column 13 (char 12)"),
        (b"\xff\xfe\x00", "must be JSON, not with an error: 'utf-16-le' codec can't decode byte "
         "0x00 in position 2: truncated data"),
        (b"[1]", "must be a JSON object, not another value"),
        (b"NaN", "must be a JSON object, not another value"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_none(content, rule, folder):
    (folder / MANIFEST).write_bytes(content)
    assert refusal(folder) == f"{folder}/{MANIFEST} {rule}; {OUT}"


def test_a_manifest_nested_too_deeply(folder):
    (folder / MANIFEST).write_bytes(b"[" * 100_000)
    assert refusal(folder).startswith(f"{folder}/{MANIFEST} must be JSON, not with an error: ")


@pytest.mark.parametrize(("version", "told"), [(2, "2"), (None, "null"), ("1", '"1"')])
def test_another_version(version, told, folder):
    edit(folder, format=version)
    assert refusal(folder) == (
        f"{folder}/{MANIFEST}: format must be 1, which this puffadder reads, not {told}; "
        f"{OUT}, or read it with the puffadder that wrote it"
    )


NAMES = ", ".join(field.name for field in fields(Mamba2Shape))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"shape": 3}, f"shape must be a mapping of {NAMES}, not of others"),
        ({"shape": {"d_model": 32}}, f"shape must be a mapping of {NAMES}, not of others"),
        ({"precision": {"weight_bits": 9}}, "precision.weight_bits must be at most 8, not 9"),
        ({"recipe": {"source": "here"}}, "recipe must be a recipe with a name, not another value"),
        ({"recipe": ["rtn"]}, "recipe must be a recipe with a name, not another value"),
        ({"source": "0"}, "source must be the 64 digits of a SHA-256, not '0'"),
        ({"tensors": None}, "tensors must be given"),
        ({"more": 1}, "more must not be there"),
    ],
)
def test_a_manifest_with_wrong_fields(change, rule, folder):
    edit(folder, **change)
    named = "a manifest has the keys format, shape, precision, recipe, source, tensors"
    out = named if rule.startswith(("tensors", "more")) else OUT
    assert refusal(folder, read_manifest) == f"{folder}/{MANIFEST}: {rule}; {out}"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"heads": "4"}, "shape: heads must be a positive integer, not '4'"),
        ({"groups": 3}, "shape: groups must divide the 4 heads, not 3"),
        ({"tied": 1}, "shape: tied must be true or false, not 1"),
        ({"norm_eps": "small"}, "shape must have numbers for its numbers, not other types"),
        ({"time_step_limit": None}, "shape: time_step_limit must be two numbers, not None"),
        ({"time_step_limit": ["0", 1]}, "shape must have numbers for its numbers, not other types"),
        ({"time_step_limit": [1, 0]}, "shape: time_step_limit must be two numbers, "
         "0 <= low <= high with low finite, not (1, 0)"),
        ({"time_step_limit": [0]}, "shape: time_step_limit must be two numbers, not [0]"),
    ],
)  # fmt: skip
def test_a_manifest_with_a_wrong_shape(change, rule, folder):
    shape = json.loads((folder / MANIFEST).read_text())["shape"]
    edit(folder, shape=shape | change)
    assert refusal(folder) == f"{folder}/{MANIFEST}: {rule}; {OUT}"


# What is refused: the tensors


def test_no_tensors(folder):
    (folder / TENSORS).unlink()
    assert refusal(folder) == f"{folder}/{TENSORS} must be there, as {MANIFEST} says; {OUT}"


@pytest.mark.parametrize("damage", [lambda c: c[: len(c) // 2], lambda c: b"", lambda c: c + b"0",
                                    lambda c: c[:-1] + bytes([c[-1] ^ 1])])  # fmt: skip
def test_a_file_that_is_not_the_one_that_was_written(damage, folder):
    file = folder / TENSORS
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(damage(file.read_bytes()))
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    assert refusal(folder) == (
        f"{file} must be whole, with the SHA-256 {expected} of {MANIFEST}, not {found}; {OUT}"
    )


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\x02\0\0\0\0\0\0\0[]"])
def test_a_foreign_file(content, folder):
    (folder / TENSORS).write_bytes(content)
    edit(folder, tensors=hashlib.sha256(content).hexdigest())
    assert refusal(folder) == (
        f"{folder}/{TENSORS} must be a safetensors file of integers, not of another format; {OUT}"
    )


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({"head__scales": None}, "head.scales missing"),
        ({"lm_head": np.zeros(2, np.int8)}, "lm_head unexpected"),
        ({"layers__0__skip": np.zeros(5, np.int16)},
         "layers.0.skip int16 (5,) instead of int16 (4,)"),
        ({"layers__0__skip": np.zeros(4, np.float32)},
         "layers.0.skip float32 (4,) instead of int16 (4,)"),
        ({"layers__1__norm": None, "layers__0__norm": None, "more": np.zeros(1, np.int8)},
         "layers.0.norm missing and 2 others"),
    ],
)  # fmt: skip
def test_tensors_that_the_manifest_does_not_describe(tensors, problem, folder):
    retensor(folder, **tensors)
    assert refusal(folder) == (
        f"{folder}/{TENSORS}: tensors must be those of the manifest's shape and precision, "
        f"not with {problem}; {OUT}"
    )


def test_more_layers_than_tensors(folder):
    shape = json.loads((folder / MANIFEST).read_text())["shape"]
    edit(folder, shape=shape | {"layers": 10**9})
    assert refusal(folder) == (
        f"{folder}/{TENSORS}: tensors must be those of 1000000000 layers, not 28 tensors; {OUT}"
    )


@pytest.mark.parametrize(
    ("name", "code", "rule"),
    [
        ("head.weights", 8, "must be codes in -8..7, not 8"),
        ("layers.1.in_proj.weights", -9, "must be codes in -8..7, not -9"),
        ("layers.0.tap_exponents", 13, "must be codes in 0..12, not 13"),
        ("layers.0.dt_bias", 1 << 23, "must be codes in -8388608..8388607, not 8388608"),
        ("layers.0.rate", 1 << 20, "must be codes in 0..1048575, not 1048576"),
    ],
)
def test_codes_beyond_their_format(name, code, rule, folder):
    codes = load((folder / TENSORS).read_bytes())[name].copy()
    codes.flat[-1] = code
    retensor(folder, **{name: codes})
    assert refusal(folder) == f"{folder}/{TENSORS}: {name} {rule}; {OUT}"
