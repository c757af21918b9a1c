"""Precisions: each is refused with a message, or a network computes in it without a fault."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.designs import FOLDER
from models.design import read_design
from models.errors import InputError
from models.formats import Fixed
from models.networks.layer import layer_units
from models.networks.mamba2 import Network
from models.precision import NAMED, Precision
from models.quantization.rtn import quantize_network
from tests.networks.examples import PLAIN, random_parameters

PARAMETERS = random_parameters(PLAIN)
DESIGN: Path = FOLDER / "tiny.yaml"


def values(name, usual):
    """Overrides of the field `name`: near what is usual, and far from it."""
    if isinstance(usual, Fixed):
        return st.builds(
            "{}{}f{}".format,
            st.sampled_from(["s", "u"] + 8 * ["s" if usual.signed else "u"]),
            st.integers(max(1, usual.width - 12), usual.width + 12),
            st.integers(usual.frac - 12, usual.frac + 12),
        )
    if name == "weight_scale":
        return st.sampled_from(["pot", "pot2", "mantissa"])
    return st.integers(1, 20) | st.sampled_from([32, 64, 128])


FIELDS = [values(name, field.default) for name, field in Precision.model_fields.items()]
OVERRIDES = st.lists(
    st.one_of(
        st.tuples(st.just(name), each)
        for name, each in zip(Precision.model_fields, FIELDS, strict=True)
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(OVERRIDES)
def test_is_refused_or_computes(changes):
    overrides = tuple(f"precision.{name}={value}" for name, value in changes)
    refusal = refused(overrides)
    assert refusal is None or " must " in refusal


def refused(overrides):
    """Why a network cannot be computed with these overrides, or None when it was."""
    try:
        design = read_design(DESIGN, overrides)
        layer_units(PLAIN, design)
        Network(quantize_network(PARAMETERS, design.precision)).prefill(np.array([1, 39]))
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", NAMED)
def test_is_the_same_after_it_was_written(name):
    precision = NAMED[name]
    assert Precision.model_validate(precision.model_dump()) == precision
    assert Precision.model_validate_json(precision.model_dump_json()) == precision
