"""Integer networks of random weights, for measurements on shapes that no checkpoint has."""

from dataclasses import replace

from models.networks.quantized import QuantizedNetwork
from models.networks.random import random_parameters
from models.networks.shape import Mamba2Shape
from models.precision import Precision
from models.quantization.rtn import quantize_network
from models.quantization.transforms import rotate_mixer


def random_integers(shape: Mamba2Shape, precision: Precision, seed: int = 0) -> QuantizedNetwork:
    """Codes of `models.networks.random.random_parameters`, rounded to nearest.

    The float weights of one layer are in memory at a time, beside those of the ends.
    """

    def quantized(few: Mamba2Shape, at: int) -> QuantizedNetwork:
        parameters = random_parameters(few, seed + at)
        return quantize_network(
            rotate_mixer(parameters) if precision.hadamard else parameters, precision
        )

    first = quantized(replace(shape, layers=1), 0)
    alone = replace(shape, layers=1, vocab=1, tied=True)
    others = (quantized(alone, at).layers[0] for at in range(1, shape.layers))
    return replace(first, shape=shape, layers=(*first.layers, *others))
