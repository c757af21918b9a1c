"""Storage: memories become what Yosys makes of them, and the compiled rules are the same."""

from itertools import product

import numpy as np
import pytest

from hwsim.devices import find_device, names
from hwsim.storage import (
    BLOCK_RAM,
    Read,
    Storage,
    become,
    cheapest,
    fewest,
    needs,
    needs_of_many,
    rules_of,
    rules_on,
)

XILINX = rules_of("ultrascale_plus")


@pytest.mark.parametrize(
    ("storage", "luts", "blocks"),
    [
        (Storage(4, 20), 16, 0),
        (Storage(40, 100), 120, 0),
        (Storage(65, 20), 48, 0),
        (Storage(65, 36), 0, 1),
        (Storage(129, 8), 40, 0),
        (Storage(257, 8), 80, 0),
        (Storage(600, 72), 0, 4),
        (Storage(65, 36, read=Read.IMMEDIATE), 72, 0),
        (Storage(64, 21, read=Read.SAME_ADDRESS), 21, 0),
        (Storage(256, 31, read=Read.CONSTANT), 0, 0),
        (Storage(256, 36, read=Read.CONSTANT), 0, 1),
        (Storage(256, 36, read=Read.CONSTANT, alike=5), 0, 0),
    ],
)
def test_memories(storage, luts, blocks):
    placed = become(storage, XILINX)
    assert (placed.luts, placed.blocks) == (luts, blocks)


def test_each_family_has_its_own_rules():
    """7 series' LUTs are chosen from fewer at once; ECP5's hold a quarter of the words."""
    found = {
        f: become(Storage(64, 12), rules_of(f)) for f in ("ultrascale_plus", "7series", "ecp5")
    }
    assert [placed.luts for placed in found.values()] == [16, 16, 48]
    assert [placed.rows for placed in found.values()] == [1, 1, 4]
    assert become(Storage(256, 36, read=Read.CONSTANT), rules_of("ecp5")).blocks == 1
    assert rules_of("versal") is rules_of("ultrascale") is XILINX


@pytest.mark.parametrize(
    ("words", "bits", "blocks"),
    [
        (512, 36, 1), (513, 36, 2), (512, 37, 2), (2048, 9, 1), (2048, 10, 2), (4096, 4, 1),
        (4097, 4, 2), (16384, 1, 1), (16385, 1, 2),
    ],
)  # fmt: skip
def test_blocks(words, bits, blocks):
    assert fewest(words, bits, BLOCK_RAM.shapes) == blocks


def test_ultra_ram_has_one_width_where_it_has_no_more():
    zcu104, vck190 = (rules_on(find_device(name)).ultra for name in ("zcu104", "vck190"))
    assert [fewest(*of, zcu104) for of in [(4096, 72), (100, 73), (4097, 1)]] == [1, 2, 2]
    assert [fewest(*of, vck190) for of in [(4096, 72), (100, 73), (4097, 1), (32769, 9)]] == [
        1, 2, 1, 2
    ]  # fmt: skip


def test_ultra_ram_holds_no_constants():
    rules = rules_on(find_device("zcu104"))
    assert needs(4096, 72, Read.CLOCKED, rules) == (16, 1)
    assert needs(4096, 72, Read.CONSTANT, rules) == (16, 0)
    assert needs(4096, 72, Read.IMMEDIATE, rules) == (0, 0)
    assert needs(4096, 72, Read.CLOCKED, rules_on(find_device("zcu102"))) == (16, 0)


def edges(rules):
    """Words about those at which a memory needs one row more."""
    words = {row[0] for row in (*rules.cells, *rules.shared)} | {row[1] for row in rules.shapes}
    return [each + more for each in sorted(words) for more in (0, 1)]


@pytest.mark.parametrize("name", names())
def test_the_compiled_rules_are_the_plain_ones(name):
    rules, chance = rules_on(find_device(name)), np.random.default_rng(7)
    drawn = np.exp(chance.uniform(np.log(2), np.log(60_000), 400)).astype(int)
    words = [*edges(rules), *drawn.tolist()]
    wide = np.exp(chance.uniform(0, np.log(3_000), len(words))).astype(int).tolist()
    told = [(*each, read) for each, read in product(zip(words, wide, strict=True), Read)]
    found = needs_of_many(*np.array(told, np.int64).T, rules)
    expected = [needs(*each, rules) for each in told]
    assert found.tolist() == [list(each) for each in expected]
    assert 0.3 < np.mean(found[:, 0] > 0) < 0.9


def test_the_cheapest_memory_of_luts_is_the_first_of_equal_ones():
    assert cheapest(8, 3, ((32, 3, 4, 8), (64, 3, 8, 8))) == (8, 4, 1)
