"""Control: every register is where the map says, and runs start and end as software expects."""

import random

import pytest
from amaranth.sim import Simulator

from models.registers import ADDRESS_BITS, REGISTERS, VERSION, WORD_BITS, register_map
from rtl.axi import OKAY, SLVERR
from rtl.control import Control

COUNTERS = ("matvec_busy", "scan_busy", "scan_stalled")
MAP = register_map(COUNTERS)
FIELDS = [(register, field) for register in MAP.values() for field in register.fields]
KEPT = [(register, field) for register, field in FIELDS if field.access == "read-write"]
SAID = [
    (register, field)
    for register, field in FIELDS
    if field.access == "read-only" and field.name not in ("idle", "cycles")
]


class Host:
    """Software on the other side of AXI4-Lite, as willing on each edge as `willingness` says."""

    def __init__(self, ctx, dut, willingness=1.0, seed=0):
        self.ctx, self.dut = ctx, dut
        self.willingness, self.chance = willingness, random.Random(seed)

    def port(self, name):
        return getattr(self.dut, f"s_axi_control_{name}")

    async def send(self, **fields):
        """Offer a channel its fields until it has taken them."""
        channel = next(iter(fields))[: 1 if "wdata" in fields else 2]
        while self.chance.random() > self.willingness:
            await self.ctx.tick()
        for name, value in fields.items():
            self.ctx.set(self.port(name), value)
        self.ctx.set(self.port(f"{channel}valid"), 1)
        await self.ctx.tick().until(self.port(f"{channel}ready"))
        self.ctx.set(self.port(f"{channel}valid"), 0)

    async def receive(self, channel, *names):
        held = None
        while True:
            willing = self.chance.random() <= self.willingness
            self.ctx.set(self.port(f"{channel}ready"), willing)
            ports = [self.port(f"{channel}{name}") for name in ("valid", *names)]
            _, _, valid, *values = await self.ctx.tick().sample(*ports)
            assert held in (None, values), f"{channel} changed while it was valid"
            if valid and willing:
                self.ctx.set(self.port(f"{channel}ready"), 0)
                return values
            held = values if valid else None

    async def write(self, offset, word, strobe=0xF, data_first=False):
        channels = [{"awaddr": offset}, {"wdata": word, "wstrb": strobe}]
        for fields in reversed(channels) if data_first else channels:
            await self.send(**fields)
        [response] = await self.receive("b", "resp")
        return response

    async def read(self, offset):
        await self.send(araddr=offset)
        return await self.receive("r", "data", "resp")

    async def read_value(self, name):
        words = [await self.read(offset) for offset in MAP[name].words.values()]
        assert all(response == OKAY for _, response in words)
        return sum(word << WORD_BITS * at for at, (word, _) in enumerate(words))


def run(*testbenches):
    dut = Control(COUNTERS)
    sim = Simulator(dut)
    sim.add_clock(1e-6)

    def bind(testbench):
        async def bound(ctx):
            await testbench(ctx, dut)

        return bound

    for testbench in testbenches:
        sim.add_testbench(bind(testbench))
    sim.run()


def test_no_two_registers_share_a_word_nor_two_fields_a_bit():
    offsets = [offset for register in MAP.values() for offset in register.words.values()]
    assert len(offsets) == len(set(offsets))
    assert all(offset % 4 == 0 for offset in offsets)
    for register in MAP.values():
        bits = [field.low + at for field in register.fields for at in range(field.bits)]
        assert len(bits) == len(set(bits))
        assert max(bits) < register.bits
    names = [field.name for _, field in FIELDS]
    assert len(names) == len(set(names))


def test_the_first_register_is_that_of_vitis_kernels():
    control = REGISTERS["CONTROL"]
    assert control.offset == 0
    assert {field.name: field.low for field in control.fields} == {
        "start": 0, "done": 1, "idle": 2, "ready": 3,
    }  # fmt: skip
    others = [offset for r in MAP.values() if r is not control for offset in r.words.values()]
    assert min(others) >= 0x10, "0x04 to 0x0c are its interrupt registers"


@pytest.mark.parametrize("willingness", [1.0, 0.3])
@pytest.mark.parametrize("data_first", [False, True])
def test_what_is_written_is_read_back_and_stands_on_the_ports(willingness, data_first):
    async def testbench(ctx, dut):
        host, chance = Host(ctx, dut, willingness), random.Random(1)
        values = {field.name: chance.getrandbits(field.bits) for _, field in KEPT}
        for register, field in KEPT:
            for at, offset in enumerate(register.words.values()):
                word = values[field.name] >> at * WORD_BITS & (1 << WORD_BITS) - 1
                assert await host.write(offset, word, data_first=data_first) == OKAY
        for register, field in KEPT:
            assert await host.read_value(register.name) == values[field.name]
            assert ctx.get(getattr(dut, field.name)) == values[field.name]

    run(testbench)


