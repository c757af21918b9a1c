"""Replay words into the stream ports of a component in Amaranth's simulator."""

import random
from dataclasses import dataclass

from amaranth import ClockDomain, Module, Value
from amaranth.sim import Simulator

AFTER_VALID = "after valid"


@dataclass
class Run:
    """Words that left by each output port, and when transfers happened."""

    outputs: dict[str, list[int]]
    first: int = 0  # clock edge of the first transfer on any input port
    last: int = 0  # clock edge of the last transfer on any output port

    @property
    def cycles(self):
        """Clock edges from the first transfer in to the last transfer out."""
        return self.last - self.first


def run_streams(dut, inputs, expected, *, offer=1.0, accept=1.0, seed=0, deadline=100_000):
    """Feed words `inputs` by port, collect as many words by port as `expected` has.

    Each side of each port is willing on each edge with probability `offer` or `accept`; a consumer
    that accepts AFTER_VALID is ready only when it has seen valid on the edge before. Raises
    TimeoutError naming what is missing after `deadline` edges, AssertionError for an output that
    changes before it is taken.
    """
    first, last = [], []
    outputs = {name: [] for name in expected}
    edge = 0

    async def count(ctx):
        nonlocal edge
        while True:
            await ctx.tick()
            edge += 1

    def feed(name, words):
        port, chance = getattr(dut, name), random.Random(f"{seed}{name}")

        async def testbench(ctx):
            for word in words:
                while chance.random() > offer:
                    await ctx.tick()
                ctx.set(Value.cast(port.payload), word)
                ctx.set(port.valid, 1)
                _, _, taken = await ctx.tick().sample(port.ready)
                while not taken:
                    _, _, taken = await ctx.tick().sample(port.ready)
                first.append(edge)
                ctx.set(port.valid, 0)

        return testbench

    def drain(name, count):
        port, chance = getattr(dut, name), random.Random(f"{seed}{name}")

        async def testbench(ctx):
            held = None
            for _ in range(deadline):
                willing = held is not None if accept == AFTER_VALID else chance.random() <= accept
                ctx.set(port.ready, willing)
                sampled = await ctx.tick().sample(port.valid, Value.cast(port.payload))
                _, _, valid, word = sampled
                offered = word if valid else None
                assert held in (None, offered), (
                    f"{type(dut).__name__}.{name} offered {held:#x}, was not taken, and now offers "
                    f"{'nothing' if offered is None else hex(offered)}"
                )
                held = None if willing else offered
                if valid and willing:
                    outputs[name].append(word)
                    last.append(edge)
                if len(outputs[name]) == count:
                    ctx.set(port.ready, 0)
                    return
            raise TimeoutError(
                f"{type(dut).__name__}.{name} delivered {len(outputs[name])} of {count} beats "
                f"in {deadline} cycles"
            )

        return testbench

    top = Module()
    top.domains.sync = ClockDomain()  # also for a component that has no register
    top.submodules.dut = dut
    sim = Simulator(top)
    sim.add_clock(1e-6)
    sim.add_testbench(count, background=True)
    for name, words in inputs.items():
        sim.add_testbench(feed(name, words), background=True)
    for name, words in expected.items():
        sim.add_testbench(drain(name, len(words)))
    sim.run()
    return Run(outputs, min(first, default=0), max(last))
