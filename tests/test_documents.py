"""Documents: a mistake in one is told in the project's words, whatever kind of mistake it is."""

import importlib
import math

import pytest
from pydantic import BaseModel, ValidationError

from models.documents import check, parse
from models.errors import InputError
from reports.explore.space import Space
from tests.test_architecture import MAY_IMPORT, sources

KEYS = f"a space has the keys {', '.join(Space.model_fields)}"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("lanes: 4\nmatvec: {rows: 4}\nlanes: 8", "'lanes' on line 3"),
        ('lanes: 4\n"lanes": 4', "'lanes' on line 2"),
        ("knobs:\n  lanes: [4]\n  order: [naive]\n  lanes: [8]", "'lanes' on line 4"),
        ("scan: {channels: 1,\n       channels: 2}", "'channels' on line 2"),
        ("phases:\n- {scan: 1, scan: 1}", "'scan' on line 2"),
        ("4: a\n4: b", "'4' on line 2"),
    ],
)
def test_a_key_is_given_once(text, key):
    with pytest.raises(InputError) as refused:
        parse(text, "my.yaml")
    rule = "must be given once, not twice; keep one of them"
    assert str(refused.value) == f"my.yaml: key {key} {rule}"


def test_a_key_is_given_once_in_each_mapping():
    assert parse("{a: {a: 1, b: 2}, b: {a: 3}}", "") == {"a": {"a": 1, "b": 2}, "b": {"a": 3}}
    assert parse("{4: a, '4': b}", "") == {4: "a", "4": "b"}


def test_a_mapping_may_change_what_it_merges():
    text = "base: &base {a: 1}\nof: {x: &own {<<: *base, a: 2}}\nlike: {<<: *own, a: 3, b: 4}"
    told = {"base": {"a": 1}, "of": {"x": {"a": 2}}, "like": {"a": 3, "b": 4}}
    assert parse(text, "") == told


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks": "mamba2-130m"},
         "networks must be a list, not 'mamba2-130m'; write [mamba2-130m]"),
        ({"constraints": "lut <= 80000"},
         "constraints must be a list, not 'lut <= 80000'; write [lut <= 80000]"),
        ({"objectives": 4}, "objectives must be a list, not 4; write [4]"),
        ({"objectives": None}, "objectives must be a list, not None; mend it"),
        ({"objectives": {"lut": 1}}, "objectives must be a list, not {'lut': 1}; mend it"),
        ({"networks": [7]}, "networks.0 must be a text, not 7; mend it"),
        ({"networks": []}, "networks must have at least 1, not 0; mend it"),
        ({"knobs": 4}, "knobs must be a mapping, not 4; mend it"),
        ({"search": {"seed": "1e3"}}, "search.seed must be an integer, not '1e3'; mend it"),
        ({"search": {"seed": 1.5}}, "search.seed must be an integer, not 1.5; mend it"),
        ({"search": {"seed": 1e20}},
         "search.seed must be a number of fewer digits, not 1e+20; mend it"),
        ({"search": {"seed": math.nan}}, "search.seed must be finite, not nan; mend it"),
        ({7: 3}, f"7 must not be there; {KEYS}"),
        ({"verify": {"engines": 3, 7: 3}}, "verify.engines must not be there; verify.7 must not be "
         "there; verify has the keys engine, yosys, verilator"),
        ({"networks": "a", "base": 3},
         "networks must be a list, not 'a'; base must be a text, not 3; write [a]; mend it"),
    ],
)  # fmt: skip
def test_names_the_mistake(changes, message):
    raw = {"name": "small", "networks": ["bundled"], "base": "tiny", "knobs": {}}
    with pytest.raises(InputError) as refused:
        check(Space, raw | changes, "my.yaml", "space", "mend it")
    assert str(refused.value) == f"my.yaml: {message}"


def models_of(base):
    for model in base.__subclasses__():
        if model.__module__.partition(".")[0] in MAY_IMPORT:
            yield model
            yield from models_of(model)


ALONE = (None, True, -1, 10**30, 1.5, 1e20, math.nan, math.inf, "", "text", "1e3", "\ud800")
WRONG = (*ALONE, [], *([each] for each in ALONE), *({"own": each} for each in ALONE),
         {7: 1}, [{"own": 1}], [1, 2, 3])  # fmt: skip


def test_no_mistake_is_told_in_the_words_of_pydantic():
    for path in (path for package in MAY_IMPORT for path in sources(package)):
        if "BaseModel" in path.read_text():
            importlib.import_module(".".join(path.with_suffix("").parts))
    found = set()
    for model in models_of(BaseModel):
        for name, field in model.model_fields.items():
            for value in WRONG:
                found |= told_in_words(model, {field.alias or name: value})
    assert {"tuple_type", "int_parsing", "int_from_float", "bool_parsing", "too_long"} <= found


def told_in_words(model, raw):
    """Types of what is wrong in `raw`, none of which is told as pydantic does."""
    try:
        model.model_validate(raw)
    except ValidationError as error:
        with pytest.raises(InputError) as refused:
            check(model, raw, "my.yaml", "thing", "mend it")
        kinds = {each["type"]: each["msg"] for each in error.errors()}
        kinds.pop("value_error", None)  # the project's own
        for kind, words in kinds.items():
            assert words not in str(refused.value), (model, raw, kind)
        return kinds.keys()
    return set()
