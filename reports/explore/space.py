"""Spaces: which designs to look at, for which networks, and what counts. Read from YAML."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.documents import check, names_in, read_mapping
from models.errors import InputError

FOLDER = Path(__file__).parents[1] / "spaces"
Few = Annotated[int, Field(ge=0, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]


class Verify(BaseModel):
    """How many designs of the front each stage looks at, in their order; 0 leaves it out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Few = 16
    yosys: Few = 0
    verilator: Few = 0


class AccuracyOf(BaseModel):
    """How the measure `divergence` is found: each precision by a recipe, on held-out text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = "rtn"
    window: Annotated[int, Field(ge=2, strict=True)] = 512
    sequences: Count = 8


class Search(BaseModel):
    """The whole grid, or NSGA-II (Deb et al., 2002) for one that is too large."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["grid", "nsga2"] = "grid"
    population: Annotated[int, Field(ge=4, strict=True)] = 400
    generations: Count = 100
    seed: int = 0


class Space(BaseModel):
    """Networks, a base design, knobs (keys of a design file with their values), and what counts.

    `objectives` are names of MEASURES; the first decides which design of the front is the winner,
    the next where several are about as good.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    networks: Annotated[tuple[str, ...], Field(min_length=1)]
    base: str
    knobs: dict[str, Any]
    """Of each key a list of values, or a `reports.explore.knobs.Range`."""
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("tokens_per_second",)
    constraints: tuple[str, ...] = ()
    verify: Verify = Verify()
    accuracy: AccuracyOf = AccuracyOf()
    search: Search = Search()
    calibration: str | None = None
    """A file of `hwsim.logic.calibration`, by which modelled LUTs, flip-flops and DSPs are
    multiplied."""


def names() -> list[str]:
    """Names of the spaces that come with puffadder."""
    return names_in(FOLDER)


def find_space(name: str) -> Space:
    """The space of that name, or in the YAML file of that path.

    Raises InputError when there is neither, and for everything that is wrong in the file.
    """
    path = FOLDER / f"{name}.yaml" if name in names() else Path(name)
    if name not in names() and path.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"space {name!r}", f"must be a file *.yaml or one of {', '.join(names())}",
            "give one of them",
        )  # fmt: skip
    raw = {"name": path.stem} | read_mapping(path, Space, "space")
    return check(Space, raw, f"{path}", "space", "correct it in the file")
