"""The best design for a board within what is left of it.

    python examples/best_for_a_board.py [FOLDER]

Looks at every design of a small space for VCK190 with no more LUT, DSP and UltraRAM than LightMamba
takes there. FOLDER gets front.csv, explore.html and the best design as winner.yaml, and keeps what
has been computed.
"""

import sys
from pathlib import Path

from reports.explore import Exploration, Space, explore

SPACE = Space(
    name="within LightMamba's resources",
    networks=("mamba2-2.7b",),
    base="lightmamba-vck190",
    knobs={
        "lanes": [4, 8],
        "matvec.rows": [4, 8, 16],
        "scan.states": [4, 8, 16],
        "memory.port_bits": [128, 256],
        "state.placement": ["chip", "memory"],
    },
    objectives=("tokens_per_second", "lut"),
    constraints=("lut <= 107000", "dsp <= 228", "ultra_ram <= 61"),
    verify={"engine": 1},
)


def show(found: Exploration) -> None:
    print(f"{'tokens/s':>10}{'LUT':>10}{'LUT for one':>13}  the front, best first (modelled)")
    for point in found.points:
        speed, lut = point.measures["tokens_per_second"], point.measures["lut"]
        knobs = " ".join(f"{key}={point.knobs[key]}" for key in SPACE.knobs)
        print(f"{speed:10.2f}{lut:10,.0f}{lut / speed:13,.0f}  {knobs}")


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/best_for_a_board")
    show(explore(SPACE, folder, workers=1))
