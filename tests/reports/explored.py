"""A made-up exploration in the structure of explore.json, for tests of what is told of it."""

from itertools import product

KNOBS = {
    "lanes": [4, 8, 16],
    "matvec.rows": [4, 8, 16, 32],
    "memory.port_bits": [64, 128, 256, 512],
    "precision": ["w8a8", "w4a4"],
}
CLOCK_HZ, MACS, LUT, BANDWIDTH = 400e6, 2.7e9, 899_840, 12e9
LUT_LIMIT = 60_000
MEASURES = {
    "tokens_per_second": ("tokens per second", "tokens/s", "largest", "closed form"),
    "lut": ("LUT", "LUT", "smallest", "resource model"),
    "joules_per_token": ("energy", "J", "smallest", "energy model"),
    "memory_bandwidth": ("memory bandwidth", "B/s", "smallest", "the board's, at this port"),
}
FRONT, DOMINATED, LIMITED, REFUSED = range(4)


def measures(lanes, rows, port, precision):
    """What is known of a design; None where it fits neither network nor port."""
    if lanes > 2 * rows:
        return None
    bits = int(precision[1])
    bandwidth = min(port / 8 * CLOCK_HZ * 0.9375, BANDWIDTH)
    speed = 1 / max(MACS * bits / 8 / bandwidth, MACS / (lanes * rows * CLOCK_HZ))
    lut = 9_000 + lanes * rows * bits * bits * 8 + 900 * lanes + 20 * port
    energy = 2.0 / speed + MACS * bits * 1.2e-11 + lut * 1e-6
    values = (speed, float(lut), energy, bandwidth)
    return dict(zip(MEASURES, values, strict=True))


def kept(costs):
    """Those that no other is as good as in both costs, and better in one."""
    found, least = set(), float("inf")
    for cost in sorted(set(costs)):
        if cost[1] < least:
            found.add(cost)
            least = cost[1]
    return found


def cost(found):
    return -found["tokens_per_second"], found["lut"]


def words(knobs):
    return {key: [f"{key}={value}" for value in values] for key, values in knobs.items()}


def explored(knobs=KNOBS, network="mamba2-2.7b", limit=LUT_LIMIT):
    """All of explore.json for one network."""
    every = [measures(*values) for values in product(*knobs.values())]
    best = kept(cost(each) for each in every if each and each["lut"] <= limit)
    reason = [
        REFUSED if each is None
        else LIMITED if each["lut"] > limit
        else FRONT if cost(each) in best else DOMINATED
        for each in every
    ]  # fmt: skip
    texts = ("on the front", "dominated", f"lut <= {limit}", "lanes must be at most twice the rows")
    kinds = ("front", "dominated", "constraint", "network")
    points = [point(knobs, network, at, every[at]) for at, r in enumerate(reason) if r == FRONT]
    points.sort(key=lambda each: -each["measures"]["tokens_per_second"])
    points[0]["winner"] = True
    return {
        "version": 1,
        "name": "example",
        "command": "puffadder explore example --out DIR",
        "run": {"seconds": 1.5, "computed": len(every)},
        "space": {
            "command": "puffadder estimate",
            "networks": [network],
            "base": "lightmamba-vck190",
            "knobs": knobs,
            "words": words(knobs),
            "objectives": ["tokens_per_second", "lut"],
            "constraints": [f"lut <= {limit}"],
            "points": len(every),
            "looked_at": len(every),
            "search": "grid",
        },
        "boards": {"vck190": {"lut": LUT, "ff": None, "dsp": 1_968, "block_ram": 1_934,
                              "ultra_ram": 463, "trust": {"lut": "data sheet"}}},
        "measures": {
            name: dict(zip(("label", "unit", "best", "basis"), told, strict=True))
            | {"tag": "modelled"}
            for name, told in MEASURES.items()
        },
        "reasons": [
            {"kind": kind, "text": text, "points": reason.count(at)}
            for at, (kind, text) in enumerate(zip(kinds, texts, strict=True))
        ],
        "front": points,
        "sample": {
            "columns": ["network", "reason", "chosen", *MEASURES],
            "rows": [
                [0, reason[at], places(knobs, at), *each.values()]
                for at, each in enumerate(every)
                if each
            ],
        },
        "stages": stages(len(every), len(points)),
        "winners": [winner(knobs, points[0], every, reason, texts)],
    }  # fmt: skip


