"""Design: how much hardware, in which formats. Read from YAML, checked whole."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from models.errors import InputError
from models.precision import NAMED, Precision

Count = Annotated[int, Field(ge=1)]


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


class Design(BaseModel):
    """A design: parallelism and formats. `lanes` channels travel in a beat between units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lanes: Count
    matvec: MatvecParallelism
    scan: ScanParallelism
    precision: Annotated[Precision, BeforeValidator(_named)] = NAMED["w8a8"]


def read_design(path: Path, overrides: tuple[str, ...] = ()) -> Design:
    """The design in the YAML file `path`, changed by `key=value` overrides (`scan.states=8`).

    Raises InputError naming the file, the key, the rule and the value of everything wrong in it.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}", f"must be a readable text file ({error})", "check the path") \
            from None  # fmt: skip
    except yaml.YAMLError as error:
        problem = str(error).replace("\n", " ")
        raise InputError(f"{path}", f"must be YAML ({problem})", "mend the file") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}", f"must be a mapping of design keys, not {raw!r}", _KEYS)
    for text in overrides:
        _override(raw, text)
    try:
        return Design.model_validate({"name": path.stem} | raw)
    except ValidationError as error:
        lines = [_problem(problem) for problem in error.errors()]
        raise InputError(f"{path}:", "; ".join(lines), _KEYS) from None


_KEYS = f"a design has the keys {', '.join(Design.model_fields)}"


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
                             f"{folder} is {inner!r}", _KEYS)  # fmt: skip
        raw = inner
    raw[leaf] = yaml.safe_load(value)


def _problem(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "design"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{place} must be given"
    if problem["type"] == "extra_forbidden":
        return f"{place} must not be there, it is no key of a design"
    value = "" if "not " in message else f", not {problem['input']!r}"
    return f"{place} {message.replace('Input should', 'must')}{value}"
