"""Footprints of a million designs: how many in a second, and whether each alone fits as well."""

import random
import time
import tracemalloc

from codegen.designs import find_design
from hwsim.closed_form import Designs
from hwsim.devices import find_device
from hwsim.footprints import footprints
from models.networks.shapes import find_shape
from reports.explore.grid import Grid
from soak.test_closed_form import AXES, MANY
from tests.hwsim.test_footprints import alone

ALONE = 500


def test_a_million_designs():
    """CPU seconds of one core on Mamba2-2.7B; at first with the memories of each parallelism."""
    base, shape = find_design("lightmamba-vck190", ()), find_shape("mamba2-2.7b")
    designs, device = Designs.grid(base, AXES, numbers=range(MANY)), find_device("vck190")
    grid = Grid("mamba2-2.7b", shape, device, base, AXES)
    footprints(shape, Designs.of([base]), device)
    for _ in range(3):
        begin = time.process_time()
        found = footprints(shape, designs, device)
        seconds = time.process_time() - begin
        print(f"{MANY / seconds / 1e6:.2f} million designs/s")
    print(f"{found.fits.mean():.1%} of them fit the board")
    for number in random.Random(1).sample(range(MANY), ALONE):
        placed = alone(shape, grid.design(number), device)
        assert found.fits[number] == (placed is not None and placed.fits), number
    assert MANY / seconds > 500_000


def test_memory_of_a_million_designs():
    base, shape = find_design("lightmamba-vck190", ()), find_shape("mamba2-2.7b")
    designs = Designs.grid(base, AXES, numbers=range(MANY))
    tracemalloc.start()
    found = footprints(shape, designs, find_device("vck190"))
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{held / 1e6:.0f} MB of {len(found.fits):,} designs, and {peak / 1e6:.0f} MB on the way")
    assert peak < 200e6
