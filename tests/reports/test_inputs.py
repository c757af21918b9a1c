"""What commands are given: checkpoints by folder or name, texts as tokens."""

import numpy as np
import pytest

from models.checkpoints import bundled
from models.checkpoints.corpus import held_out_text
from models.errors import InputError
from reports.inputs import find_model, read_tokens
from tests.networks.recordings import RECORDED


def test_the_bundled_model_by_name_and_by_folder():
    assert find_model("bundled").shape == find_model(str(bundled())).shape


def test_names_a_model_that_is_not_there():
    with pytest.raises(InputError) as refusal:
        find_model("huge")
    assert str(refusal.value) == (
        "model 'huge' must be the folder of a checkpoint, or `bundled`, not missing; "
        "give the folder that holds config.json and *.safetensors"
    )


@pytest.mark.parametrize(
    ("model", "thing"),
    [
        ("mamba-130m", "model 'mamba-130m'"),
        (str(RECORDED / "mamba1-plain"), f"checkpoint {RECORDED / 'mamba1-plain'}"),
    ],
)
def test_the_accelerator_takes_no_mamba_1(model, thing):
    with pytest.raises(InputError) as refusal:
        find_model(model)
    assert str(refusal.value) == (
        f"{thing} must be a Mamba-2, which the accelerator takes, not a Mamba-1; "
        "`puffadder bench` takes Mamba-1"
    )


def test_names_a_model_that_is_a_file(tmp_path):
    (tmp_path / "model").touch()
    with pytest.raises(InputError, match=r"model must be a folder, not a file; give the folder"):
        find_model(str(tmp_path / "model"))


def test_the_held_out_text_is_the_default():
    tokens = read_tokens(None, 256, 1000)
    assert tokens.tolist() == list(held_out_text())
    assert tokens.dtype == np.int64


def test_bytes_of_a_file_are_its_tokens(tmp_path):
    text = tmp_path / "text"
    text.write_bytes(bytes(range(256)))
    assert read_tokens(text, 256, 256).tolist() == list(range(256))


def test_names_a_text_that_is_too_short(tmp_path):
    text = tmp_path / "text"
    text.write_bytes(b"short")
    with pytest.raises(InputError) as refusal:
        read_tokens(text, 256, 6)
    assert str(refusal.value) == (
        f"{text} must have at least 6 bytes, not 5; give a longer text, or ask for fewer tokens"
    )


def test_names_the_first_byte_outside_of_the_vocabulary(tmp_path):
    text = tmp_path / "text"
    text.write_bytes(bytes([1, 2, 40, 3, 200]))
    with pytest.raises(InputError) as refusal:
        read_tokens(text, 40, 1)
    assert str(refusal.value) == (
        f"{text}: byte 2 must be below the vocabulary's 40, not 40; "
        "give a text that the network's tokens can spell"
    )
    assert read_tokens(text, 201, 1).tolist() == [1, 2, 40, 3, 200]
