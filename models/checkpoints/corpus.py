"""The text that the bundled checkpoint is trained and measured on: Python's own documentation.

`pydoc_data.topics` comes with every interpreter (it is what `help("lambda")` prints), so nothing
has to be fetched. Its words differ a little between Python versions; which topics are held out
depends on their names only.
"""

import hashlib
from pydoc_data.topics import topics

HELD_OUT_ONE_IN = 10
SEPARATOR = b"\n\n"


def is_held_out(name: str) -> bool:
    """Whether the topic `name` is kept away from training: one name in ten, by its SHA-256.

    >>> is_held_out("floating"), is_held_out("integers")
    (True, False)
    """
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_ONE_IN == 0


def training_topics() -> dict[str, bytes]:
    """Topics to train on, by name in alphabetical order, each as UTF-8."""
    return {name: topics[name].encode() for name in sorted(topics) if not is_held_out(name)}


def held_out_topics() -> dict[str, bytes]:
    """Topics never trained on, by name in alphabetical order, each as UTF-8."""
    return {name: topics[name].encode() for name in sorted(topics) if is_held_out(name)}


def training_text() -> bytes:
    """All training topics as one text, in alphabetical order, a blank line between two."""
    return SEPARATOR.join(training_topics().values())


def held_out_text() -> bytes:
    """All held-out topics as one text, in alphabetical order, a blank line between two.

    This is the text of every accuracy figure; it is about 45 KB with Python 3.11.
    """
    return SEPARATOR.join(held_out_topics().values())
