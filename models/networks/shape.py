"""The shape of a network: every number that its arithmetic depends on, but no weight."""

import math
from dataclasses import dataclass

from models.errors import InputError

_COUNTS = ("d_model", "layers", "state", "conv", "vocab")
_FLAGS = ("tied", "conv_bias", "proj_bias")


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
        _require(self, (*_COUNTS, "heads", "head_dim", "groups"), (*_FLAGS, "residual_in_fp32"))
        if self.heads % self.groups:
            raise ValueError(f"groups must divide the {self.heads} heads, not {self.groups}")
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

    @property
    def macs_per_token(self) -> int:
        """Multiplications with an addition for one token: products, convolution, scan and head."""
        layer = self.conv_channels * self.conv + 2 * self.inner * self.state
        return self.products_per_token + self.layers * layer

    @property
    def products_per_token(self) -> int:
        """Of these, those of the linear layers: in_proj, out_proj and the head."""
        layer = (self.in_proj_rows + self.inner) * self.d_model
        return self.vocab * self.d_model + self.layers * layer


@dataclass(frozen=True, kw_only=True)
class Mamba1Shape:
    """A Mamba-1 network's dimensions and options; those not told are as of `Mamba2Shape`.

    inner       channels of the scan, the convolution and the gate
    state       state numbers of each channel, each with a decay of its own
    dt_rank     width of delta between x_proj and dt_proj

    >>> Mamba1Shape(d_model=768, layers=24, inner=1536, dt_rank=48, vocab=50280).parameters
    129135360
    """

    d_model: int
    layers: int
    inner: int
    state: int = 16
    conv: int = 4
    dt_rank: int
    vocab: int
    tied: bool = True
    conv_bias: bool = True
    proj_bias: bool = False
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        _require(self, (*_COUNTS, "inner", "dt_rank"), _FLAGS)

    @property
    def x_proj_rows(self) -> int:
        """Rows of x_proj, in the order delta, B, C."""
        return self.dt_rank + 2 * self.state

    @property
    def parameters(self) -> int:
        """How many numbers the network holds; a tied head counts once."""
        layer = self.d_model + 3 * self.inner * self.d_model + self.x_proj_rows * self.inner
        layer += self.inner * (self.conv + self.conv_bias + self.dt_rank + self.state + 2)
        layer += self.proj_bias * (2 * self.inner + self.d_model)
        return self.layers * layer + self.vocab * self.d_model * (2 - self.tied) + self.d_model

    @property
    def macs_per_token(self) -> int:
        """As of `Mamba2Shape`; the exponent delta * A is one more for each number of the state."""
        channel = 3 * self.d_model + self.x_proj_rows + self.dt_rank + self.conv + 3 * self.state
        return self.vocab * self.d_model + self.layers * self.inner * channel


Shape = Mamba1Shape | Mamba2Shape


def require_mamba2(shape: Shape, thing: str) -> Mamba2Shape:
    """The shape of `thing`, for what the accelerator computes.

    Raises InputError for a Mamba-1.
    """
    if isinstance(shape, Mamba1Shape):
        rule = "must be a Mamba-2, which the accelerator takes, not a Mamba-1"
        raise InputError(thing, rule, "`puffadder bench` takes Mamba-1")
    return shape


def _require(shape: Shape, counts: tuple[str, ...], flags: tuple[str, ...]) -> None:
    """Refuse numbers that are no counts, flags that are none, and an epsilon of no effect."""
    for name in counts:
        value = getattr(shape, name)
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} must be a positive integer, not {value!r}")
    for name in flags:
        value = getattr(shape, name)
        if type(value) is not bool:
            raise ValueError(f"{name} must be true or false, not {value!r}")
    if not 0 < shape.norm_eps < math.inf:
        raise ValueError(f"norm_eps must be a positive number, not {shape.norm_eps!r}")
