"""Is the held-out text kept away from training, in the same way everywhere?"""

from models.checkpoints.corpus import (
    held_out_text,
    held_out_topics,
    is_held_out,
    training_text,
    training_topics,
)


def test_every_topic_is_on_exactly_one_side():
    from pydoc_data.topics import topics

    training, held_out = training_topics(), held_out_topics()
    assert training.keys() | held_out.keys() == topics.keys()
    assert not training.keys() & held_out.keys()
    assert all(isinstance(text, bytes) for text in (training | held_out).values())


def test_the_side_depends_on_the_name_only():
    """Pinned: another split would make every recorded figure incomparable."""
    names = ["dict", "raise", "return", "slicings", "typesmodules", "assert", "yield", "lambda"]
    assert [is_held_out(name) for name in names] == [True] * 5 + [False] * 3


def test_about_one_topic_in_ten_is_held_out():
    count = len(held_out_topics()) + len(training_topics())
    assert count / 20 < len(held_out_topics()) < count / 5


def test_the_texts_are_whole_and_in_order():
    for text, topics in (
        (held_out_text(), held_out_topics()),
        (training_text(), training_topics()),
    ):
        assert text == b"\n\n".join(topics[name] for name in sorted(topics))
    assert len(held_out_text()) > 20_000
    assert len(training_text()) > 200_000
