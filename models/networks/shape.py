"""The shape of a Mamba-2 network: every number that its arithmetic depends on, but no weight."""

import math
from dataclasses import dataclass

_COUNTS = ("d_model", "layers", "heads", "head_dim", "groups", "state", "conv", "vocab")
_FLAGS = ("tied", "conv_bias", "proj_bias", "residual_in_fp32")


@dataclass(frozen=True, kw_only=True)
class Mamba2Shape:
    """A Mamba-2 network's dimensions and options.

    d_model             width of the residual stream
    layers              number of layers, each of them a norm, a mixer and a residual
    heads, head_dim     the scan works on `heads` independent heads of `head_dim` channels
    groups              consecutive heads that share B and C: `heads / groups` in each; the gated
                        norm takes its mean square over `inner / groups` channels
    state               state numbers of each channel
    conv                taps of the causal convolution
    vocab               rows of the embedding, padding included
    tied                the head is the embedding
    conv_bias           the convolution has a bias
    proj_bias           in_proj and out_proj have a bias
    norm_eps            added to the mean square in every norm
    time_step_limit     delta is clamped to this range, its end may be infinite
    residual_in_fp32    False lets an implementation round the residual to the weights' type;
                        in the float32 oracle it changes nothing

    >>> Mamba2Shape(d_model=128, layers=4, heads=8, head_dim=32, state=64, vocab=256).in_proj_rows
    648
    """

    d_model: int
    layers: int
    heads: int
    head_dim: int
    groups: int = 1
    state: int
    conv: int = 4
    vocab: int
    tied: bool = True
    conv_bias: bool = True
    proj_bias: bool = False
    norm_eps: float = 1e-5
    time_step_limit: tuple[float, float] = (0.0, math.inf)
    residual_in_fp32: bool = True

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")
        for name in _FLAGS:
            value = getattr(self, name)
            if type(value) is not bool:
                raise ValueError(f"{name} must be true or false, not {value!r}")
        if self.heads % self.groups:
            raise ValueError(f"groups must divide the {self.heads} heads, not {self.groups}")
        if not 0 < self.norm_eps < math.inf:
            raise ValueError(f"norm_eps must be a positive number, not {self.norm_eps!r}")
        low, high = self.time_step_limit
        if not (0 <= low <= high and low < math.inf):
            raise ValueError(
                "time_step_limit must be two numbers, 0 <= low <= high with low finite, "
                f"not {self.time_step_limit!r}"
            )

    @property
    def inner(self) -> int:
        """Channels of the scan, of the gate z and of the gated norm."""
        return self.heads * self.head_dim

    @property
    def conv_channels(self) -> int:
        """Channels of the convolution: x, then B of each group, then C of each group."""
        return self.inner + 2 * self.groups * self.state

    @property
    def in_proj_rows(self) -> int:
        """Rows of in_proj, in the order z, x, B, C, delta."""
        return 2 * self.inner + 2 * self.groups * self.state + self.heads

    @property
    def parameters(self) -> int:
        """How many numbers the network holds; a tied head counts once."""
        layer = self.d_model + self.in_proj_rows * self.d_model + self.d_model * self.inner
        layer += self.conv_channels * (self.conv + self.conv_bias) + 3 * self.heads + self.inner
        layer += self.proj_bias * (self.in_proj_rows + self.d_model)
        return self.layers * layer + self.vocab * self.d_model * (2 - self.tied) + self.d_model
