"""Compilation of functions that lie in several files."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

inlined = njit(
    forceinline=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)
"""A part of a compiled function. What it takes and gives are many numbers, in tuples: to hand them
over would take longer than to compute with them."""


def sources() -> str:
    """A digest of the functions of this package.

    numba keeps compiled code until its own file changes or a value that it encloses, so an entry
    encloses this one.
    """
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def entry(function: Callable[..., Any]) -> Any:
    """`function`, compiled and kept on disk."""
    return njit(cache=True, error_model="numpy")(function)
