"""The page of an exploration: whole in one file, escaped, and alive in a real browser."""

import json
import re
from copy import deepcopy
from dataclasses import replace
from html import unescape
from itertools import product

import pytest

from reports.page import pictures
from reports.page.charts import Stack, stacks
from reports.page.designs import scatter_of
from reports.page.explore import figures, headline, render, write
from reports.page.scatter import Quantity, Scatter, Series, scatter
from reports.page.sensitivity import Effect, Trial, panels
from reports.page.winner import what_holds
from tests.reports.explored import KNOBS, explored
from tests.reports.test_page import LARGEST, checked

BAD = "</script><script>alert('x')</script>&\"<b a='"
MANY = KNOBS | {"lanes": list(range(1, 33)), "matvec.rows": list(range(8, 28))}
ACT = """
<script>
const hit = (number, kind) => {
  const box = circles[number].getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  svg.dispatchEvent(new PointerEvent(kind, {clientX: x, clientY: y, bubbles: true}));
};
const note = (name, value) => { seen[name] = value; };
const seen = {};
const still = svg.querySelector("g.designs").outerHTML + svg.querySelector(".ticks").outerHTML
  + svg.querySelector(".border").outerHTML;
draw();
note("redrawn alike", still === svg.querySelector("g.designs").outerHTML
  + svg.querySelector(".ticks").outerHTML + svg.querySelector(".border").outerHTML);
ACTIONS
document.body.append(element("pre", JSON.stringify(seen), {id: "seen"}));
</script>
"""
NAMES = {"busy": "works", "input": "waits", "fill": "unused"}
needs_browser = pytest.mark.skipif(pictures.browser() is None, reason="no chromium is installed")


@pytest.fixture(scope="module")
def told():
    return explored()


def test_one_file_without_the_network(told):
    page = render(told)
    elements = checked(page)
    assert not re.search(r"https?:|@import|url\(|fetch\(|import\(", page)
    assert not {name for name, _ in elements} & {"link", "img", "iframe", "object"}
    assert not any("src" in attributes or "href" in attributes for _, attributes in elements)
    assert "nan" not in re.sub(r"<style>.*</style>", "", page)


def test_thousands_of_designs_stay_small():
    many = explored(MANY)
    assert len(many["sample"]["rows"]) > 3_000
    assert len(render(many).encode()) < LARGEST


def test_its_numbers_are_the_explorations(told):
    page = render(told)
    best = told["winners"][0]
    assert headline(told) == "mamba2-2.7b: 8.871 tokens/s, the best of 96 designs"
    for shown in (
        f"{best['measures']['lut']:,.0f} of 60,000 allowed",
        "engine at most 0.41% off; Verilator equal, code for code",
        "Bound by the memory port",
        "busy in 97% of the cycles",
        "A token takes 650 mJ, 46% of it static",
        "tokens per second of mamba2-2.7b, by the engine",
        "Every point is a design, 88 of 96",
        best["yaml"],
        best["command"],
    ):
        assert shown in page
    for reason in told["reasons"]:
        assert f'<th>{reason["text"]}</th><td class="number">{reason["points"]:,}</td>' in (
            page.replace("&lt;", "<")
        )
    for point in told["front"]:
        assert point["command"] in page


def test_what_a_user_wrote_is_escaped():
    told = explored(network=BAD)
    told["space"] |= {"base": BAD, "constraints": [f"lut <= {2000}"]}
    told["reasons"][1]["text"] = told["winners"][0]["yaml"] = told["name"] = BAD
    told["space"]["words"]["lanes"] = [BAD] * 3
    page = render(told)
    checked(page)
    assert page.count("<script") == 2
    assert "&lt;/script&gt;&lt;script&gt;alert(&#x27;x&#x27;)" in page
    assert "\\u003c/script>\\u003cscript>" in page


@pytest.mark.parametrize(
    "missing", ["energy", "units", "memories", "run", "stages", "board", "engine"]
)
def test_pieces_may_be_missing(missing, told):
    told = deepcopy(told)
    winner = told["winners"][0]
    if missing in ("units", "memories"):
        winner["resources"][missing] = {}
    elif missing == "board":
        winner["board"], told["boards"] = None, {}
    elif missing == "engine":
        winner["cycles"], winner["bounds"] = {"total": None, "units": {}}, {}
    elif missing == "energy":
        winner["energy"] = {}
    else:
        told[missing] = type(told[missing])()
    checked(render(told))


def test_figures_of_several_winners_have_names_of_their_own(told):
    two = deepcopy(told)
    two["winners"][0]["file"] = "winner-mamba2-2.7b.yaml"
    other = {"network": "mamba2-130m", "file": "winner-mamba2-130m.yaml"}
    two["winners"].append(two["winners"][0] | other)
    names = figures(two)
    assert {"front", "time-mamba2-2.7b", "time-mamba2-130m"} <= names.keys()
    assert {"front", "time", "roofline", "resources", "sensitivity"} <= figures(told).keys()


