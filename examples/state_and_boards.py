"""Where to keep the scan's state, in how many bits, on which board.

    python examples/state_and_boards.py

On chip the state costs memory blocks and no time; in memory it costs time, less so in fewer bits.
"""

from codegen.designs import find_design
from hwsim.closed_form import Designs, cycles_per_token
from hwsim.devices import find_device
from hwsim.resources import memories, place
from models.design import Design
from models.networks.machine import machine_config
from models.networks.shapes import find_mamba2_shape

SHAPE = find_mamba2_shape("mamba2-370m")
BOARDS = ["vck190", "u280", "zcu104", "kv260", "arty-a7-100t"]
SCAN_BITS = [4, 8, 16]


def design(board: str, placement: str, bits: int) -> Design:
    """16 x 16 int4 multipliers at the board's clock, behind its widest port up to 512 bits."""
    port = min(find_device(board).memory.max_port_bits, 512)
    changes = (f"device={board}", f"state.placement={placement}", f"precision.scan_bits={bits}",
               f"memory.port_bits={port}", "memory.outstanding=16", "clock_hz=null")  # fmt: skip
    return find_design("lightmamba-u280", changes)


def main() -> None:
    print("tokens/s of mamba2-370m (modelled), by where the state is and its bits")
    columns = [(placement, bits) for placement in ("chip", "memory") for bits in SCAN_BITS]
    print(" " * 14 + "".join(f"{f'{placement}, {bits}':>12}" for placement, bits in columns))
    for board in BOARDS:
        designs = [design(board, placement, bits) for placement, bits in columns]
        speeds = cycles_per_token(SHAPE, Designs.of(designs)).tokens_per_second
        cells = []
        for each, speed in zip(designs, speeds, strict=True):
            placed = place(memories(machine_config(SHAPE, each)), find_device(board))
            cells.append(f"{speed:12.1f}" if placed.fits else f"{'no room':>12}")
        print(f"{board:14}" + "".join(cells))


if __name__ == "__main__":
    main()
