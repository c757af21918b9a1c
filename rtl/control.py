"""Control: the registers of `models.registers` behind AXI4-Lite; a run from start to done."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from models.registers import ADDRESS_BITS, WORD_BITS, register_map
from rtl.axi import OKAY, SLVERR, lite_ports

OWN = ("start", "done", "idle", "ready", "cycles")
"""Fields that this component answers for itself."""


class Control(wiring.Component):
    """Registers that software reads and writes; one transfer at a time in each direction.

    Reading or writing where no register is answers SLVERR (and 0); writing what is only read does
    nothing and answers OKAY. The two lowest bits of an address are ignored.

    Parameters
    ----------
    counters : sequence of str
        Names of the counters that can be read.
    ports : int
        Memory ports, each with the address of its image.

    Members
    -------
    start : Out(1)
        High for the one cycle in which a run begins; the fields below are set by then.
    done : In(1)
        High for the one cycle in which the run ends. CYCLES is the number of clock edges from the
        one on which the hardware sees `start` to the one on which it gives `done`.
    idle : Out(1)
        No run is going on.
    counts : Out(1)
        This cycle counts; CYCLES is the number of those.
    prompt_tokens, ..., embedding_words : Out
        The read-write fields of the map, by name.
    read_error, write_error, counter_* : In
        The read-only fields of the map, by name.
    s_axi_control_* :
        AXI4-Lite channels.
    """

    def __init__(self, counters=(), ports=1):
        self.registers = register_map(counters, ports)
        ports = {"start": Out(1), "done": In(1), "idle": Out(1), "counts": Out(1)}
        ports |= lite_ports(ADDRESS_BITS)
        for field in self._fields():
            if field.access == "read-write":
                ports[field.name] = Out(field.bits, init=field.reset)
            elif field.access == "read-only" and field.name not in OWN:
                ports[field.name] = In(field.bits)
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        m.submodules.run = run = Run(next(f.bits for f in self._fields() if f.name == "cycles"))
        started, cleared = Signal(), Signal()
        m.d.comb += [
            run.begin.eq(started),
            run.clear.eq(cleared),
            run.done.eq(self.done),
            self.start.eq(run.start),
            self.idle.eq(~run.running),
            self.counts.eq(run.counts),
        ]
        values = {
            "start": run.running,
            "done": run.ended,
            "idle": ~run.running,
            "ready": run.ended,
            "cycles": run.cycles,
        }
        for field in self._fields():
            if field.access == "constant":
                values[field.name] = Const(field.reset, field.bits)
            elif field.name not in OWN:
                values[field.name] = getattr(self, field.name)
        self._write(m, started)
        self._read(m, values, cleared)
        return m

    def _write(self, m, started):
        """Take address and data in any order, then write the bytes that are strobed."""
        address, data, strobe = Signal(ADDRESS_BITS), Signal(WORD_BITS), Signal(4)
        address_held, data_held, known = Signal(), Signal(), Signal()
        write = address_held & data_held & (self.s_axi_control_bready | ~self.s_axi_control_bvalid)
        m.d.comb += [
            self.s_axi_control_awready.eq(~address_held),
            self.s_axi_control_wready.eq(~data_held),
        ]
        with m.If(self.s_axi_control_awready & self.s_axi_control_awvalid):
            m.d.sync += [address_held.eq(1), address.eq(self.s_axi_control_awaddr)]
        with m.If(self.s_axi_control_wready & self.s_axi_control_wvalid):
            m.d.sync += data_held.eq(1)
            m.d.sync += [data.eq(self.s_axi_control_wdata), strobe.eq(self.s_axi_control_wstrb)]
        with m.If(self.s_axi_control_bready):
            m.d.sync += self.s_axi_control_bvalid.eq(0)
        with m.If(write):
            m.d.sync += [
                address_held.eq(0),
                data_held.eq(0),
                self.s_axi_control_bvalid.eq(1),
                self.s_axi_control_bresp.eq(Mux(known, OKAY, SLVERR)),
            ]
        with m.Switch(address[2:]):
            for register, first, offset in self._words():
                with m.Case(offset // 4):
                    m.d.comb += known.eq(1)
                    for byte in range(4):
                        with m.If(write & strobe[byte]):
                            self._write_byte(m, register, first, byte, data, started)

    def _write_byte(self, m, register, first, byte, data, started):
        """Write what of `register` is in a byte of its word that begins at its bit `first`."""
        for field, low, high in _parts(register, first + 8 * byte, first + 8 * byte + 8):
            written = data[low - first : high - first]
            if field.access == "read-write":
                kept = getattr(self, field.name)
                m.d.sync += kept[low - field.low : high - field.low].eq(written)
            elif field.access == "start":
                m.d.comb += started.eq(written)

    def _read(self, m, values, cleared):
        """Take an address, then answer it; reading clears what is cleared by reading."""
        address, held = Signal(ADDRESS_BITS), Signal()
        answer, known, clears = Signal(WORD_BITS), Signal(), Signal()
        read = held & (self.s_axi_control_rready | ~self.s_axi_control_rvalid)
        m.d.comb += [self.s_axi_control_arready.eq(~held), cleared.eq(read & clears)]
        with m.If(self.s_axi_control_arready & self.s_axi_control_arvalid):
            m.d.sync += [held.eq(1), address.eq(self.s_axi_control_araddr)]
        with m.If(self.s_axi_control_rready):
            m.d.sync += self.s_axi_control_rvalid.eq(0)
        with m.If(read):
            m.d.sync += [
                held.eq(0),
                self.s_axi_control_rvalid.eq(1),
                self.s_axi_control_rdata.eq(answer),
                self.s_axi_control_rresp.eq(Mux(known, OKAY, SLVERR)),
            ]
        with m.Switch(address[2:]):
            for register, first, offset in self._words():
                with m.Case(offset // 4):
                    m.d.comb += known.eq(1)
                    for field, low, high in _parts(register, first, first + WORD_BITS):
                        value = values[field.name][low - field.low : high - field.low]
                        m.d.comb += answer[low - first : high - first].eq(value)
                        if field.access == "clear-on-read":
                            m.d.comb += clears.eq(1)

    def _fields(self):
        return [field for register in self.registers.values() for field in register.fields]

    def _words(self):
        """Every word of every register: its register, its first bit there, its offset."""
        return [
            (register, at * WORD_BITS, offset)
            for register in self.registers.values()
            for at, offset in enumerate(register.words.values())
        ]


class Run(wiring.Component):
    """A run from start to done, and its time.

    Members
    -------
    begin : In(1)
        Software wants a run; ignored while one is going on.
    start : Out(1)
        High for one cycle.
    done : In(1)
        High for the cycle in which the run ends.
    running : Out(1)
        From `begin` to `done`.
    counts : Out(1)
        From `start` to before `done`.
    ended : Out(1)
        A run has ended since `clear`.
    clear : In(1)
    cycles : Out
        Clock edges from `start` to `done`: those on which it `counts`.
    """

    def __init__(self, bits):
        ports = {name: In(1) for name in ("begin", "done", "clear")}
        ports |= {name: Out(1) for name in ("start", "running", "counts", "ended")}
        super().__init__(ports | {"cycles": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        begins = self.begin & ~self.running
        ends = self.running & self.done
        m.d.comb += self.counts.eq(self.start | (self.running & ~self.done))
        m.d.sync += self.start.eq(begins)
        with m.If(self.start):
            m.d.sync += self.cycles.eq(1)
        with m.Elif(self.counts):
            m.d.sync += self.cycles.eq(self.cycles + 1)
        with m.If(begins):
            m.d.sync += self.running.eq(1)
        with m.If(self.clear):
            m.d.sync += self.ended.eq(0)
        with m.If(ends):
            m.d.sync += [self.running.eq(0), self.ended.eq(1)]
        return m


def _parts(register, start, stop):
    """Fields with bits in `start..stop - 1` of a register, and where those begin and end in it."""
    for field in register.fields:
        low, high = max(field.low, start), min(field.low + field.bits, stop)
        if low < high:
            yield field, low, high
