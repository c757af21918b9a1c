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
    "int_type": "must be an integer, not {input!r}",
    "float_type": "must be a number, not {input!r}",
    "float_parsing": "must be a number, not {input!r}",
    "finite_number": "must be finite, not {input!r}",
    "bool_type": "must be true or false, not {input!r}",
    "greater_than": "must be more than {gt}, not {input!r}",
    "greater_than_equal": "must be at least {ge}, not {input!r}",
    "less_than_equal": "must be at most {le}, not {input!r}",
    "too_short": "must have at least {min_length}, not {actual_length}",
    "string_type": "must be a text, not {input!r}",
    "literal_error": "must be {expected}, not {input!r}",
    "model_type": "must be a mapping, not {input!r}",
}
"""What a document must be, by the type of pydantic's error."""


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

    Raises InputError, with the position in the text, when it is not YAML.
    """
    try:
        return yaml.safe_load(text)
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
    the keys that there are, or else `correct`.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        thing, rule = _problem(error.errors()[0], what)
        others = [" ".join(_problem(problem, what)) for problem in error.errors()[1:]]
        ways_out = dict.fromkeys(
            keys_of(model, what, *problem["loc"][:-1])
            if problem["type"] in ("missing", "extra_forbidden")
            else correct
            for problem in error.errors()
        )
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


def _problem(problem: Any, what: str) -> tuple[str, str]:
    """The thing that is wrong, and the rule that it breaks."""
    thing, kind = ".".join(str(part) for part in problem["loc"]) or what, problem["type"]
    if kind in _RULES:
        return thing, _RULES[kind].format(input=problem["input"], **problem.get("ctx", {}))
    message = problem["msg"].removeprefix("Value error, ")
    if not message.startswith("must"):
        thing += ":"  # the message names a thing within
    return thing, message if " not " in message else f"{message}, not {problem['input']!s}"