def test_what_holds_the_winner_is_named(told):
    assert what_holds(told, told["winners"][0]) == (
        "No rejected value of a knob would make it better in tokens per second"
    )
    held = explored(KNOBS | {"matvec.rows": [4, 8]}, limit=22_000)
    assert what_holds(held, held["winners"][0]) == (
        "lanes=8 alone would make it 87.5% better, with 8.889 tokens/s, but for: lut <= 22000"
    )


def test_hardware_that_is_not_equal_is_told_first(told):
    told = deepcopy(told)
    told["stages"][2]["equal"] = False
    assert "Verilator NOT EQUAL, some codes differ" in render(told)


def test_a_search_is_not_said_to_have_looked_at_all(told):
    told = deepcopy(told)
    told["space"]["points"] = 10**12
    assert headline(told).endswith("the best of 96 designs")
    assert "96 designs computed, 0 known before" in render(told)


def test_a_winner_that_the_engine_refutes_is_told(told):
    told = deepcopy(told)
    told["winners"][0]["breaks"] = ["watts < 9"]
    assert "With what the engine says, it does not keep watts &lt; 9." in render(told)


def test_an_objective_may_be_0(told):
    told = deepcopy(told)
    told["space"]["objectives"] = ["lut"]
    winner = told["winners"][0]
    for found in [winner, *(each for rows in winner["sensitivity"].values() for each in rows)]:
        found["measures"] = found["measures"] and found["measures"] | {"lut": 0.0}
    checked(render(told))
    assert what_holds(told, winner) == "No rejected value of a knob would make it better in LUT"


@pytest.mark.parametrize(
    ("constraints", "whole"),
    [([], "899,840 on the board"), (["lut <= 1e9"], "899,840 on the board"),
     (["lut <= 50000", "lut < 70000", "lut > 1"], "50,000 allowed")],
)  # fmt: skip
def test_a_resource_is_compared_with_the_least_of_its_limits(constraints, whole, told):
    told = deepcopy(told)
    told["space"]["constraints"] = constraints
    assert f" of {whole}, " in render(told)


def test_a_knob_of_several_keys_is_told_as_a_command_line_would(told):
    told = deepcopy(told)
    told["space"]["knobs"]["precision"] = ["w4a4", {"weight_bits": 4, "hadamard": True}]
    told["front"][0]["knobs"]["precision"] = told["space"]["knobs"]["precision"][1]
    assert "<td>{weight_bits: 4, hadamard: true}</td>" in render(told)


def test_command_lines_of_the_scatter_are_words_of_a_shell():
    network, base, *_ = scatter_of(explored(network="my nets/a")).knobs
    assert (list(network.words), list(base.words)) == (["'my nets/a'"], ["lightmamba-vck190"])


def designs(best_x, best_y, points, groups=None):
    x, y = zip(*points, strict=True)
    return Scatter(
        [Quantity("x", "", best_x, "modelled", x), Quantity("y", "", best_y, "modelled", y)],
        [Series("front", len(points), "series-0")],
        [0] * len(points),
        groups or [0] * len(points),
        [],
        "c",
        (),
    )


@pytest.mark.parametrize(
    ("best_x", "best_y", "kept"),
    [("smallest", "largest", [0, 1, 3]), ("largest", "largest", [3]),
     ("smallest", "smallest", [0]), ("largest", "smallest", [0, 2, 3]), (None, "largest", None)],
)  # fmt: skip
def test_the_border_has_what_no_other_beats(best_x, best_y, kept):
    drawn = designs(best_x, best_y, [(1, 1), (2, 5), (4, 3), (5, 6)])
    assert drawn.fronts(0, 1) == ([] if kept is None else [kept])


def test_the_best_of_each_of_several_networks_is_named():
    alone = designs("smallest", "largest", [(1, 1), (2, 5), (9, 9)], groups=[0, 1, 1])
    drawn = replace(alone, best=(0, 2), named=("first", "second"))
    assert (alone.names, drawn.names) == ([], [(0, "first"), (2, "second")])
    told = [re.findall(r"<text([^>]*)>(first|second)</text>", scatter(drawn, 0, 1))]
    (left, first), (right, second) = told[0]
    assert (first, second) == ("first", "second")
    assert 'text-anchor="start"' in left
    assert 'text-anchor="end"' in right


def test_networks_have_borders_of_their_own():
    drawn = designs("smallest", "largest", [(1, 1), (2, 5), (4, 3), (5, 6)], [0, 0, 1, 1])
    assert drawn.fronts(0, 1) == [[0, 1], [2, 3]]
    assert scatter(drawn, 0, 1).count("M") == 2


@pytest.mark.parametrize(
    "values", [(1.0, 2.0), (3.0, 3000.0), (-5.0, 4.0), (7.0,), (0.0, 0.0), (0.0, 1e9), (1, 1e-6)]
)
def test_axes_have_every_value_and_some_marks(values):
    axis = Quantity("x", "", "largest", "modelled", [None, *values])
    places = [axis.at(value) for value in values]
    assert all(0 <= place <= 10_000 for place in places)
    assert [a < b for a, b in product(places, places)] == [
        a < b for a, b in product(values, values)
    ]
    assert 2 <= len(axis.marks) <= 9
    assert all(0 <= place <= 10_000 for place, _ in axis.marks)


