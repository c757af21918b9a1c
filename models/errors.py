"""The exception for a mistake of the user's; the command line turns it into exit code 2."""


class InputError(ValueError):
    """Wrong user input, told as *place: thing must be rule, not value; way out*.

    >>> raise InputError("tiny.yaml: lanes", "must be a power of two, not 3", "use 2 or 4")
    Traceback (most recent call last):
        ...
    models.errors.InputError: tiny.yaml: lanes must be a power of two, not 3; use 2 or 4
    """

    def __init__(self, thing: str, rule: str, way_out: str) -> None:
        super().__init__(f"{thing} {rule}; {way_out}")