def places(knobs, number):
    """The index of each knob's value at a point."""
    found = []
    for values in reversed(knobs.values()):
        number, at = divmod(number, len(values))
        found.append(at)
    return found[::-1]


def point(knobs, network, number, found):
    at = places(knobs, number)
    values = {key: tried[place] for (key, tried), place in zip(knobs.items(), at, strict=True)}
    overrides = " ".join(f"{key}={value}" for key, value in values.items())
    return {
        "id": f"{network}/{number:07}",
        "network": network,
        "number": number,
        "knobs": values,
        "chosen": at,
        "measures": found,
        "engine": None,
        "command": f"puffadder estimate {network} lightmamba-vck190 {overrides}",
        "winner": False,
    }


def stages(points, left):
    error = {"median": 0.0002, "worst": -0.0041}
    return [
        {"name": "closed form", "points": points, "left": left},
        {"name": "engine", "points": left, "quantity": "cycles_per_token",
         "against": "closed form", "error": error, "rows": []},
        {"name": "Verilator", "points": 1, "quantity": "cycles", "against": "engine", "equal": True,
         "error": {"median": 0.0, "worst": 0.0}, "rows": [], "basis": "one layer"},
    ]  # fmt: skip


def winner(knobs, best, every, reason, texts):
    values, found = best["knobs"], best["measures"]
    sizes = list(product(*knobs.values()))
    sensitivity = {}
    for key, tried in knobs.items():
        at = [sizes.index(tuple((values | {key: value}).values())) for value in tried]
        sensitivity[key] = [
            {"value": value, "measures": every[number] or {},
             "reason": None if reason[number] in (FRONT, DOMINATED) else texts[reason[number]],
             "chosen": value == values[key]}
            for value, number in zip(tried, at, strict=True)
        ]  # fmt: skip
    cycles = round(CLOCK_HZ / found["tokens_per_second"])
    busy, less = round(0.97 * cycles), round(0.4 * cycles)
    bits = int(values["precision"][1])
    return {
        "id": best["id"],
        "network": best["network"],
        "design": {"lanes": values["lanes"]},
        "yaml": f"lanes: {values['lanes']}\nmatvec: {{rows: {values['matvec.rows']}}}\n",
        "command": best["command"],
        "file": "winner.yaml",
        "board": "vck190",
        "measures": found,
        "tokens_per_second": {"value": 0.998 * found["tokens_per_second"], "tag": "modelled",
                              "basis": "engine"},
        "breaks": [],
        "sensitivity": sensitivity,
        "cycles": {
            "total": cycles,
            "units": {
                "fetch": {"busy": busy, "output": cycles - busy},
                "matvec": {"busy": less, "memory_read": cycles - less - 1000, "fill": 1000},
                "scan": {"busy": 90_000, "input": cycles - 95_000, "state": 5_000},
                "argmax": {"busy": 50_000, "input": cycles - 50_000},
            },
        },
        "bounds": {"port": busy, "multipliers": less, "scan": 90_000},
        "resources": {
            "units": {unit: {"lut": found["lut"] * part, "ff": 2 * part * found["lut"], "dsp": dsp}
                      for unit, part, dsp in (("matvec", 0.5, 64), ("scan", 0.3, 90),
                                              ("norm", 0.1, 8), ("fetch", 0.1, 0))},
            "memories": {"fetch.weights": 2**20, "scan.state": 2**19, "norm.vector": 2**14},
        },
        "energy": {"compute": 0.1, "on_chip": 0.05, "off_chip": 0.2, "static": 0.3},
        "roofline": {
            "macs_per_token": MACS,
            "bytes_per_token": MACS * bits / 8,
            "peak_macs_per_s": values["lanes"] * values["matvec.rows"] * CLOCK_HZ,
            "bandwidth": found["memory_bandwidth"],
            "tokens_per_second": found["tokens_per_second"],
            "clock_hz": CLOCK_HZ,
        },
    }  # fmt: skip
