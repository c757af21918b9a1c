"""Constraints: bounds of measures, as a space writes them."""

import operator
import re
from typing import Any, NamedTuple

from hwsim.measures import MEASURES
from models.errors import InputError, meant

_SENSES = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_CONSTRAINT = re.compile(
    r"\s*(\w+)\s*(<=|>=|<|>)\s*([0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][+-]?\d+)?)\s*"
)


class Constraint(NamedTuple):
    """A bound of a measure, with the text that says it."""

    text: str
    measure: str
    sense: str
    bound: float

    def holds(self, values: Any) -> Any:
        """Whether each of `values` is within the bound; NaN is not."""
        return _SENSES[self.sense](values, self.bound)

    def excess(self, values: Any) -> Any:
        """How far each of `values` is beyond the bound, relative to it; below 0 within it."""
        beyond = (values - self.bound) / max(abs(self.bound), 1e-300)
        return beyond if self.sense.startswith("<") else -beyond


def parse_constraint(text: str, space: str) -> Constraint:
    """The constraint in `text`, `lut <= 107000`.

    Raises InputError when it is none, and for an unknown measure.
    """
    found = _CONSTRAINT.fullmatch(text)
    if not found:
        raise InputError(
            f"space {space}: constraint {text!r}",
            "must be a measure, one of <= >= < >, and a number",
            "e.g. lut <= 107000",
        )
    name, sense, bound = found.groups()
    require_measure(name, f"space {space}: constraint {text!r}:")
    return Constraint(" ".join(found.groups()), name, sense, float(bound))


def require_measure(name: str, place: str) -> None:
    """Raises InputError when there is no measure of that name."""
    if name in MEASURES:
        return
    raise InputError(
        f"{place} measure {name!r}",
        f"must be one of {', '.join(MEASURES)}",
        meant(name, MEASURES, "name one of them"),
    )
