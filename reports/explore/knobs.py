"""Knobs: the keys of a design file that a space varies, their values, and their order."""

import math
from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hwsim.closed_form import KEYS, PARALLELISM
from models.documents import check
from models.errors import InputError, meant
from models.precision import NAMED, Precision
from reports.explore.space import Space

Knobs = dict[str, list[Any]]
"""Values of each knob, the knobs in the order of ORDER."""

_UNITS = tuple(key for key, column in KEYS.items() if column in PARALLELISM)
ORDER = ("device", *_UNITS, *(key for key in KEYS if key not in (*_UNITS, "device")))
"""Keys in the order in which a space counts them, the last fastest: designs of the same units are
then neighbours, and their units are configured once."""


Number = Annotated[float, Field(allow_inf_nan=False)]
MOST_VALUES = 10_000
"""Of a range: each of them is tried as a design before anything else."""
_NEARLY = 1e-6
"""Of a step, that the last value may be away."""


class Range(BaseModel):
    """Numbers from one to another, both included: `times` the one before, or a `step` more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: Number = Field(alias="from")
    last: Number = Field(alias="to")
    times: Number | None = None
    step: Number | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if (self.times is None) == (self.step is None):
            raise ValueError("must have either times or step, not both or none")
        if self.times is not None and (self.times <= 1 or self.first <= 0):
            raise ValueError(f"must have times above 1 and from above 0, not {self.times:g}")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"must have a step above 0, not {self.step:g}")
        if self.first > self.last:
            raise ValueError(f"must end at {self.first:g} or more, not {self.last:g}")
        if self._steps >= MOST_VALUES:
            raise ValueError(f"must have at most {MOST_VALUES:,} values, not more")
        return self

    def values(self) -> list[int | float]:
        found = [self._at(step) for step in range(int(self._steps + _NEARLY) + 1)]
        return [int(value) if value == int(value) else value for value in found]

    @property
    def _steps(self) -> float:
        """From the first value to the last."""
        if self.times is not None:
            return math.log(self.last / self.first) / math.log(self.times)
        return (self.last - self.first) / (self.step or 1)

    def _at(self, step: int) -> float:
        """Without the last digit, which sums and products of decimal fractions get wrong."""
        value = self.first + step * (self.step or 0)
        if self.times is not None:
            value = self.first * self.times**step
        return float(f"{value:.15g}")


def knobs_of(space: Space) -> Knobs:
    """Raises InputError for an unknown key, and for a knob without values."""
    for key in space.knobs:
        _require_known(space.name, key)
    return {
        key: _values(space.knobs[key], f"space {space.name}: knob {key}")
        for key in sorted(space.knobs, key=_rank)
    }


def axes_of(knobs: Knobs, base: Precision) -> Knobs:
    """Knobs as axes of a grid: those of the precision, which are neighbours, become one.

    A point has the same number in both.

    >>> axes_of({"lanes": [4], "precision": ["w4a4"]}, NAMED["w8a8"])
    {'lanes': [4], 'precision': ['w4a4']}
    """
    parts = [key for key in knobs if _folder(key) == "precision"]
    axes: Knobs = {}
    for key, values in knobs.items():
        if key in parts and parts != ["precision"]:
            axes["precision"] = _precisions({part: knobs[part] for part in parts}, base)
        else:
            axes[key] = values
    return axes


def overrides(values: Mapping[str, Any]) -> list[str]:
    """Arguments `key=value` that change a design so.

    >>> overrides({"lanes": 4, "precision": {"weight_bits": 4}})
    ['lanes=4', 'precision={weight_bits: 4}']
    """
    return [f"{key}={text_of(value)}" for key, value in values.items()]


def text_of(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {text_of(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, float):
        return f"{value:.1f}" if value < 1e15 and value == int(value) else repr(value)
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def _precisions(parts: Knobs, base: Precision) -> list[dict[str, Any]]:
    found = []
    for values in product(*parts.values()):
        changes = dict(zip(parts, values, strict=True))
        start = changes.pop("precision", base)
        if isinstance(start, str):
            start = NAMED.get(start, start)
        whole = start.model_dump() if isinstance(start, Precision) else start
        parted = {key.partition(".")[2]: value for key, value in changes.items()}
        found.append(whole | parted if isinstance(whole, dict) else whole)  # which is refused then
    return found


def _values(knob: Any, place: str) -> list[Any]:
    if isinstance(knob, dict):
        return check(Range, knob, place, "range", "correct the range").values()
    if not isinstance(knob, list):
        rule = (
            f"must be a list of values, or a range with from, to, and times or step, not {knob!r}"
        )
        raise InputError(place, rule, f"write [{text_of(knob)}]")
    if not knob:
        raise InputError(place, "must have at least one value, not none", "give one")
    return knob


def _folder(key: str) -> str:
    return key.partition(".")[0]


def _rank(key: str) -> tuple[int, str]:
    """A precision's own keys come behind it."""
    return ORDER.index("precision" if _folder(key) == "precision" else key), key


def _require_known(space: str, key: str) -> None:
    fields = [f"precision.{name}" for name in Precision.model_fields]
    if key in ORDER or key in fields:
        return
    raise InputError(
        f"space {space}: knob {key!r}",
        f"must be one of {', '.join(ORDER)} or a key of the precision",
        meant(key, [*ORDER, *fields], "vary one of them, and set others in the base"),
    )
