"""Are folds, rotations and scales without effect on the logits, and is a wrong one seen?"""

from dataclasses import replace

import numpy as np
import pytest

from models.checkpoints import bundled
from models.checkpoints.reader import read_checkpoint
from models.networks.oracle.mamba2 import State, decode, prefill
from models.networks.shape import Mamba2Shape
from models.quantization import transforms
from models.quantization.calibration import calibrate, calibration_windows
from models.quantization.rotations import hadamard_rotation, klt_rotation
from models.quantization.stress import rotation_power, spiky_rotation, stress
from models.quantization.transforms import fold_norms, rotate_mixer, rotate_residual, smooth
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters

BAR = 1e-3  # largest difference of a logit, relative to the largest logit
TIED = replace(GROUPED, tied=True)
UNTIED = replace(PLAIN, tied=False)
WIDE = Mamba2Shape(d_model=24, layers=3, heads=4, head_dim=20, groups=2, state=8, vocab=40)
SHAPES = {
    "plain": PLAIN,
    "untied": UNTIED,
    "grouped": GROUPED,
    "tied": TIED,
    "odd": ODD,
    "wide": WIDE,
}


def tokens_of(parameters, sequences=3, time=70):
    rng = np.random.default_rng(5)
    return rng.integers(0, parameters.shape.vocab, (sequences, time))


