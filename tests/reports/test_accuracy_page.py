"""The page of an accuracy table: whole in one file, escaped, and its numbers are the table's."""

import re
from dataclasses import replace

import numpy as np
import pytest

from models.precision import NAMED
from models.quantization.recipes import find_recipe
from reports.accuracy import accuracies
from reports.accuracy_table import Accuracy, AccuracyTable
from reports.page import charts
from reports.page.accuracy import headline, render
from reports.page.layers import percent
from tests.networks.examples import PLAIN, random_parameters
from tests.reports.test_page import LARGEST, checked

WINDOWS = np.random.default_rng(0).integers(0, PLAIN.vocab, (2, 6))
BAD = "</svg><script>alert('x')</script>&\"<b a='"


@pytest.fixture(scope="module")
def table():
    recipes = [find_recipe("rtn"), find_recipe("lightmamba")]
    precisions = [(name, NAMED[name]) for name in ("w8a8", "w4a4")]
    rows = accuracies(random_parameters(PLAIN), WINDOWS, recipes, precisions, WINDOWS)
    return AccuracyTable(2, 6, 0.5, rows, error_tokens=12, tensor_tokens=12,
                         sources={recipe.name: recipe.source for recipe in recipes})  # fmt: skip


def test_one_file_without_the_network(table):
    page = render(table)
    elements = checked(page)
    assert not re.search(r"https?:|//|@import|url\(", page)
    assert not {name for name, _ in elements} & {"script", "link", "img", "iframe", "object"}
    assert "prefers-color-scheme: dark" in page
    assert len(page.encode()) < LARGEST
    assert "nan" not in re.sub(r"<style>.*</style>", "", page)


def test_its_numbers_are_the_tables(table):
    page = render(table)
    for row in table.rows[1:]:
        for number in (f"{row.nats:.4f}", f"{row.lost:.4f}", f"{row.ratio:.4f}", f"{row.kl:.6f}",
                       f"{row.bits_per_weight:.3f}", f"{row.state_bytes:,}"):  # fmt: skip
            assert f'<td class="number">{number}</td>' in page
        name = f"<title>{row.precision} {row.recipe}"
        assert f"{name}, residual 1: {row.tensors['residual'][1]:.0f}</title>" in page
        for error in vars(row.errors["layers.1.out_proj"]).values():
            assert f"{name}, out_proj 1: {percent(error)}</title>" in page
    for section in ("nats a token", "off by", "The most is lost in", "above its error",
                    "in_proj reads", "out_proj reads", "What the recipes do"):  # fmt: skip
        assert section in page
    # in_proj and out_proj: one figure of each of two layers, and the magnitudes of the worst
    assert page.count('class="curve untouched"') == 2 * 3


def test_what_a_user_wrote_is_escaped(table):
    rows = [replace(row, recipe=row.recipe and BAD + row.recipe) for row in table.rows]
    sources = {BAD + name: BAD + source for name, source in table.sources.items()}
    page = render(replace(table, rows=rows, sources=sources, model=BAD))
    checked(page)
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page


def row(recipe, kl, precision="w4a4", lost=0.02):
    return Accuracy(precision, recipe, 1 + lost, 3.0, 1.1, kl, 5.0, 8, 100, lost, 0.001)


def bare(*rows):
    """A table of which nothing is known but what is lost."""
    rows = [Accuracy("float", "", 1.0, 2.7, 1.0, 0.0, 5.0), *rows]
    return AccuracyTable(1, 2, 0.0, rows, sources={row.recipe: "s" for row in rows if row.recipe})


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([row("c", 0.05), row("a", 0.02), row("b", 0.03)],
         "At w4a4, a stays closest to the float network: KL 0.0200 nats; the next, b, 0.0300, "
         "1.5 times as much"),
        ([row("a", 0.0), row("b", 0.03)],
         "At w4a4, a stays closest to the float network: KL 0.0000 nats; the next, b, 0.0300"),
        ([row("a", 0.001, "w8a8"), row("a", 0.02)],
         "a is away from the float network by 0.0010 at w8a8, 0.0200 at w4a4 (KL, nats)"),
    ],
)  # fmt: skip
def test_the_headline_says_what_was_found(rows, told):
    assert headline(bare(*rows)) == told
    page = render(bare(*rows))
    checked(page)
    assert f"<h1>{told}</h1>" in page
    assert "a costs 0.0200 ± 0.0020 nats a token" in page
    assert "The most is lost in" not in page


@pytest.mark.parametrize(
    ("values", "shares"),
    [((1, 4), (0.25, 1)), ((-2, 2), (0.5, 0.5)), ((-1, -4), (0.25, 1)), ((0, 2), (0, 1))],
)
def test_bars_are_as_long_as_their_values(values, shares):
    made = [charts.Bar("name", value, 0.0, "text", "s") for value in values]
    figure = charts.bars({"": made}, "bars", "nats")
    plot = charts.WIDTH - charts.LABELS - charts.RIGHT
    assert [float(width) for width in re.findall(r'width="([\d.]+)" height="14"', figure)] == (
        pytest.approx([max(plot * share, 1) for share in shares])
    )
    checked(charts.bars({"": [charts.Bar("name", 0, 0.0, "text", "s")] * 2}, "bars", "nats"))


@pytest.mark.parametrize("count", [2, 400])
def test_cells_have_their_number_where_there_is_room(count):
    cells = {"g": {"r": [0.5] * count}}
    figure = charts.heat_map(cells, {"c": count}, lambda value: value, "{:.1f}".format, "map")
    assert figure.count("<title>") == count
    assert figure.count('class="cell"') == (count if count == 2 else 0)


def test_colours_go_from_the_least_to_the_largest():
    stronger = charts.logarithmic([0, 0.01, 0.1, 1])
    assert [stronger(value) for value in (0, 0.01, 0.1, 1)] == pytest.approx([0, 0, 0.5, 1])
    weaker = charts.falling([10, 20])
    assert [weaker(value) for value in (10, 15, 20)] == [1, 0.5, 0]
    assert charts.logarithmic([0, 0])(0) == charts.logarithmic([3])(3) == 0
