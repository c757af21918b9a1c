"""What is behind the memory ports, of many designs: LUTs, flip-flops and DSPs as of each alone."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.devices.families import FamilyName, mapped
from hwsim.distinct import distinct
from hwsim.logic import modelled, taken, total
from hwsim.logic.features import FF_FEATURES, LUT_FEATURES, Features, features
from hwsim.logic.inventory import Inventory
from hwsim.logic.machine import masters
from hwsim.logic.mapping import MAPPINGS
from hwsim.logic.streams import headers, waits
from models.memory_port import ReadPortConfig
from models.networks.queues import Loads, depths
from models.units.fetch import Counts

Table = NDArray[np.float64]


def fetch_logic(
    loads: Loads, word_bits: Counts, prefetch: Counts, buffers: Counts, family: FamilyName
) -> Table:
    """LUTs, flip-flops and DSPs (designs, 3) of fetch, for arrays (designs,) of everything.

    The features of its targets add up.
    """
    target, places = mapped(family), depths(loads, word_bits, prefetch, buffers)
    seen = np.tile(_row(headers(), target), (len(word_bits), 1))
    for name, load in loads.items():
        first, which = distinct([load.bits, places[name], word_bits])
        columns = (each[first].tolist() for each in (load.bits, places[name], word_bits))
        rows = [_more(*of, target) for of in zip(*columns, strict=True)]
        seen += np.array(rows)[which]
    lut, ff, exact = np.split(seen.T, np.cumsum([len(LUT_FEATURES), len(FF_FEATURES)]))
    found = modelled("fetch", Features(tuple(lut), tuple(ff), *exact), target)
    return np.stack(found, axis=1)


@lru_cache(maxsize=1 << 16)
def _more(bits: int, depth: int, word_bits: int, target: FamilyName) -> Table:
    """The features that a target adds to fetch, which is one unit with all of them."""
    return _row(waits(bits, depth, word_bits), target) - _row(Inventory("fetch"), target)


def _row(unit: Inventory, target: FamilyName) -> Table:
    seen = features(unit, MAPPINGS[target])
    return np.array([*seen.lut, *seen.ff, seen.dsp, seen.block_ram, seen.memory_lut], np.float64)


def masters_logic(table: NDArray[Any], family: FamilyName) -> Table:
    """LUTs, flip-flops and DSPs (designs, 3) of the ports' masters.

    table  records (designs,)  ports, port_bits, outstanding, and whether the state is spilled
    """
    first, which = distinct([table[name] for name in table.dtype.names or ()])
    found = np.zeros((len(first), 3))
    for at, (ports, port_bits, outstanding, spilled) in enumerate(table[first].tolist()):
        config = ReadPortConfig(port_bits, outstanding=outstanding)  # whatever its bursts
        of = total(
            {name: taken(unit, family) for name, unit in masters(config, ports, spilled).items()}
        )
        found[at] = of.lut, of.ff, of.dsp
    return found[which]
