"""Logic: units and memories are those of the hardware, products and memories map by the rules."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from amaranth.hdl import Fragment

from codegen.designs import find_design
from hwsim.devices import find_device
from hwsim.devices.families import mapped
from hwsim.logic import basis, coefficients, logic, total
from hwsim.logic.calibration import Calibration
from hwsim.logic.features import features
from hwsim.logic.inventory import Product
from hwsim.logic.machine import inventories
from hwsim.logic.mapping import MAPPINGS
from hwsim.resources import memories, place
from models.formats import Fixed
from models.networks.machine import machine_config
from models.networks.shapes import find_mamba2_shape
from reports.logic import CONTAINERS
from rtl.accelerator import Accelerator
from tests.networks.examples import GROUPED, PLAIN

EVERYTHING = (
    "state.placement=memory", "precision.hadamard=true", "order=naive", "memory.ports=2"
)  # fmt: skip


@pytest.mark.parametrize("overrides", [("counters=false",), EVERYTHING])
def test_these_are_the_units_of_the_hardware(overrides):
    machine = machine_config(PLAIN, find_design("tiny", overrides))
    found, inside = set(), [("accelerator", Fragment.get(Accelerator(machine), None))]
    while inside:
        place, fragment = inside.pop()
        named = {f"{place}.{name}": each for each, name, _ in fragment.subfragments}
        inside += [item for item in named.items() if item[0] in CONTAINERS]
        found |= {name.rpartition(".")[2] for name in named.keys() - set(CONTAINERS)}
    assert inventories(machine).keys() == found


@pytest.mark.parametrize("shape", [PLAIN, GROUPED])
@pytest.mark.parametrize(
    "overrides",
    [(), EVERYTHING, ("lanes=8", "matvec.rows=8", "matvec.columns=16", "scan.states=8")],
)
def test_units_hold_what_resources_tell(shape, overrides):
    machine = machine_config(shape, find_design("tiny", overrides))
    told, held = Counter(), Counter()
    for storage in memories(machine).values():
        told[replace(storage, copies=1)] += storage.copies
    for unit in inventories(machine).values():
        for each in unit.memories:
            held[replace(each, copies=1)] += each.copies
    assert held == told


@pytest.mark.parametrize("family", [*MAPPINGS, "versal"])
@pytest.mark.parametrize("overrides", [(), EVERYTHING])
def test_block_ram_on_a_board_is_that_of_the_units(family, overrides):
    """Which is exactly Yosys' on every sample, by `tests/reports/test_logic.py`."""
    machine = machine_config(PLAIN, find_design("lightmamba-vck190", ("lanes=8", *overrides)))
    device = find_device("zcu102").model_copy(update={"family": family})
    units = inventories(machine).values()
    expected = sum(features(unit, MAPPINGS[mapped(family)]).block_ram for unit in units)
    assert place(memories(machine), device).block_ram == expected > 20


@pytest.mark.parametrize(
    ("a", "b", "dsps"),
    [
        (Fixed(4), Fixed(4), (0, 0, 1)),
        (Fixed(4), Fixed(5), (1, 1, 1)),
        (Fixed(8), Fixed(8), (1, 1, 1)),
        (Fixed(26), Fixed(18), (1, 2, 2)),
        (Fixed(24), Fixed(24), (2, 2, 4)),
        (Fixed(22, signed=False), Fixed(20, signed=False), (2, 2, 4)),
    ],
)
def test_products(a, b, dsps):
    found = (MAPPINGS[family].dsps(Product(1, a, b)) for family in MAPPINGS)
    assert tuple(found) == dsps


@pytest.mark.parametrize("family", [*MAPPINGS, "versal"])
def test_more_parallelism_takes_more(family):
    shape = find_mamba2_shape("mamba2-130m")
    counts = []
    for rows in (8, 16, 32):
        design = find_design("lightmamba-vck190", (f"matvec.rows={rows}",))
        counts.append(logic(machine_config(shape, design), family)["matvec"])
    more = [(b.lut - a.lut, b.ff - a.ff) for a, b in pairwise(counts)]
    for one, two in zip(*more, strict=True):
        assert 1.8 < two / one < 2.2
    products = {"ecp5": 64}.get(family, 0)
    assert [each.dsp for each in counts] == [products, 2 * products, 4 * products]


def test_factors_of_a_calibration_are_applied():
    machine = machine_config(PLAIN, find_design("tiny"))
    found = total(logic(machine, "7series"))
    halved = found.times(Calibration(source="a report", lut=0.5))
    assert (halved.lut, halved.ff, halved.dsp) == (round(found.lut / 2), found.ff, found.dsp)


def test_the_basis_tells_the_errors_of_what_is_mapped():
    assert mapped("versal") == mapped("ultrascale") == "ultrascale_plus"
    of = coefficients()["families"]["ultrascale_plus"]["errors"]["lut"]
    assert basis("versal") == (
        f"fitted on Yosys for ultrascale_plus; of {of['units']} units left out of the fit, half "
        f"are within {of['median']:.1%} of its LUTs, nine of ten within {of['p90']:.1%}"
    )
