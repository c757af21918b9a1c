"""Small networks for tests."""

from models.networks.random import random_parameters
from models.networks.shape import Mamba1Shape, Mamba2Shape

__all__ = ["GROUPED", "MAMBA1", "ODD", "PLAIN", "random_parameters"]

PLAIN = Mamba2Shape(d_model=32, layers=2, heads=4, head_dim=16, state=16, vocab=40)
GROUPED = Mamba2Shape(
    d_model=48,
    layers=2,
    heads=6,
    head_dim=8,
    groups=2,
    state=8,
    conv=3,
    vocab=40,
    tied=False,
    proj_bias=True,
    time_step_limit=(0.001, 0.5),
)
ODD = Mamba2Shape(d_model=24, layers=1, heads=3, head_dim=24, state=16, vocab=40, conv_bias=False)
MAMBA1 = Mamba1Shape(d_model=24, layers=2, inner=40, state=5, dt_rank=3, vocab=40)
