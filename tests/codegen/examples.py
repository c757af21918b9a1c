"""The smallest accelerator that is one: a network and a design for tests of what is generated."""

from functools import cache

from codegen.designs import find_design
from codegen.image import network_image
from codegen.origin import Origin
from codegen.package import package
from models.networks.machine import machine_config
from models.networks.shape import Mamba2Shape
from models.quantization.rtn import quantize_network
from tests.networks.examples import random_parameters

SHAPE = Mamba2Shape(d_model=8, layers=1, heads=2, head_dim=4, state=4, vocab=20)
OVERRIDES = (
    "lanes=2", "matvec.rows=2", "matvec.columns=4", "scan.states=2", "precision.group=4",
    "memory.prefetch=3",
)  # fmt: skip
ORIGIN = Origin("puffadder generate small tiny", "tiny", "0.1.0")
SPILLED = "state.placement=memory"
LINT = ("-Wno-WIDTH",)


@cache
def small(*more):
    """Machine and image of the network; `more` are further overrides of the design."""
    design = find_design("tiny", (*OVERRIDES, *more))
    config = machine_config(SHAPE, design)
    quantized = quantize_network(random_parameters(SHAPE), design.precision)
    return config, network_image(quantized, config)


@cache
def small_package(*more):
    config, image = small(*more)
    return package(config, image, ORIGIN, lint=LINT)
