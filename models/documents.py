"""Documents: YAML files that become checked objects, or a message that names every mistake."""

import errno
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from models.errors import InputError

Checked = TypeVar("Checked", bound=BaseModel)

_RULES = {
    "missing": "must be given",
    "extra_forbidden": "must not be there",
    "invalid_key": "must not be there",
    "int_type": "must be an integer, not {input!r}",
    "int_parsing": "must be an integer, not {input!r}",
    "int_from_float": "must be an integer, not {input!r}",
    "int_parsing_size": "must be a number of fewer digits, not {input!r}",
    "float_type": "must be a number, not {input!r}",
    "float_parsing": "must be a number, not {input!r}",
    "finite_number": "must be finite, not {input!r}",
    "bool_type": "must be true or false, not {input!r}",
    "bool_parsing": "must be true or false, not {input!r}",
    "greater_than": "must be more than {gt}, not {input!r}",
    "greater_than_equal": "must be at least {ge}, not {input!r}",
    "less_than_equal": "must be at most {le}, not {input!r}",
    "too_short": "must have at least {min_length}, not {actual_length}",
    "too_long": "must have at most {max_length}, not {actual_length}",
    "string_type": "must be a text, not {input!r}",
    "string_unicode": "must be a text of Unicode characters, not {input!r}",
    "literal_error": "must be {expected}, not {input!r}",
    "model_type": "must be a mapping, not {input!r}",
    "dict_type": "must be a mapping, not {input!r}",
    "tuple_type": "must be a list, not {input!r}",
}
"""What a document must be, by the type of pydantic's error."""


class _Loader(yaml.SafeLoader):
    """The loader of `yaml.safe_load`, but for keys given twice, of which that takes the last."""

    def __init__(self, text: str, place: str) -> None:
        super().__init__(text)
        self._place = place

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Keys are looked at as written: later, those of merges (`<<`) stand beside them."""
        node = super().compose_mapping_node(anchor)
        seen = set[tuple[str, str]]()
        for key in (key for key, _ in node.value if isinstance(key.value, str)):
            if (key.tag, key.value) in seen:
                thing = f"{self._place}: key {key.value!r} on line {key.start_mark.line + 1}"
                raise InputError(thing, "must be given once, not twice", "keep one of them")
            seen.add((key.tag, key.value))
        return node


def names_in(folder: Path) -> list[str]:
    """Names of the YAML files in a folder, without their suffix, in order."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_mapping(path: Path, model: type[BaseModel], what: str) -> dict[str, Any]:
    """The mapping in the YAML file `path`, as it stands there; `what` is it called, "design".

    Raises InputError when there is no such file, or no mapping in it.
    """
    raw = parse(_read(path), f"{path}")
    if not isinstance(raw, dict):
        rule = f"must be a mapping of {what} keys, not {raw!r}"
        raise InputError(f"{path}", rule, keys_of(model, what))
    return raw


def parse(text: str, place: str) -> Any:
    """What the YAML `text` says. Numbers and dates that are none are no YAMLError but ValueError.

    Raises InputError, with the position in the text, when it is not YAML, or gives a key twice.
    """
    try:
        return _Loader(text, place).get_single_data()
    except InputError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
    except RecursionError:
        problem = "nested too deeply"
    raise InputError(place, f"must be YAML, not with an error: {problem}", "mend the YAML")


def check(
    model: type[Checked], raw: dict[str, Any], place: str, what: str, correct: str
) -> Checked:
    """`raw` as an object of `model`.

    Raises InputError naming the key, the rule and the value of everything wrong, and as a way out
    the keys that there are, the list of one that was meant, or else `correct`.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = [each for each in error.errors() if not _counts_only_right_ones(each)]
        thing, rule = _problem(problems[0], what)
        others = [" ".join(_problem(problem, what)) for problem in problems[1:]]
        ways_out = dict.fromkeys(_way_out(each, model, what) or correct for each in problems)
        raise InputError(
            f"{place}: {thing}", "; ".join([rule, *others]), "; ".join(ways_out)
        ) from None


def keys_of(model: Any, what: str, *folders: Any) -> str:
    """The keys of `model`, or of the mapping `folders` in it, which may be left out (`| None`)."""
    for folder in folders:
        inner = model.model_fields[folder].annotation
        model = next((each for each in get_args(inner) if hasattr(each, "model_fields")), inner)
    keys = [field.alias or name for name, field in model.model_fields.items()]
    return f"{'.'.join(folders) or f'a {what}'} has the keys {', '.join(keys)}"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError as error:
        problem = f"one with the byte {error.object[error.start]:#04x} at {error.start}"
    except OSError as error:
        problem = "missing" if error.errno == errno.ENOENT else f"'{error.strerror}'"
    raise InputError(f"{path}", f"must be a readable text file, not {problem}", "check the path")


def _counts_only_right_ones(problem: Any) -> bool:
    """Whether a list is said to be too short for what is wrong in it, which is told anyway."""
    rule = problem.get("ctx", {})
    return problem["type"] == "too_short" and len(problem["input"]) >= rule["min_length"]


def _way_out(problem: Any, model: type[BaseModel], what: str) -> str:
    """Out of a problem that shows it; else empty."""
    kind, given = problem["type"], problem["input"]
    missing = kind == "missing" and isinstance(given, dict)
    if missing or kind in ("extra_forbidden", "invalid_key"):
        folders = [part for part in problem["loc"][:-1] if isinstance(part, str)]
        return keys_of(model, what, *folders)
    alone = kind == "tuple_type" and given is not None and not isinstance(given, dict)
    return f"write [{given}]" if alone else ""


def _problem(problem: Any, what: str) -> tuple[str, str]:
    """The thing that is wrong, and the rule that it breaks."""
    thing, kind = ".".join(str(part) for part in problem["loc"]) or what, problem["type"]
    if kind in _RULES:
        return thing, _RULES[kind].format(input=problem["input"], **problem.get("ctx", {}))
    message = problem["msg"].removeprefix("Value error, ")
    if not message.startswith("must"):
        thing += ":"  # the message names a thing within
    return thing, message if " not " in message else f"{message}, not {problem['input']!s}"
