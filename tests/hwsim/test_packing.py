"""Packing: the compiled twin puts memories into the same blocks as `hwsim.resources.place`."""

import numpy as np

from hwsim.devices import Blocks, find_device
from hwsim.packing import Packer, Queues, standing
from hwsim.resources import place
from hwsim.storage import BLOCK_RAM, Read, Storage

BOARD = find_device("kv260")
FAMILIES = ("7series", "ultrascale_plus", "versal", "ecp5")
WIDTHS = {"block_ram": BLOCK_RAM.widths, "ultra_ram": (72, 36)}


def draw_device(rng):
    """A small chip of any family, with few blocks, a third of the time without UltraRAM."""
    kinds = {
        kind: Blocks(count=int(rng.integers(0, 40)), bits=bits, widths=WIDTHS[kind])
        for kind, bits in (("block_ram", 18432), ("ultra_ram", 294912))
    }
    if rng.integers(3) == 0:
        kinds["ultra_ram"] = None
    return BOARD.model_copy(update=kinds | {"family": str(rng.choice(FAMILIES))})


SIZES = [(2, 1000), (64, 72), (65, 72), (4096, 72), (20000, 144), (128, 144), (256, 72), (512, 36),
         (1024, 18), (2048, 9), (2048, 18), (18432, 1)]  # fmt: skip
"""Words and bits; many are as large as others, and need other blocks."""


def draw(rng, queue):
    words, bits = (int(number) for number in rng.choice(SIZES))
    copies = int(rng.choice([1, 1, 2, 5]))
    if queue:
        return Storage(words, bits, copies)
    read = rng.choice(Read, p=[0.35, 0.15, 0.1, 0.4])
    alike = bits // 4 if read == Read.CONSTANT else 0
    return Storage(words, bits, copies, Read(read), alike)


def test_the_same_blocks_whatever_is_full():
    rng = np.random.default_rng(4)
    full = 0
    for _ in range(400):
        device = draw_device(rng)
        queues = [draw(rng, True) for _ in range(rng.integers(0, 7))]
        rows = [
            {f"unit{at}": draw(rng, False) for at in range(rng.integers(0, 9))} for _ in range(2)
        ]
        packer = Packer.of([standing(row) for row in rows], device)
        columns = (
            np.array([[getattr(queue, of)] * 2 for queue in queues], np.int64).reshape(-1, 2)
            for of in Queues._fields
        )
        packed = packer.pack(Queues(*columns), np.array([1, 0]))
        for row, told in zip((rows[1], rows[0]), packed, strict=True):
            found = {f"queue{at}": queue for at, queue in enumerate(queues)} | row
            placed = place(found, device)
            expected = placed.block_ram, placed.ultra_ram, len(placed.left_out)
            assert tuple(told) == expected
            full += not placed.fits
    assert 100 < full < 700
