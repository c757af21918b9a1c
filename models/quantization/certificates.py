"""Certificates: how far rounding can have moved the scan's state, never exceeded.

The state of an integer scan differs from that of the same recurrence in real numbers,

    h*[t] = decay[t] h*[t-1] + drive[t] B[t],

with the very codes of decay, drive and B. Each token adds a rounding error of at most `local`, and
the decay shrinks those of before, so that

    |h[t] - h*[t]| <= bound[t] = decay[t] bound[t-1] + local[t]

element by element; and when no decay is above `a`, no bound is above max(local) / (1 - a) (the sum
of a geometric series).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.formats import Block, Codes
from models.networks.mamba2 import LayerCodes, Network
from models.units.scan import ScanConfig


def local_errors(codes: Codes, exponents: Codes, block: Block) -> NDArray[np.float64]:
    """Largest error that a token's update can have made of each stored element.

    codes, exponents  int (..., state), (..., state / group)  the stored state, a `block`
    return            float (..., state), in codes of `block.source`; infinite where the update may
                      have been beyond the source's range

    Half a code for the sum's rounding to the source, and half of 2**exponent for narrowing it, or
    a whole one where the largest code may have been saturated.
    """
    steps = np.repeat(np.exp2(exponents.astype(np.float64)), block.group, axis=-1)
    narrowing = np.where(steps > 1, steps / 2, 0.0)
    top = codes == block.code.max_code
    narrowing = np.where(top & (steps > 1), steps, narrowing)
    last = steps == 2.0**block.max_exponent
    beyond = last & (top | (codes == block.code.min_code))
    return np.where(beyond, np.inf, narrowing + 0.5)


@dataclass
class StateBound:
    """The bound of one layer's state, token after token; float, codes of the state's source."""

    config: ScanConfig
    bound: NDArray[np.float64]
    """(heads, head_dim, state)"""
    largest_decay: float = 0.0
    largest_local: float = 0.0

    @classmethod
    def start(cls, config: ScanConfig) -> "StateBound":
        """Before the first token the state is zero, exactly."""
        return cls(config, np.zeros((config.heads, config.head_dim, config.state)))

    def follow(self, decay: Codes, codes: Codes, exponents: Codes) -> None:
        """One token: its decay int (heads,), and the state after it."""
        decays = self.config.drive.decay.values(decay)
        local = local_errors(codes, exponents, self.config.h)
        with np.errstate(invalid="ignore"):  # no decay of an infinite bound
            kept = np.where(decays[:, None, None] > 0, decays[:, None, None] * self.bound, 0.0)
        self.bound = kept + local
        self.largest_decay = max(self.largest_decay, float(decays.max()))
        self.largest_local = max(self.largest_local, float(local.max()))

    @property
    def static(self) -> float:
        """What no bound exceeds however many such tokens follow."""
        return self.largest_local / (1 - self.largest_decay)


@dataclass(frozen=True)
class Certificate:
    """Of one layer, over a text; errors are in units of the state, not in codes."""

    layer: int
    state_rms: float
    bound_rms: float
    """Over the elements, after the last token."""
    bound_largest: float
    """Of any element after any token."""
    static: float
    largest_decay: float


def certify(network: Network, tokens: Iterable[int]) -> list[Certificate]:
    """Certificates of all layers of a quantized network, over one sequence of tokens."""
    config = network.units.scan
    states, bounds = network.start(), [StateBound.start(config) for _ in network.quantized.layers]
    largest, layers = [0.0] * len(bounds), list[LayerCodes]()
    for token in tokens:
        layers = network.layers(states, token)
        states = tuple(layer.state for layer in layers)
        for index, (layer, bound) in enumerate(zip(layers, bounds, strict=True)):
            bound.follow(layer.decay, *layer.state.h)
            largest[index] = max(largest[index], float(bound.bound.max()))
    one = float(config.h.source.values(1))
    return [
        Certificate(
            layer=index,
            state_rms=float(np.sqrt(np.mean(config.h.values(*state.h) ** 2))),
            bound_rms=float(np.sqrt(np.mean(bound.bound**2))) * one,
            bound_largest=largest[index] * one,
            static=bound.static * one,
            largest_decay=bound.largest_decay,
        )
        for index, (state, bound) in enumerate(zip(states, bounds, strict=True))
    ]
