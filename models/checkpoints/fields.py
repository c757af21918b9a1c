"""Checked access to the fields of a `config.json`, which collects every mistake before it speaks.

Types are compared exactly: `true` is no count and `1` is no flag.
"""

import json
import math
from typing import Any

from models.errors import InputError

_LONGEST_VALUE = 60
_LARGE = 2**31  # no dimension comes near


def written(value: Any) -> str:
    """`value` as JSON writes it, cut where it is long.

    >>> written({"load_in_4bit": True})
    '{"load_in_4bit": true}'
    """
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


class Fields:
    """The fields of one JSON object.

    Every accessor takes the field's default, returns the value, and notes a problem when the value
    is not what it must be; `finish` tells all of them in one `InputError`.

    raw         the object
    place       the file, for the message
    prefix      put before the name of each field: `"ssm_cfg."` in a nested object
    problems    shared with the outer object's fields, if there is one
    """

    def __init__(
        self, raw: dict[str, Any], place: str, prefix: str = "", problems: list[str] | None = None
    ) -> None:
        self.raw, self.place, self.prefix = raw, place, prefix
        self.problems = [] if problems is None else problems
        self.refused: set[str] = set()

    def refuse(self, name: str, rule: str, value: Any) -> None:
        """Note that field `name` must be `rule`, not `value`."""
        self.refused.add(name)
        self.problems.append(f"{self.prefix}{name} must be {rule}, not {written(value)}")

    def accepted(self, *names: str) -> bool:
        """Whether none of `names` was refused, so that their relation can be checked."""
        return self.refused.isdisjoint(names)

    def count(self, name: str, default: int) -> int:
        """A positive integer."""
        value = self.raw.get(name, default)
        if type(value) is int and 0 < value < _LARGE:
            return value
        self.refuse(name, "a positive integer" + _not_too_large(value), value)
        return default

    def count_or_auto(self, name: str, auto: int) -> int:
        """A positive integer; `auto` where the field is "auto", which is its default."""
        return auto if self.raw.get(name, "auto") == "auto" else self.count(name, auto)

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.raw.get(name, default)
        if type(value) is bool:
            return value
        self.refuse(name, "true or false", value)
        return default

    def positive(self, name: str, default: float) -> float:
        """A positive number."""
        value = self.raw.get(name, default)
        if type(value) in (int, float) and 0 < value < _LARGE:
            return float(value)
        self.refuse(name, "a positive number" + _not_too_large(value), value)
        return default

    def limits(self, name: str) -> tuple[float, float]:
        """Two numbers, 0 <= low <= high; the high one may be infinite, and is by default.

        Infinity is `Infinity` in files of `transformers` 4 and `{"__float__": "Infinity"}` in
        those of `transformers` 5.
        """
        value = self.raw.get(name, [0.0, math.inf])
        if isinstance(value, list) and len(value) == 2:
            low, high = (_number(end) for end in value)
            if 0 <= low <= high and low < math.inf:
                return low, high
        self.refuse(name, "two numbers, 0 <= low <= high with low finite", value)
        return 0.0, math.inf

    def nested(self, name: str) -> "Fields":
        """The fields of an object inside this one; none when it is absent."""
        value = self.raw.get(name)
        if value is not None and not isinstance(value, dict):
            self.refuse(name, "an object", value)
        inner = value if isinstance(value, dict) else {}
        return Fields(inner, self.place, f"{self.prefix}{name}.", self.problems)

    def only(self, name: str, *allowed: Any, default: Any) -> None:
        """Refuse a field that is none of `allowed`."""
        value = self.raw.get(name, default)
        if not any(type(value) is type(one) and value == one for one in allowed):
            self.refuse(name, written(allowed[0]), value)

    def empty(self, *names: str) -> None:
        """Refuse fields that are neither absent nor null, false, zero or empty."""
        for name in names:
            if self.raw.get(name):
                self.refuse(name, "absent", self.raw[name])

    def known(self, names: frozenset[str]) -> None:
        """Refuse fields that are not in `names`."""
        for name in sorted(self.raw.keys() - names):
            self.refuse(name, "absent", self.raw[name])

    def finish(self, way_out: str) -> None:
        """Raise `InputError` with all problems, if there are any."""
        if self.problems:
            # InputError puts the thing and its rule together; every problem here is both.
            first, *others = self.problems
            thing, rule = first.split(" ", 1)
            rules = "; ".join([rule, *others])
            raise InputError(f"{self.place}: {thing}", rules, way_out)


def _not_too_large(value: Any) -> str:
    """What a rule adds for a number that is too large."""
    return " below 2**31" if type(value) in (int, float) and value >= _LARGE else ""


def _number(value: Any) -> float:
    """A number in any of its JSON forms; not-a-number for anything else."""
    if isinstance(value, dict) and list(value) == ["__float__"]:
        value = value["__float__"]
        return float(value) if value in ("Infinity", "-Infinity", "NaN") else math.nan
    if type(value) is int and abs(value) < _LARGE:
        return float(value)
    return value if type(value) is float else math.nan