def test_what_the_hardware_says_is_read_and_cannot_be_written():
    async def testbench(ctx, dut):
        host, chance = Host(ctx, dut), random.Random(2)
        values = {field.name: chance.getrandbits(field.bits) | 1 for _, field in SAID}
        for name, value in values.items():
            ctx.set(getattr(dut, name), value)
        for register, field in SAID:
            for offset in register.words.values():
                assert await host.write(offset, 0) == OKAY
            whole = await host.read_value(register.name)
            assert whole >> field.low & (1 << field.bits) - 1 == values[field.name]
        assert await host.write(MAP["VERSION"].offset, 0) == OKAY
        assert await host.read_value("VERSION") == VERSION

    run(testbench)


def test_only_strobed_bytes_are_written():
    async def testbench(ctx, dut):
        host, offset = Host(ctx, dut), MAP["NEW_TOKENS"].offset
        await host.write(offset, 0x11223344)
        for strobe, expected in [
            (0b0001, 0x112233DD), (0b1000, 0xAA2233DD), (0b0110, 0xAABBCCDD), (0, 0xAABBCCDD),
        ]:  # fmt: skip
            await host.write(offset, 0xAABBCCDD, strobe)
            assert ctx.get(dut.new_tokens) == expected
        await host.write(MAP["CONTROL"].offset, 1, strobe=0b1110)
        assert ctx.get(dut.idle)

    run(testbench)


def test_where_no_register_is_there_is_an_error():
    async def testbench(ctx, dut):
        host = Host(ctx, dut)
        known = {offset for register in MAP.values() for offset in register.words.values()}
        for offset in [0x04, 0x0C, 0x4C, 0x100 + 8 * len(COUNTERS), 0xFFC]:
            assert offset not in known
            assert await host.read(offset) == [0, SLVERR]
            assert await host.write(offset, 1) == SLVERR
        assert await host.read(MAP["VERSION"].offset) == [VERSION, OKAY]

    run(testbench)


@pytest.mark.parametrize("length", [1, 2, 40])
def test_a_run_from_start_to_done(length):
    seen = []

    async def hardware(ctx, dut):
        await ctx.tick().until(dut.start)
        for _ in range(length - 1):
            await ctx.tick()
        ctx.set(dut.done, 1)
        _, _, start = await ctx.tick().sample(dut.start)
        seen.append(start)
        ctx.set(dut.done, 0)

    async def testbench(ctx, dut):
        host = Host(ctx, dut)
        assert await host.read_value("CONTROL") == 0b0100
        await host.write(MAP["CONTROL"].offset, 1)
        if length > 20:
            assert await host.read_value("CONTROL") == 0b0001
            await host.write(MAP["CONTROL"].offset, 1)  # ignored
        await ctx.tick().until(dut.idle)
        await ctx.tick().repeat(3)
        assert await host.read_value("CYCLES") == length
        assert await host.read_value("CONTROL") == 0b1110
        assert await host.read_value("CONTROL") == 0b0100, "done is cleared by reading it"
        assert seen == [0], "start is high for one cycle"

    run(testbench, hardware)


def test_runs_follow_one_another_and_each_is_timed_anew():
    async def hardware(ctx, dut):
        for length in (30, 10):
            await ctx.tick().until(dut.start)
            await ctx.tick().repeat(length - 1)
            ctx.set(dut.done, 1)
            await ctx.tick()
            ctx.set(dut.done, 0)

    async def testbench(ctx, dut):
        host = Host(ctx, dut)
        for length in (30, 10):
            await host.write(MAP["CONTROL"].offset, 1)
            while not await host.read_value("CONTROL") & 0b0010:
                pass
            assert await host.read_value("CYCLES") == length

    run(testbench, hardware)


def test_refuses_more_counters_than_addresses():
    with pytest.raises(ValueError, match=r"^counters must be at most 448, not 449$"):
        register_map([f"n{at}" for at in range(449)])


def test_registers_of_all_ports_and_counters_lie_apart():
    registers = register_map([f"n{at}" for at in range(448)], ports=32)
    offsets = [at for register in registers.values() for at in register.words.values()]
    assert len(set(offsets)) == len(offsets)
    assert max(offsets) + 4 == 1 << ADDRESS_BITS
