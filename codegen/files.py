"""Files that are there whole or not at all, and what they can hold."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; what a killed run leaves beside it ends in `.part`.

    Raises OSError that names a file, also when it is the disk that is full.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def fresh_folder(folder: Path, names: Sequence[str]) -> None:
    """Make the folder, or take the files of those names, whole or not, away from it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        for path in (folder / name, folder / f"{name}.part"):
            path.unlink(missing_ok=True)


def finite(value: Any) -> Any:
    """`value` for a JSON file, which has no infinity: no limit is null.

    >>> finite({"limit": (0.0, float("inf"))})
    {'limit': [0.0, None]}
    """
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
