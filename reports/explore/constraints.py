"""Constraints: bounds of measures, as a space writes them."""

import math
import operator
import re
from typing import Any, NamedTuple

from hwsim.measures import MEASURES
from models.errors import InputError, meant

_SENSES = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_CONSTRAINT = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S+)\s*")


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

    Raises InputError when it is none, for an unknown measure, and for a bound that is infinite or
    below 0, as no measure is.
    """
    place, example = f"space {space}: constraint {text!r}", "e.g. lut <= 107000"
    found = _CONSTRAINT.fullmatch(text)
    bound = _number(found[3]) if found else None
    if not found or bound is None:
        raise InputError(place, "must be a measure, one of <= >= < >, and a number", example)
    require_measure(found[1], f"{place}:")
    if not 0 <= bound < math.inf:
        rule = f"must have a number that is finite and 0 or more, not {found[3]}"
        raise InputError(place, rule, example)
    return Constraint(" ".join(found.groups()), found[1], found[2], bound)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def require_measure(name: str, place: str) -> None:
    """Raises InputError when there is no measure of that name."""
    if name in MEASURES:
        return
    raise InputError(
        f"{place} measure {name!r}",
        f"must be one of {', '.join(MEASURES)}",
        meant(name, MEASURES, "name one of them"),
    )
