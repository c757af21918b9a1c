"""Recorded networks, what `transformers` computed of them, and faults to plant in them."""

import dataclasses
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

RECORDED = Path(__file__).parent / "recorded"
MAMBA1_NAMES = sorted(folder.name for folder in RECORDED.glob("mamba1-*"))
NAMES = sorted({folder.name for folder in RECORDED.iterdir()} - {*MAMBA1_NAMES})
BAR = 1e-4  # largest absolute difference of a logit


def vectors(name):
    """Tokens (2, time) and the logits that `transformers` computed."""
    found = load_file(RECORDED / name / "vectors.safetensors")
    return found["tokens"], found["logits"]


def difference(a, b):
    return float(np.abs(a - b).max())


def in_every_layer(parameters, **changes):
    """The parameters with a fault in every layer: what a function makes of each field named."""
    layers = tuple(
        dataclasses.replace(
            layer, **{field: change(getattr(layer, field)) for field, change in changes.items()}
        )
        for layer in parameters.layers
    )
    return dataclasses.replace(parameters, layers=layers)
