"""The exception for a mistake of the user's; the command line turns it into exit code 2."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Wrong user input, told as *place: thing must be rule, not value; way out*.

    >>> raise InputError("tiny.yaml: lanes", "must be a power of two, not 3", "use 2 or 4")
    Traceback (most recent call last):
        ...
    models.errors.InputError: tiny.yaml: lanes must be a power of two, not 3; use 2 or 4
    """

    def __init__(self, thing: str, rule: str, way_out: str) -> None:
        super().__init__(thing, rule, way_out)  # all of them, for one comes from other processes

    def __str__(self) -> str:
        thing, rule, way_out = self.args
        return f"{thing} {rule}; {way_out}"


def meant(name: str, known: Iterable[str], otherwise: str) -> str:
    """The way out for a `name` that is not among the `known`: the nearest, or else the first that
    begins with it, or `otherwise`.

    >>> meant("VCK-190", ["u280", "vck190"], "describe the board")
    'did you mean vck190?'
    >>> meant("arty", ["arty-a7-100t", "u280"], "describe the board")
    'did you mean arty-a7-100t?'
    """
    known, name = list(known), name.lower()
    near = difflib.get_close_matches(name, known, n=1)
    near = near or [each for each in known if name and each.startswith(name)]
    return f"did you mean {near[0]}?" if near else otherwise
