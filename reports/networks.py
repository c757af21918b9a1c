"""Networks of random weights on the CPU, for measurements."""

from models.networks.cpu import integer, mamba1, mamba2
from models.networks.random import random_parameters
from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape
from models.precision import named_precision
from models.quantization.random import random_integers
from reports.subjects import Decoder

FLOAT = "fp32"
OVERHEAD = 1.15
"""Of memory over the weights, at most."""


def decoder_of(shape: Shape, precision: str) -> Decoder:
    """A decoder of random weights, in float32 or one of `models.precision.NAMED`."""
    if isinstance(shape, Mamba1Shape):
        return mamba1.Decoder(random_parameters(shape))
    if precision == FLOAT:
        return mamba2.Decoder(random_parameters(shape))
    return integer.Decoder(random_integers(shape, named_precision(precision)))


def needed_bytes(shape: Shape, precision: str) -> int:
    """Memory that a decoder takes while it is made: integers are packed from a byte for each."""
    octets = 4.0 if precision == FLOAT else 1 + named_precision(precision).weight_bits / 8
    if precision != FLOAT and isinstance(shape, Mamba2Shape):  # two bytes for each of its elements
        return int(OVERHEAD * octets * shape.parameters) + 2 * shape.vocab * shape.d_model
    return int(OVERHEAD * octets * shape.parameters)
