"""The page of a run: whole in one file, escaped, and there whatever is known."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from models.counters import UNITS
from reports.page import render
from reports.page.figures import WORDS, cycles_between, ticks, timeline
from reports.page.html import tag
from tests.reports.examples import bare, counted, full
from tests.reports.examples import timeline as example

LARGEST = 2**20
VOID = ("meta", "input")
"""Elements that are not closed."""
HEADINGS = {
    "units": "has most to do",
    "timelines": "One token",
    "quantization": "Quantization moves",
    "resources": "On-chip memory",
    "rotation": "Rotating out_proj",
}


class Checker(HTMLParser):
    """Elements are closed in the order in which they were opened."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, name, attributes):
        self.seen.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name


def checked(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker.seen


@pytest.mark.parametrize("report", [full(), bare()], ids=["full", "bare"])
def test_one_file_without_the_network(report):
    page = render(report)
    elements = checked(page)
    assert not re.search(r"https?:|//|@import|url\(", page)
    assert not {name for name, _ in elements} & {"script", "link", "img", "iframe", "object"}
    assert not any("src" in attributes or "href" in attributes for _, attributes in elements)
    assert len(page.encode()) < LARGEST


def test_what_a_user_wrote_is_escaped():
    bad = "</pre><script>alert('x')</script>&\"<b a='"
    report = full(
        prompt=bad,
        text=bad,
        design=full().design | {"name": bad},
        device={"name": bad, bad: bad},
        resources={bad: 1},
    )
    page = render(report)
    checked(page)
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page


def test_control_characters_are_shown():
    page = render(bare(prompt="a\x00\x1b\n"))
    assert "a\u2400\u241b\n" in page


@pytest.mark.parametrize("missing", HEADINGS)
def test_pieces_may_be_missing(missing):
    report = full()
    if missing == "units":
        report = full(cycles={k: v for k, v in report.cycles.items() if k != "units"})
    else:
        report = full(**{missing: {}})
    page = render(report)
    checked(page)
    shown = {piece for piece, heading in HEADINGS.items() if heading in page}
    assert shown == HEADINGS.keys() - {missing}


@pytest.mark.parametrize("side", ["predicted", "measured"])
def test_one_side_alone(side):
    report = full()
    units = {unit: {side: sides[side]} for unit, sides in report.cycles["units"].items()}
    page = render(
        full(
            cycles=report.cycles | {"units": units},
            timelines={side: report.timelines[side]},
        )
    )
    checked(page)
    assert f"only {side}" in page


def test_a_difference_is_told():
    first = {"unit": "scan", "layer": 1, "token": 3, "field": "<y>", "index": 5, "expected": -7}
    first |= {"received": 9, "waves": "waves.vcd", "waves_ns": 1230}
    match = bare().match | {"logits": False, "mismatches": 2, "first": first}
    page = render(bare(match=match))
    assert "DIFFERENT: 2 of 29,952 logit codes" in page
    assert (
        "First: unit scan, layer 1, token 3, &lt;y&gt;[5]: expected -7, received 9; "
        "waves.vcd at 1230 ns." in page
    )
    assert "EQUAL" not in page


def test_a_read_outside_of_the_memory_is_told():
    page = render(bare(match=bare().match | {"read_error": "1 bursts outside of the image"}))
    assert "does not hold: 1 bursts outside of the image." in page
    assert "DIFFERENT: 0 of 29,952 logit codes<" in page


def test_numbers_say_how_they_came_to_be():
    page = render(full())
    for kind in ("simulated", "modelled", "assumed", "measured"):
        assert f'<span class="chip {kind}">{kind}</span>' in page
    assert "2,697,454" in page
    assert "-0.052%" in page


def test_a_timeline_of_very_many_intervals_stays_small():
    rows = {unit: [] for unit in UNITS}
    for unit, row in rows.items():
        words = ("busy", "input") if unit != "fetch" else ("busy", "memory_read")
        row += [[words[at % 2], at, at + 1] for at in range(50_000)]
    figure = timeline({"predicted": rows, "measured": rows})
    assert len(figure) < 200_000
    assert "fetch, measured: busy 50.0%, memory_read 50.0%" in figure


def test_intervals_keep_their_area():
    rows = example(5)
    totals = counted(rows)
    for unit, row in rows.items():
        edges = np.linspace(row[0][1], row[-1][2], 41)
        cycles = cycles_between(row, edges)
        np.testing.assert_allclose(cycles.sum(axis=0), np.diff(edges))
        spent = dict(zip(WORDS, cycles.sum(axis=1), strict=True))
        assert {word: spent[word] for word in totals[unit]} == pytest.approx(totals[unit])


def test_a_gap_between_intervals_is_nobodys():
    cycles = cycles_between([["busy", 0, 2], ["busy", 6, 8]], np.array([0, 4, 8]))
    assert cycles[0].tolist() == [2, 2]
    assert cycles.sum() == 4


@pytest.mark.parametrize(("low", "high"), [(0, 7), (23_004, 23_510), (0, 41_234_567), (5, 5)])
def test_ticks_are_round_and_inside(low, high):
    marks = ticks(low, high, 6)
    assert len(marks) <= 7
    assert all(low <= mark <= high for mark in marks)
    assert high - low < 6 or len(marks) >= 2


def test_text_is_escaped_and_attributes_too():
    made = tag("p", "<&>", tag("i", [None, "\"'"]), title='"<', stroke_width=1.0)
    assert made == ('<p title="&quot;&lt;" stroke-width="1">&lt;&amp;&gt;<i>&quot;&#x27;</i></p>')