def test_parts_of_a_stack_are_as_long_as_their_values():
    drawn = stacks([Stack("row", {"busy": 3.0, "input": 1.0}, "text")], NAMES, "label", 8.0)
    ground, *parts = re.findall(r'width="([\d.]+)" height="14" class="(\w+)"', drawn)
    whole = float(ground[0])
    assert [(float(width), style) for width, style in parts] == [
        (pytest.approx(whole * 3 / 8, abs=0.01), "busy"),
        (pytest.approx(whole / 8, abs=0.01), "input"),
    ]
    assert "<title>row, works: 37.5%</title>" in drawn
    assert "unused" not in drawn


def test_values_of_a_knob_are_drawn_at_their_numbers():
    trials = [Trial("1", 5.0, None, False), Trial("2", 10.0, None, True),
              Trial("4", 20.0, "lut <= 9", False), Trial("8", None, "rule", False)]  # fmt: skip
    drawn = panels([Effect("knob", trials)], "label")
    marks = re.findall(r"<title>(.*?)</title><(\w+)(.*?)>", drawn)
    assert [(told, shape) for told, shape, _ in marks] == [
        ("1: 5", "circle"),
        ("2: 10", "circle"),
        ("4: 20; rejected: lut &lt;= 9", "circle"),
        ("8: does not fit; rejected: rule", "path"),
    ]
    low, chosen, high = (float(re.search(r'cy="([\d.]+)"', each)[1]) for *_, each in marks[:3])
    assert (low - chosen) / (low - high) == pytest.approx(1 / 3, abs=0.01)
    assert 0 < high < low < 150
    assert ["hollow" in each for *_, each in marks] == [False, False, True, False]


@pytest.mark.parametrize("wanted", [False, True], ids=["not wanted", "no browser"])
def test_figures_as_files_need_no_page(wanted, told, tmp_path, monkeypatch):
    if wanted:
        monkeypatch.setattr(pictures, "browser", lambda: None)
    earlier = tmp_path / "figures" / "front.png"
    earlier.parent.mkdir()
    earlier.touch()
    written = write(told, tmp_path, pictures=wanted)
    assert not earlier.exists()
    assert {path.suffix for path in written} == {".html", ".svg"}
    assert "dominated: 53" in (tmp_path / "figures" / "front.svg").read_text()
    for path in written[1:]:
        text = path.read_text()
        assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        assert "var(" not in text
        classes = {name for each in re.findall(r'class="([^"]*)"', text) for name in each.split()}
        assert all(f".{name}" in text for name in classes & {"busy", "series-0", "series-4"})


@needs_browser
def test_a_browser_draws_the_figures(told, tmp_path):
    written = write(told, tmp_path)
    drawn = {path.stem: path.read_bytes() for path in written if path.suffix == ".png"}
    assert drawn.keys() == figures(told).keys()
    for content in drawn.values():
        assert content.startswith(b"\x89PNG")
        assert int.from_bytes(content[16:20]) == 2 * 1080
        assert len(content) > 10_000


@needs_browser
def test_the_scatter_lives_in_a_browser(told):
    drawn = scatter_of(told)
    winner = min(drawn.best)
    actions = f"""
note("chosen at first", told.querySelector("code").textContent);
hit({winner}, "pointermove");
note("beside", near.hidden ? "" : near.innerText);
svg.dispatchEvent(new PointerEvent("pointerleave"));
note("left", near.hidden);
hit(0, "click");
note("command", told.querySelector("code").textContent);
for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"])
  svg.dispatchEvent(new KeyboardEvent("keydown", {{key}}));
note("walked to", circles.findIndex(each => each.classList.contains("chosen")));
across.value = 2; across.dispatchEvent(new Event("change"));
note("across", svg.querySelector(".across").textContent);
boxes[1].checked = false; boxes[1].dispatchEvent(new Event("change"));
note("shown", circles.filter((_, number) => shown(number)).length);
note("moved", +circles[{winner}].getAttribute("cx") === +short(x(data.quantities[2].at[{winner}])));
"""
    page = render(told).replace("</body>", ACT.replace("ACTIONS", actions) + "</body>")
    opened = pictures.opened(pictures.browser(), page)
    found = json.loads(unescape(re.search(r'<pre id="seen">(.*?)</pre>', opened)[1]))
    beside = found.pop("beside")
    assert "on the front" in beside
    assert "8.889 tokens/s" in beside
    assert "matvec.rows\t16" in beside
    command = "puffadder estimate mamba2-2.7b lightmamba-vck190 lanes={} matvec.rows={} "
    command += "memory.port_bits={} precision={}"
    assert found == {
        "redrawn alike": True,
        "chosen at first": command.format(4, 16, 256, "w4a4"),
        "left": True,
        "command": command.format(4, 4, 64, "w8a8"),
        "walked to": winner,
        "across": "energy, J (modelled; less is better)",
        "shown": len(drawn.of) - told["reasons"][2]["points"],
        "moved": True,
    }
