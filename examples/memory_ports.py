"""How many memory ports and how many bursts in flight it takes to come close to the roofline.

    python examples/memory_ports.py

Every design of the grid is predicted by the closed form: Mamba2-2.7B on U280, 2,048 int4
multipliers, ports of 256 bits on the channels of its HBM. The share of the roof says how much of a
token's time the ports, or whatever is slower, are really busy.
"""

from codegen.designs import find_design
from hwsim.closed_form import Designs, cycles_per_token
from models.networks.shapes import find_mamba2_shape

NETWORK, DESIGN = "mamba2-2.7b", "lightmamba-u280"
OVERRIDES = ("matvec.rows=64", "matvec.columns=32", "scan.channels=4",
             "memory.port_bits=256", "memory.burst=16")  # fmt: skip
PORTS = [1, 2, 4, 8, 16]
OUTSTANDING = [1, 2, 4, 8]


def main() -> None:
    base = find_design(DESIGN, OVERRIDES)
    grid = Designs.grid(base, {"memory.ports": PORTS, "memory.outstanding": OUTSTANDING})
    told = cycles_per_token(find_mamba2_shape(NETWORK), grid)
    speed = told.tokens_per_second.reshape(len(PORTS), -1)
    roof = (1 - told.exposed / told.total).reshape(speed.shape)

    print(f"{NETWORK} on {DESIGN}: tokens/s (modelled), and the share of the roof")
    print("ports" + "".join(f"{f'{count} in flight':>17}" for count in OUTSTANDING))
    for ports, speeds, shares in zip(PORTS, speed, roof, strict=True):
        cells = [f"{each:9.2f} {share:7.1%}" for each, share in zip(speeds, shares, strict=True)]
        print(f"{ports:5}" + "".join(cells))


if __name__ == "__main__":
    main()
