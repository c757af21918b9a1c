"""The table of certificates."""

import json
from pathlib import Path

import pytest

from models.errors import InputError
from models.quantization.certificates import Certificate
from reports.certificate import Certificates, certificates

MODEL = str(Path(__file__).parents[1] / "networks" / "recorded" / "groups")


def test_text_and_json():
    row = Certificate(3, 0.5, 0.0125, 0.25, 125.0, 0.999969)
    table = Certificates("rtn", "w8a8", 64, [row])
    assert table.to_text().splitlines() == [
        "rtn, w8a8: the state after 64 tokens, and what its rounding error cannot exceed",
        "layer    state, RMS    bound, RMS    share       largest        static   largest decay",
        "    3           0.5        0.0125     2.5%          0.25           125        0.999969",
    ]
    assert json.loads(table.to_json())["layers"][0]["static"] == 125


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("rtn", "w9a9"), "precision must be one of w8a8, w4a8, w4a4, not 'w9a9'; "
         "name one of these"),
        (("mine", "w8a8"), "recipe must be one of "),
    ],
)  # fmt: skip
def test_refuses_what_it_does_not_know(given, message, tmp_path):
    with pytest.raises(InputError) as refusal:
        certificates(MODEL, None, 8, *given)
    assert str(refusal.value).startswith(message)


def test_every_layer_of_the_bundled_network():
    found = certificates("bundled", None, 24, "rtn", "w8a8")
    assert [layer.layer for layer in found.layers] == [0, 1, 2, 3]
    assert all(layer.bound_rms < 0.2 * layer.state_rms for layer in found.layers)
