"""The designs that come with puffadder, and designs by name or by file."""

from pathlib import Path

from models.design import Design, read_design
from models.documents import names_in
from models.errors import InputError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the designs that come with puffadder.

    >>> "tiny" in names()
    True
    """
    return names_in(FOLDER)


def find_design(design: str, overrides: tuple[str, ...] = ()) -> Design:
    """The design of that name, or in the YAML file of that path, changed by `key=value` overrides.

    Raises InputError when there is neither, and for everything that is wrong in the file.
    """
    if design in names():
        return read_design(FOLDER / f"{design}.yaml", overrides)
    if Path(design).suffix not in (".yaml", ".yml"):
        raise InputError(
            f"design {design!r}",
            f"must be a file *.yaml or one of {', '.join(names())}",
            f"name the design before its overrides: tiny {design}"
            if "=" in design
            else "give one of them",
        )
    return read_design(Path(design), overrides)
