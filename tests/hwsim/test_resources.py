"""On-chip memory: the bits that the hardware instantiates, and the blocks that they take."""

from collections import Counter

import pytest
from amaranth.hdl import Fragment, Shape
from amaranth.lib.memory import Memory

from codegen.designs import find_design
from hwsim.devices import Blocks, find_device
from hwsim.resources import Storage, blocks_of, memories, place, require_fit, total_bits
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


HALF_BRAM = Blocks(count=8, bits=18432, widths=(36, 18, 9))
URAM = Blocks(count=8, bits=294912, widths=(72,))


@pytest.mark.parametrize(
    ("words", "bits", "blocks", "count"),
    [
        (512, 36, HALF_BRAM, 1),
        (513, 36, HALF_BRAM, 2),
        (512, 37, HALF_BRAM, 2),
        (2048, 9, HALF_BRAM, 1),
        (2048, 10, HALF_BRAM, 2),
        (4096, 72, URAM, 1),
        (100, 73, URAM, 2),
        (4097, 1, URAM, 2),
    ],
)
def test_blocks(words, bits, blocks, count):
    assert blocks_of(Storage(words, bits), blocks) == count


def test_small_memories_take_no_blocks_and_tables_no_ultra_ram():
    device = find_device("zcu104")
    placed = place({"queue": Storage(64, 1000), "banks": Storage(999, 8, immediate=True)}, device)
    assert (placed.block_ram, placed.ultra_ram) == (0, 0)
    assert placed.lut_bits == 64 * 1000 + 999 * 8
    assert place({"state": Storage(4096, 72)}, device).ultra_ram == 1
    assert place({"table": Storage(4096, 72, constant=True)}, device).block_ram == 16


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