def rotation(width, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


def fold_and_rotate(parameters):
    return rotate_residual(fold_norms(parameters), rotation(parameters.shape.d_model))


def smooth_here(parameters):
    return smooth(parameters, calibrate(parameters, tokens_of(parameters)))


def all_of_them(parameters):
    return rotate_mixer(fold_and_rotate(smooth_here(parameters)))


def smooth_the_folded(parameters):
    return smooth_here(fold_and_rotate(parameters))


def stressed(parameters):
    return stress(parameters, 0.7, tokens_of(parameters))


TRANSFORMS = [
    fold_norms,
    fold_and_rotate,
    rotate_mixer,
    smooth_here,
    smooth_the_folded,
    all_of_them,
    stressed,
]


def change(parameters, transformed, tokens):
    """Largest difference of a logit, relative to the largest logit."""
    logits = prefill(parameters, tokens)
    return float(np.abs(prefill(transformed, tokens) - logits).max() / np.abs(logits).max())


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", SHAPES)
def test_logits_stay(name, transform):
    parameters = random_parameters(SHAPES[name])
    assert change(parameters, transform(parameters), tokens_of(parameters)) < BAR / 10


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_logits_of_the_bundled_checkpoint_stay(transform):
    parameters = read_checkpoint(bundled())
    tokens = calibration_windows(256, length=256, count=2)
    assert change(parameters, transform(parameters), tokens) < BAR / 10


@pytest.mark.parametrize("name", ["plain", "grouped", "wide"])
def test_decode_follows_the_rotated_mixer(name):
    parameters = random_parameters(SHAPES[name])
    rotated, tokens = rotate_mixer(parameters), tokens_of(parameters, time=6)
    state = State.zeros(rotated.shape, (len(tokens),))
    for at in range(tokens.shape[1]):
        logits, state = decode(rotated, state, tokens[:, at])
        expected = prefill(parameters, tokens[:, : at + 1])[:, -1]
        assert np.abs(logits - expected).max() < BAR * np.abs(expected).max() / 10


def without_the_bias(parameters, q):
    """A rotation that forgets the bias of out_proj."""
    whole = rotate_residual(parameters, q)
    layers = tuple(
        replace(new, out_proj_bias=old.out_proj_bias)
        for new, old in zip(whole.layers, parameters.layers, strict=True)
    )
    return replace(whole, layers=layers)


def test_a_forgotten_bias_is_seen():
    parameters = random_parameters(GROUPED)
    faulty = without_the_bias(fold_norms(parameters), rotation(GROUPED.d_model))
    assert change(parameters, faulty, tokens_of(parameters)) > 10 * BAR


def test_a_rotation_that_is_not_undone_is_seen():
    parameters = random_parameters(WIDE)
    layers = rotate_mixer(parameters).layers
    assert change(parameters, replace(parameters, layers=layers), tokens_of(parameters)) > 10 * BAR
    assert change(parameters, replace(parameters, rotated=True), tokens_of(parameters)) > 10 * BAR


def test_the_untransposed_inverse_is_seen(monkeypatch):
    parameters = random_parameters(WIDE)  # 80 channels: a base of 20, which is not symmetric
    transform = transforms.transform
    monkeypatch.setattr(transforms, "transform", lambda x: transform(x, transposed=True))
    assert change(parameters, rotate_mixer(parameters), tokens_of(parameters)) > 10 * BAR


@pytest.mark.parametrize("name", ["plain", "grouped", "tied"])
def test_types_and_shapes_are_those_of_a_checkpoint(name):
    parameters = random_parameters(SHAPES[name])
    for transform in TRANSFORMS:
        assert not transform(parameters).shape.tied or transform is rotate_mixer
    folded = fold_norms(parameters)
    assert all((layer.norm == 1).all() for layer in folded.layers)
    assert (folded.final_norm == 1).all()
    assert all(
        np.array_equal(a.gated_norm, b.gated_norm)
        for a, b in zip(folded.layers, parameters.layers, strict=True)
    )


def test_smoothing_gives_channels_and_columns_equal_maxima():
    parameters = random_parameters(PLAIN)
    smoothed = smooth_here(parameters)
    after = calibrate(smoothed, tokens_of(parameters))
    for index, layer in enumerate(smoothed.layers):
        columns = np.abs(layer.in_proj).max(axis=0)
        assert after.in_proj[index].maximum == pytest.approx(columns, rel=1e-3)
        columns = np.abs(layer.out_proj).max(axis=0)
        assert after.out_proj[index].maximum == pytest.approx(columns, rel=1e-3)
    columns = np.abs(smoothed.head).max(axis=0)
    assert after.head.maximum == pytest.approx(columns, rel=1e-3)


def test_refusals():
    parameters = random_parameters(PLAIN)
    rotated = rotate_mixer(parameters)
    calibration = calibrate(parameters, tokens_of(parameters))
    q = np.eye(32)
    with pytest.raises(
        ValueError,
        match=r"^norms must have weights of one before a rotation; fold_norms does that$",
    ):
        rotate_residual(parameters, q)
    with pytest.raises(ValueError, match=r"^q must be orthogonal, not off by 3$"):
        rotate_residual(fold_norms(parameters), 2 * q)
    with pytest.raises(ValueError, match=r"^q must be \(32, 32\), not \(8, 8\)$"):
        rotate_residual(fold_norms(parameters), np.eye(8))
    with pytest.raises(ValueError, match=r"^parameters must not be rotated twice before out_proj$"):
        rotate_mixer(rotated)
    with pytest.raises(
        ValueError, match=r"^parameters must not be rotated before out_proj; smooth them first$"
    ):
        smooth(rotated, calibration)
    with pytest.raises(
        ValueError, match=r"^parameters must not be rotated before out_proj; stress them first$"
    ):
        stress(rotated, 1, tokens_of(parameters))
    with pytest.raises(ValueError, match=r"^strength must be 0 to 1, not 2$"):
        stress(parameters, 2, tokens_of(parameters))


@pytest.mark.parametrize("width", [16, 24, 36, 72, 128, 7])
def test_rotations_are_orthogonal(width):
    x = np.random.default_rng(width).normal(size=(500, width)) * np.geomspace(1, 30, width)
    for q in (hadamard_rotation(width), klt_rotation(np.cov(x.T)), spiky_rotation(x)):
        assert np.abs(q.T @ q - np.eye(width)).max() < 1e-9


@pytest.mark.parametrize("width", [16, 24, 36, 72, 128, 7])
def test_klt_levels_the_variances(width):
    """Also where the transform is block-diagonal: 36 is 3 blocks of 12, 7 are 7 of 1."""
    rng = np.random.default_rng(width)
    x = rng.normal(size=(500, width)) ** 3 * np.geomspace(1, 100, width) @ rotation(width)
    variances = (x @ klt_rotation(np.cov(x.T))).var(axis=0)
    assert variances.max() / variances.min() < 1.01
    assert x.var(axis=0).max() / x.var(axis=0).min() > 1.5
    if width > 7:
        alone = (x @ hadamard_rotation(width)).var(axis=0)
        assert alone.max() / alone.min() > 1.5


def test_klt_levels_the_variances_of_the_bundled_checkpoint():
    folded, tokens = fold_norms(read_checkpoint(bundled())), calibration_windows(256)
    before = np.diag(calibrate(folded, tokens).residual)
    rotated = rotate_residual(folded, klt_rotation(calibrate(folded, tokens).residual))
    after = np.diag(calibrate(rotated, tokens).residual)
    assert before.max() / before.min() > 1.5
    assert after.max() / after.min() < 1.01


def test_powers_of_a_rotation_add_up():
    x = np.random.default_rng(0).normal(size=(300, 20)) ** 3
    q = spiky_rotation(x @ rotation(20))
    assert np.linalg.det(q) == pytest.approx(1)
    half = rotation_power(q, 0.5)
    assert half @ half == pytest.approx(q, abs=1e-9)
    assert rotation_power(q, 0) == pytest.approx(np.eye(20), abs=1e-9)
    assert rotation_power(q, 1) == pytest.approx(q, abs=1e-9)
    assert half.T @ half == pytest.approx(np.eye(20), abs=1e-9)


def test_no_stress_is_no_change():
    parameters = random_parameters(PLAIN)
    assert stress(parameters, 0, tokens_of(parameters)) is parameters


def test_stress_makes_outliers_that_move():
    parameters, tokens = read_checkpoint(bundled()), calibration_windows(256, length=256, count=6)
    kurtosis = []
    for strength in (0, 0.5, 1):
        found = calibrate(stress(parameters, strength, tokens), tokens)
        inputs = (*found.in_proj, *found.out_proj, found.head)
        assert min(x.moving for x in inputs) > 0.5
        kurtosis.append([x.kurtosis for x in (*found.in_proj, found.head)])
        outliers = [x.kurtosis for x in found.out_proj]
        assert min(outliers) > 30
    plain, half, full = np.array(kurtosis)
    assert plain.max() < 5
    assert (half > 2 * plain).all()
    assert (full > 5 * plain).all()
