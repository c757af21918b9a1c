"""Design files: what is read, and what a mistake in one is told."""

import re

import pytest

from codegen.designs import find_design, names
from models.design import read_design
from models.errors import InputError
from models.networks.layer import layer_units
from models.precision import NAMED
from tests.networks.examples import GROUPED, PLAIN

GOOD = "lanes: 4\nmatvec: {rows: 4, columns: 4}\nscan: {channels: 1, states: 8}\n"
KEYS = "a design has the keys name, lanes, matvec, scan, precision"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", names())
def test_designs_that_come_along_are_read(name):
    assert find_design(name).name == name


def test_precision_by_name_and_by_field(write):
    assert read_design(write(GOOD + "precision: w4a4")).precision == NAMED["w4a4"]
    spelled = read_design(write(GOOD + "precision: {weight_bits: 4, stream: s26f12}")).precision
    assert (spelled.weight_bits, str(spelled.stream)) == (4, "s26f12")


def test_overrides(write):
    design = read_design(write(GOOD + "precision: w4a4"), ("scan.states=2", "precision.group=4"))
    assert (design.scan.states, design.precision.group) == (2, 4)
    assert design.precision.weight_bits == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lanes: [", "mine.yaml must be YAML ("),
        ("7", f"mine.yaml must be a mapping of design keys, not 7; {KEYS}"),
        (GOOD.replace("lanes", "lane"), "mine.yaml: lanes must be given; lane must not be there, "
         f"it is no key of a design; {KEYS}"),
        (GOOD.replace("lanes: 4", "lanes: 0"), "mine.yaml: lanes must be greater than or equal to "
         f"1, not 0; {KEYS}"),
        (GOOD + "precision: w3a3", "mine.yaml: precision must be one of w8a8, w4a8, w4a4 or a "
         f"mapping, not 'w3a3'; {KEYS}"),
        (GOOD + "precision: {stream: s8}", "mine.yaml: precision.stream format must look like "
         f"'s8f4' or 'u16f15', not 's8'; {KEYS}"),
    ],
)  # fmt: skip
def test_names_the_mistake(write, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_design(write(text))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("scan", "override 'scan' must look like key=value; e.g. scan.states=8"),
        ("lanes.x=1", f"override 'lanes.x=1' must name a key of a mapping, but lanes is 4; {KEYS}"),
    ],
)
def test_names_the_wrong_override(write, override, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read_design(write(GOOD), (override,))


def test_names_a_design_that_is_not_there():
    with pytest.raises(InputError, match=r"^design 'huge' must be a YAML file or one of .*tiny"):
        find_design("huge")


@pytest.mark.parametrize(
    ("shape", "overrides", "message"),
    [
        (PLAIN, ["lanes=3"], "design mine: design lanes must be a power of two, not 3"),
        (GROUPED, ["lanes=32", "matvec.rows=32", "matvec.columns=32"],
         "design lanes must divide d_model = 48, not 32; use 16 or a smaller power of two"),
        (PLAIN, ["matvec.rows=2"], "matvec lanes must divide rows = 2, not 4"),
        (PLAIN, ["scan.states=32"], "scan states: lanes must divide state = 16, not 32; use 16"),
        (PLAIN, ["precision.group=32"], "head_dim must be whole groups of 32, not 16"),
        (PLAIN, ["precision.stream=s40f12"], "norm sum of 64 squares of s40f12 must fit 62 bits"),
        (PLAIN, ["precision.state=s50f16"], "use narrower source formats"),
    ],
)  # fmt: skip
def test_refuses_a_design_that_does_not_fit(write, shape, overrides, message):
    with pytest.raises(InputError, match=re.escape(message)):
        layer_units(shape, read_design(write(GOOD), tuple(overrides)))
