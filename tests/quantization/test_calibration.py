"""Does calibration see the layers' inputs, on text that is never measured on?"""

import numpy as np
import pytest

from models.checkpoints.corpus import held_out_topics, training_text
from models.errors import InputError
from models.networks.oracle import mamba2 as oracle
from models.quantization.calibration import InputStatistics, calibrate, calibration_windows
from models.quantization.transforms import rotate_mixer
from tests.networks.examples import GROUPED, random_parameters


def tokens_of(shape):
    return np.random.default_rng(0).integers(0, shape.vocab, (3, 20))


def test_statistics_are_those_of_the_tensors():
    parameters, tokens = random_parameters(GROUPED), tokens_of(GROUPED)
    found = calibrate(parameters, tokens)
    u = parameters.embedding[tokens]
    for index, layer in enumerate(parameters.layers):
        state = oracle.State.zeros(GROUPED, (3,)).layers[index]
        tensors = oracle.layer_tensors(layer, GROUPED, u, state)
        u = tensors.out
        for x, got in (
            (tensors.normed, found.in_proj[index]),
            (tensors.gated, found.out_proj[index]),
        ):
            x = x.reshape(60, -1).astype(np.float64)
            assert got.tokens == 60
            assert np.array_equal(got.maximum, np.abs(x).max(axis=0))
            assert got.second == pytest.approx(x.T @ x / 60)
            assert got.covariance == pytest.approx(np.cov(x.T, ddof=0), abs=1e-12)
    head = oracle.rms_norm(u, parameters.final_norm, GROUPED.norm_eps)
    assert np.array_equal(found.head.maximum, np.abs(head).max(axis=(0, 1)))


def test_a_rotated_network_shows_the_rotated_input():
    parameters, tokens = random_parameters(GROUPED), tokens_of(GROUPED)
    plain, rotated = (calibrate(p, tokens) for p in (parameters, rotate_mixer(parameters)))
    assert rotated.in_proj[0].maximum == pytest.approx(plain.in_proj[0].maximum)
    assert rotated.out_proj[0].maximum != pytest.approx(plain.out_proj[0].maximum, rel=0.1)


def test_outliers_are_counted():
    x = np.zeros((4, 8))
    x[[0, 1, 2, 3], [5, 5, 1, 5]] = -3
    found = InputStatistics.of(x)
    assert found.kurtosis == pytest.approx(8)
    assert found.moving == 0.25
    normal = InputStatistics.of(np.random.default_rng(0).normal(size=(5000, 8)))
    assert normal.kurtosis == pytest.approx(3, rel=0.05)


def test_the_default_windows_are_training_text():
    chosen = calibration_windows(256)
    assert chosen.shape == (16, 512)
    text = training_text()
    assert all(bytes(row.tolist()) in text for row in chosen)
    held_out = b"".join(held_out_topics().values())
    assert not any(bytes(row.tolist())[:64] in held_out for row in chosen)
    assert np.array_equal(chosen, calibration_windows(256))


def test_a_given_text_is_cut_into_what_it_holds():
    chosen = calibration_windows(256, b"abcdefgh", length=3, count=9)
    assert chosen.tolist() == [[97, 98, 99], [100, 101, 102]]


def test_refusals():
    with pytest.raises(
        InputError,
        match=r"^calibration text must have at least the 512 bytes of a window, not 100; "
        r"give a longer text, or ask for shorter windows$",
    ):
        calibration_windows(256, b"x" * 100)
    with pytest.raises(
        InputError,
        match=r"^calibration text: bytes must be below the vocabulary's 40, not 120; "
        r"give a text that the network's tokens can spell$",
    ):
        calibration_windows(40, b"x" * 100, length=10)
