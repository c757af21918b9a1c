"""Functions compiled by numba, kept on disk until a source file that they are made from changes."""

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from numba import njit

ROOT = Path(__file__).parents[1]
_IMPORTS = re.compile(r"^from ([\w.]+) import (?:\(([^)]*)\)|(.*))$", re.MULTILINE)

inlined = njit(
    forceinline=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)
"""A part of compiled functions, for them alone: Python cannot call it, which takes a third off its
compilation. What it takes and gives may be many numbers, in tuples: to hand them over would take
longer than to compute with them."""


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba's `njit` with these options, whose results stay on disk.

    numba itself watches the file of the function alone, and would go on with what it once made of
    another file's functions and constants: here all files count that the function's file imports.
    """

    def compile_and_keep(function: Callable[..., Any]) -> Any:
        dispatcher = njit(cache=True, **options)(function)
        # numba has no names for these in public; `tests/test_compiled.py` says when they move.
        kept = dispatcher._cache._cache_file
        kept._source_stamp = digest(Path(function.__code__.co_filename))
        kept._load_index = partial(_index, kept._load_index)
        return dispatcher

    return compile_and_keep


def _index(load: Callable[[], dict[Any, str]]) -> dict[Any, str]:
    """The index of kept results; none of it counts when it names types that are no more."""
    try:
        return load()
    except (AttributeError, ImportError):
        return {}


@cache
def digest(path: Path) -> str:
    """A digest of a source file and of all that it imports from beside itself, however far."""
    seen, ahead = {path}, [path]
    while ahead:
        new = set(_imported(ahead.pop())) - seen
        seen |= new
        ahead += new
    return hashlib.sha256(b"".join(each.read_bytes() for each in sorted(seen))).hexdigest()


@cache
def _imported(path: Path) -> frozenset[Path]:
    return frozenset(
        file
        for module, several, one in _IMPORTS.findall(path.read_text())
        for file in _files(module, (several or one).split(","))
    )


def _files(module: str, names: list[str]) -> Iterator[Path]:
    """Where a module's source and those of the submodules among `names` are, if in this project."""
    place = ROOT / module.replace(".", "/")
    submodules = (place / f"{name.strip()}.py" for name in names)
    for file in (place.with_suffix(".py"), place / "__init__.py", *submodules):
        if file.is_file():
            yield file
