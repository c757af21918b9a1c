"""Published accelerators as files: what their papers say of them, and what they measured.

They differ from the designs of `models.design`: transfers follow each other, bursts can wait for
the one before, and nothing is fetched ahead of its phase. `hwsim.published.timing` is their model.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hwsim.devices import Device, find_device
from models.documents import check, names_in, read_mapping
from models.errors import InputError, meant
from models.networks.shape import Mamba2Shape
from models.networks.shapes import find_mamba2_shape

FOLDER = Path(__file__).parent
TRUST = ("paper", "repository", "board", "data sheet", "derived", "assumed")
"""How a source begins: what kind it is. `board` is the file of the board, with its own sources."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Bits = tuple[Positive, Positive]
Names = tuple[str, ...]


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Port(_Checked):
    """`count` ports of `bits` that work in lockstep.

    A read is one stream, or bursts of `burst` words of which each waits for the one before, so that
    the memory's latency is exposed in each.
    """

    bits: Count
    count: Count = 1
    burst: Count = 256
    serial: bool = False


class Memory(_Checked):
    """A memory that is not that of the board's file; fields as of `hwsim.devices.BoardMemory`."""

    type: str
    bytes_per_s: Positive
    sustained: Annotated[float, Field(gt=0, le=1)] = 1.0
    latency_ns: Annotated[float, Field(ge=0)] = 0.0


class Scan(_Checked):
    """State elements that a scan takes in each cycle, and bits of its operands."""

    lanes: Count
    bits: Positive


class Phase(_Checked):
    """What overlaps: transfers one after the other, the `products` of tensors, and `scan` passes
    over the state. A phase begins when the one before has ended.
    """

    name: str
    reads: Names = ()
    writes: Names = ()
    products: Names = ()
    scan: Annotated[int, Field(ge=0)] = 0


class Power(_Checked):
    """What a published power includes: the `chip`, or the `card` with its memory too."""

    watts: Positive
    scope: Literal["chip", "card"]
    static: bool
    registers: Count


class Told(_Checked):
    """What the paper found."""

    tokens_per_second: Positive
    power: Power | None = None
    card_watts: Positive | None = None
    """Of what the energy model does not cover, a GPU."""


class Published(_Checked):
    """A design, and a network on it.

    tensors            numbers in each of a layer's tensors, beyond those of the network's shape
    bits               of a number in memory, its share of a scale included, by tensor
    products_per_cycle of the matrix unit; None where the paper does not tell and nothing waits
    operands           bits of weights and of activations in the matrix unit
    phases, ends       of each layer, and once for each token
    excluded           what the published speed leaves out
    knew               results that were known when an input was chosen, and which input
    ours               a design of puffadder's with about as much parallelism, and overrides
    """

    name: str
    title: str
    paper: str
    network: str | None = None
    board: str | None = None
    memory: Memory | None = None
    clock_hz: Positive = 1.0
    port: Port | None = None
    layers: Count = 1
    tensors: dict[str, Positive] = {}
    bits: dict[str, Positive]
    products_per_cycle: Positive | None = None
    operands: Bits | None = None
    scan: Scan | None = None
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    ends: tuple[Phase, ...] = ()
    excluded: str
    why: str
    knew: str = ""
    ours: str = ""
    told: Told
    sources: dict[str, str]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        known = self.numbers.keys()
        for phase in (*self.phases, *self.ends):
            named = {*phase.reads, *phase.writes, *phase.products}
            if unknown := sorted(named - known):
                rule = f"must name tensors of {', '.join(sorted(known))}"
                raise ValueError(f"phase {phase.name!r} {rule}, not {', '.join(unknown)}")
            if missing := sorted({*phase.reads, *phase.writes} - self.bits.keys()):
                raise ValueError(f"bits must be given for {', '.join(missing)}, not missing")
        if self.memory is None and self.board is None:
            raise ValueError("memory must be given where there is no board, not missing")
        for key, text in self.sources.items():
            if not text.startswith(TRUST):
                rule = f"must begin with {', '.join(TRUST[:-1])} or {TRUST[-1]}"
                raise ValueError(f"the source of {key} {rule}, not {text!r}")
        return self

    @cached_property
    def shape(self) -> Mamba2Shape | None:
        return find_mamba2_shape(self.network) if self.network else None

    @cached_property
    def device(self) -> Device | None:
        return find_device(self.board) if self.board else None

    @property
    def layer_count(self) -> int:
        return self.shape.layers if self.shape else self.layers

    @cached_property
    def numbers(self) -> dict[str, float]:
        """Numbers in each tensor of a layer, and of the head."""
        shape = self.shape
        if shape is None:
            return dict(self.tensors)
        return {
            "in_proj": shape.in_proj_rows * shape.d_model,
            "out_proj": shape.inner * shape.d_model,
            "conv_weights": shape.conv_channels * shape.conv,
            "conv_state": shape.conv_channels * shape.conv,
            "state": shape.inner * shape.state,
            "head": shape.vocab * shape.d_model,
            **self.tensors,
        }


def names() -> list[str]:
    """Names of the published designs.

    >>> "fastmamba" in names()
    True
    """
    return names_in(FOLDER)


def find_published(name: str) -> Published:
    """The published design of that name. A file can be `like` another and tell what differs.

    Raises InputError when there is none, and for everything that is wrong in its file.
    """
    if name not in names():
        raise InputError(
            f"published design {name!r}",
            f"must be one of {', '.join(names())}",
            meant(name, names(), "name one of them"),
        )
    path = FOLDER / f"{name}.yaml"
    raw = {"name": name} | _merged(path)
    return check(Published, raw, f"{path}", "published design", "correct it in the file")


def _merged(path: Path) -> dict[str, Any]:
    """What a file says, over what the file says that it is like."""
    raw = read_mapping(path, Published, "published design")
    like = raw.pop("like", None)
    if like is None:
        return raw
    base = _merged(path.with_name(f"{like}.yaml"))
    return base | raw | {"sources": base["sources"] | raw.get("sources", {})}
