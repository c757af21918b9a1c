"""HTML and SVG from functions: whatever is not made by `tag` is text, and is escaped."""

from collections.abc import Iterable
from html import escape

PICTURES = 0x2400
"""Unicode's pictures of the control characters, in their order."""


class Html(str):
    """Text that is HTML already."""


Child = Html | str | int | None | Iterable["Child"]


def tag(name: str, *children: Child, **attributes: str | float | None) -> Html:
    """An element; lists are its children one by one, None is left out.

    An attribute is named without the underscore that ends it, with hyphens for those within.

    >>> tag("p", "1 < 2", tag("b", "!"), class_="a b", stroke_width=2)
    '<p class="a b" stroke-width="2">1 &lt; 2<b>!</b></p>'
    """
    opened = [name] + [
        f'{key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    return Html(f"<{' '.join(opened)}>{join(children)}</{name}>")


def join(children: Child) -> Html:
    """Children one after the other.

    >>> join(["a & b", None, [tag("i", 3)]])
    'a &amp; b<i>3</i>'
    """
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str | int):
        return Html(escape(str(children)))
    return Html("".join(join(child) for child in children))


def printable(text: str) -> str:
    r"""`text` with its control characters, but for the ends of lines, as their pictures.

    >>> printable("a\x00b\n")
    'a␀b\n'
    """
    return "".join(
        chr(PICTURES + ord(char)) if ord(char) < 32 and char != "\n" else char for char in text
    )


def _short(value: str | float) -> str:
    """Coordinates with the digits that can be seen."""
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
