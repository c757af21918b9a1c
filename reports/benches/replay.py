"""cocotb bench for any component with stream ports: replay words under random stalls.

The file named by VECTORS holds `inputs` and `outputs`, words by port, and `willingness`, the
chance that either side is willing on an edge; the file named by RECEIVED gets what came out, and
when. Comparing is left to the caller.
"""

import json
import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Combine, RisingEdge

VECTORS = json.loads(Path(os.environ["VECTORS"]).read_text())


@cocotb.test()
async def replay(dut):
    Clock(dut.clk, 10, unit="ns").start()
    for name in VECTORS["inputs"]:
        getattr(dut, f"{name}__valid").value = 0
    for name in VECTORS["outputs"]:
        getattr(dut, f"{name}__ready").value = 0
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    dut.rst.value = 0

    edges = Edges()
    cocotb.start_soon(edges.count(dut))
    received = {name: [] for name in VECTORS["outputs"]}
    first = []
    for name, words in VECTORS["inputs"].items():
        cocotb.start_soon(feed(dut, name, words, edges, first))
    takers = [
        cocotb.start_soon(take(dut, name, count, received[name], edges))
        for name, count in VECTORS["outputs"].items()
    ]
    cocotb.start_soon(give_up(edges, received))
    await Combine(*takers)
    write(received, first=min(first), last=edges.last)


class Edges:
    """Clock edges so far, and the one on which the last output was taken."""

    now = last = 0

    async def count(self, dut):
        edge = RisingEdge(dut.clk)
        while True:
            await edge
            self.now += 1


async def feed(dut, name, words, edges, first):
    valid, ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
    payload, edge = getattr(dut, f"{name}__payload"), RisingEdge(dut.clk)
    willingness, chance = VECTORS["willingness"], random.Random(name)
    offered = False
    for word in words:
        while chance.random() > willingness:
            if offered:
                valid.value = offered = False
            await edge
        payload.value = int(word, 16)
        if not offered:
            valid.value = offered = True
        await edge
        while not ready.value:
            await edge
        if not first or first[-1] > edges.now:
            first.append(edges.now)
    valid.value = False


async def take(dut, name, count, received, edges):
    valid, ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
    payload, edge = getattr(dut, f"{name}__payload"), RisingEdge(dut.clk)
    willingness, chance = VECTORS["willingness"], random.Random(name)
    was = None
    while len(received) < count:
        willing = chance.random() <= willingness
        if willing != was:
            ready.value = was = willing
        await edge
        if willing and valid.value:
            received.append(f"{payload.value.to_unsigned():x}")
            edges.last = edges.now
    ready.value = False


async def give_up(edges, received):
    """Fail when nothing has come out for too long."""
    edge = VECTORS["deadline"]
    while True:
        before = {name: len(words) for name, words in received.items()}
        await cocotb.triggers.Timer(edge * 10, unit="ns")
        if before == {name: len(words) for name, words in received.items()}:
            write(received, first=0, last=0)
            raise TimeoutError(f"no output in {edge} cycles; beats so far: {before}")


def write(received, first, last):
    result = {"outputs": received, "first": first, "last": last}
    Path(os.environ["RECEIVED"]).write_text(json.dumps(result))
