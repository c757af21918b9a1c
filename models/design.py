"""Design: how much hardware, in which formats. Read from YAML, checked whole."""

import errno
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from models.errors import InputError
from models.precision import NAMED, Precision

Count = Annotated[int, Field(ge=1, strict=True)]


def _named(value: Any) -> Any:
    if isinstance(value, str):
        if value not in NAMED:
            raise ValueError(f"must be one of {', '.join(NAMED)} or a mapping, not {value!r}")
        return NAMED[value]
    return value


class MatvecParallelism(BaseModel):
    """Multipliers of the matvec unit: `rows` outputs times `columns` inputs in each cycle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: Count
    columns: Count


class ScanParallelism(BaseModel):
    """State elements that the scan updates in each cycle: head `channels` times `states`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: Count
    states: Count


class MemoryPort(BaseModel):
    """The read port: its width, its bursts, and how far weights are fetched ahead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port_bits: Annotated[int, Field(ge=64)] = 64
    burst: Annotated[int, Field(ge=1, le=256)] = 64  # words
    outstanding: Count = 4  # bursts in flight
    prefetch: Annotated[int, Field(ge=3)] = 64  # beats of weights waiting before the multipliers


class Design(BaseModel):
    """A design: parallelism and formats. `lanes` channels travel in a beat between units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lanes: Count
    matvec: MatvecParallelism
    scan: ScanParallelism
    memory: MemoryPort = MemoryPort()
    precision: Annotated[Precision, BeforeValidator(_named)] = NAMED["w8a8"]


def read_design(path: Path, overrides: tuple[str, ...] = ()) -> Design:
    """The design in the YAML file `path`, changed by `key=value` overrides (`scan.states=8`).

    Raises InputError naming the file, the key, the rule and the value of everything wrong in it.
    """
    raw = _parse(_read(path), f"{path}")
    if not isinstance(raw, dict):
        raise InputError(f"{path}", f"must be a mapping of design keys, not {raw!r}", _keys())
    for text in overrides:
        _override(raw, text)
    try:
        return Design.model_validate({"name": path.stem} | raw)
    except ValidationError as error:
        place = " with ".join(filter(None, [f"{path}", " ".join(overrides)]))
        thing, rule = _problem(error.errors()[0])
        others = [" ".join(_problem(problem)) for problem in error.errors()[1:]]
        ways_out = dict.fromkeys(_way_out(problem) for problem in error.errors())
        raise InputError(
            f"{place}: {thing}", "; ".join([rule, *others]), "; ".join(ways_out)
        ) from None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError as error:
        problem = f"one with the byte {error.object[error.start]:#04x} at {error.start}"
    except OSError as error:
        problem = "missing" if error.errno == errno.ENOENT else f"'{error.strerror}'"
    raise InputError(f"{path}", f"must be a readable text file, not {problem}", "check the path")


def _parse(text: str, place: str) -> Any:
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


def _override(raw: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    *folders, leaf = key.split(".")
    if not equals or not all([*folders, leaf]):
        raise InputError(f"override {text!r}", "must look like key=value", "e.g. scan.states=8")
    for folder in folders:
        inner = raw.setdefault(folder, {})
        if isinstance(inner, str) and inner in NAMED:
            inner = raw[folder] = NAMED[inner].model_dump()
        if not isinstance(inner, dict):
            raise InputError(f"override {text!r}", f"must name a key of a mapping, but "
                             f"{folder} is {inner!r}", _keys())  # fmt: skip
        raw = inner
    raw[leaf] = _parse(value, f"override {text!r}")


_RULES = {
    "missing": "must be given",
    "extra_forbidden": "must not be there",
    "int_type": "must be an integer, not {input!r}",
    "greater_than_equal": "must be at least {ge}, not {input!r}",
    "less_than_equal": "must be at most {le}, not {input!r}",
    "string_type": "must be a text, not {input!r}",
    "literal_error": "must be {expected}, not {input!r}",
    "model_type": "must be a mapping, not {input!r}",
}
"""What a design file must be, by the type of pydantic's error."""


def _problem(problem: Any) -> tuple[str, str]:
    """The thing that is wrong, and the rule that it breaks."""
    thing, kind = ".".join(str(part) for part in problem["loc"]) or "design", problem["type"]
    if kind in _RULES:
        return thing, _RULES[kind].format(input=problem["input"], **problem.get("ctx", {}))
    message = problem["msg"].removeprefix("Value error, ")
    if not message.startswith("must"):
        thing += ":"  # the message names a thing within
    return thing, message if " not " in message else f"{message}, not {problem['input']!s}"


def _way_out(problem: Any) -> str:
    if problem["type"] in ("missing", "extra_forbidden"):
        return _keys(*problem["loc"][:-1])
    return "correct it in the file, or override it like scan.states=8"


def _keys(*folders: str) -> str:
    """The keys of a design, or of the mapping `folders` in it."""
    model: Any = Design
    for folder in folders:
        model = model.model_fields[folder].annotation
    return f"{'.'.join(folders) or 'a design'} has the keys {', '.join(model.model_fields)}"
