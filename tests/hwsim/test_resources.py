"""On-chip memory: the bits that the hardware instantiates, and the blocks that they take."""

from collections import Counter

import pytest
from amaranth.hdl import Fragment, Shape
from amaranth.lib.memory import Memory

from codegen.designs import find_design
from hwsim.devices import find_device
from hwsim.resources import memories, place, require_fit, total_bits
from hwsim.storage import Read, Storage
from models.errors import InputError
from models.networks.machine import machine_config
from models.networks.shapes import find_shape
from rtl.accelerator import Accelerator
from tests.networks.examples import GROUPED, ODD, PLAIN

ROTATED = ("precision.hadamard=true",)
WIDE = ("lanes=8", "matvec.rows=8", "matvec.columns=16", "scan.states=8")


@pytest.mark.parametrize(
    ("shape", "overrides"),
    [
        (PLAIN, ()),
        (PLAIN, ("scan.states=2", "scan.channels=2", "memory.prefetch=100", "order=naive")),
        (PLAIN, ("state.placement=memory", "memory.outstanding=8")),
        (GROUPED, WIDE),
        (ODD, ("precision=w8a8", "precision.weight_scale=mantissa")),
        (PLAIN, ROTATED),
        (GROUPED, ROTATED),
        (GROUPED, ("lanes=1", *ROTATED)),
    ],
)
def test_these_are_the_memories_of_the_hardware(shape, overrides, monkeypatch):
    built, elaborate = Counter(), Memory.elaborate

    def count(memory, platform):
        built[memory.depth, Shape.cast(memory.shape).width] += 1
        return elaborate(memory, platform)

    monkeypatch.setattr(Memory, "elaborate", count)
    machine = machine_config(shape, find_design("tiny", overrides))
    Fragment.get(Accelerator(machine), None)
    told, found = Counter(), memories(machine)
    for storage in found.values():
        told[storage.words, storage.bits] += storage.copies
    assert told == built
    assert total_bits(found) == sum(words * bits * n for (words, bits), n in built.items())


def test_small_memories_take_no_blocks_and_tables_no_ultra_ram():
    device = find_device("zcu104")
    banks = Storage(999, 8, read=Read.IMMEDIATE)
    placed = place({"queue": Storage(64, 1000), "banks": banks}, device)
    assert (placed.block_ram, placed.ultra_ram, placed.fits) == (0, 0, True)
    assert place({"state": Storage(4096, 72)}, device).ultra_ram == 1
    assert place({"table": Storage(4096, 72, read=Read.CONSTANT)}, device).block_ram == 16


def test_a_memory_is_in_luts_where_that_costs_less_than_blocks():
    device = find_device("zcu102")
    assert place({"queue": Storage(65, 20)}, device).block_ram == 0
    assert place({"queue": Storage(65, 20, copies=3)}, device).block_ram == 0
    assert place({"queue": Storage(65, 36, copies=3)}, device).block_ram == 3


def test_tables_find_block_ram_before_memories_that_ultra_ram_can_hold():
    few = {"block_ram": find_device("zcu104").block_ram.model_copy(update={"count": 8})}
    device = find_device("zcu104").model_copy(update=few)
    found = {"queue": Storage(2048, 36), "state": Storage(1024, 72)}
    assert place(found, device).block_ram == 8
    placed = place(found | {"table": Storage(1024, 18, 2, Read.CONSTANT)}, device)
    assert (placed.block_ram, placed.ultra_ram) == (6, 1)
    assert placed.fits


def test_the_other_kind_is_taken_when_one_is_full():
    device = find_device("zcu104")
    state = Storage(4096, 72)
    placed = place({f"state{at}": state for at in range(97)}, device)
    assert (placed.ultra_ram, placed.block_ram) == (96, 16)
    assert placed.fits
    placed = place({f"state{at}": state for at in range(96 + 624 // 16 + 2)}, device)
    assert len(placed.left_out) == 2


def test_a_state_that_does_not_fit_is_told():
    machine = machine_config(find_shape("mamba2-780m"), find_design("lightmamba-vck190"))
    with pytest.raises(InputError) as refused:
        require_fit(machine, find_device("vck190"))
    assert str(refused.value) == (
        "design lightmamba-vck190: on-chip memory must fit the blocks of device vck190 "
        "(1934 of 18 Kb, 463 of 288 Kb: 172.2 Mb), not need 167.8 Mb: scan.state 162.8 Mb, "
        "conv1d.history 4.1 Mb, fetch.weights 0.3 Mb, with no blocks left for scan.state; keep the "
        "state in memory with state.placement=memory, or use another board, fewer bits or a "
        "smaller network"
    )


def test_the_published_layer_fits():
    machine = machine_config(find_shape("mamba2-130m"), find_design("lightmamba-vck190"))
    assert require_fit(machine, find_device("vck190")).ultra_ram
