"""AXI: the master that reads port words from memory, and flat ports as the tools infer them."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.streams import stream_of

OKAY, SLVERR = 0b00, 0b10
INCREMENTING = 0b01
MODIFIABLE = 0b0011  # normal memory, not cached, as the tools of Xilinx set it


def read_ports(config, prefix="m_axi_read"):
    """Flat members of an AXI4 read master of a `models.memory_port.ReadPortConfig`."""
    return {
        f"{prefix}_{name}": member
        for name, member in {
            "arid": Out(1),
            "araddr": Out(config.address_bits),
            "arlen": Out(8),
            "arsize": Out(3),
            "arburst": Out(2),
            "arcache": Out(4),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rid": In(1),
            "rdata": In(config.port_bits),
            "rresp": In(2),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
        }.items()
    }


def lite_ports(address_bits, prefix="s_axi_control"):
    """Flat members of an AXI4-Lite slave with words of 32 bits."""
    return {
        f"{prefix}_{name}": member
        for name, member in {
            "awaddr": In(address_bits),
            "awvalid": In(1),
            "awready": Out(1),
            "wdata": In(32),
            "wstrb": In(4),
            "wvalid": In(1),
            "wready": Out(1),
            "bresp": Out(2),
            "bvalid": Out(1),
            "bready": In(1),
            "araddr": In(address_bits),
            "arvalid": In(1),
            "arready": Out(1),
            "rdata": Out(32),
            "rresp": Out(2),
            "rvalid": Out(1),
            "rready": In(1),
        }.items()
    }


def expose(m, outer, inner, ports):
    """Connect the flat `ports` of `inner` to those of the same names of `outer`, around it."""
    for name, member in ports.items():
        source, sink = (inner, outer) if member.flow == Out else (outer, inner)
        m.d.comb += getattr(sink, name).eq(getattr(source, name))


class ReadMaster(wiring.Component):
    """Read port words from memory, read after read, in bursts that never cross 4 KB.

    Words pass from the data channel to `o` as they come, so that a queue behind it decides about
    back-pressure and clock. A read's address is rounded down to whole words.

    Parameters
    ----------
    config : :class:`models.memory_port.ReadPortConfig`

    Members
    -------
    i : In(stream of {address, words})
        Reads.
    o : Out(stream of {word})
        Their words, in order.
    error : Out(1)
        The memory has answered some beat with an error since reset.
    m_axi_read_* :
        AXI4 read channels.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "o": Out(stream_of(config.o_beat)),
                "error": Out(1),
            }
            | read_ports(config)
        )

    def elaborate(self, platform):
        m = Module()
        size = exact_log2(self.config.word_bytes)
        m.d.comb += [
            self.m_axi_read_arid.eq(0),
            self.m_axi_read_arsize.eq(size),
            self.m_axi_read_arburst.eq(INCREMENTING),
            self.m_axi_read_arcache.eq(MODIFIABLE),
            self.m_axi_read_arprot.eq(0),
        ]
        over = self._pass_words(m)
        self._ask(m, size, self._count_bursts(m, over))
        return m

    def _pass_words(self, m):
        """Hand over the data channel; whether a burst's last word is taken on this edge."""
        taken = self.m_axi_read_rvalid & self.m_axi_read_rready
        m.d.comb += [
            self.o.payload.as_value().eq(self.m_axi_read_rdata),
            self.o.valid.eq(self.m_axi_read_rvalid),
            self.m_axi_read_rready.eq(self.o.ready),
        ]
        with m.If(taken & self.m_axi_read_rresp[1]):
            m.d.sync += self.error.eq(1)
        return taken & self.m_axi_read_rlast

    def _count_bursts(self, m, over):
        """The pair of whether another burst may be asked for, and the signal that one is."""
        asked = Signal()
        count = Signal(range(self.config.outstanding + 1))
        m.d.sync += count.eq(count + asked - over)
        return count != self.config.outstanding, asked

    def _ask(self, m, size, bursts):
        """Offer the bursts of each read, one on every edge at most.

        A read is kept as what it takes to count: the `block` of the largest burst that it is at,
        its `offset` there, the `blocks` that follow, and the `end` offset in the last of them.
        """
        may_ask, ask = bursts
        offset_bits = exact_log2(self.config.burst_words)
        first = self.i.p.address[0][size:]
        end = first[:offset_bits] + self.i.p.words[0] - 1

        valid = Signal()
        offset, end_offset = Signal(offset_bits), Signal(offset_bits)
        block = Signal(len(first) - offset_bits)
        blocks = Signal(len(self.i.p.words[0]) - offset_bits + 1)
        final = blocks == 0

        m.d.comb += [
            ask.eq(valid & may_ask & (self.m_axi_read_arready | ~self.m_axi_read_arvalid)),
            self.i.ready.eq(~valid | (ask & final)),
        ]
        with m.If(self.m_axi_read_arready):
            m.d.sync += self.m_axi_read_arvalid.eq(0)
        with m.If(ask):
            m.d.sync += [
                self.m_axi_read_arvalid.eq(1),
                self.m_axi_read_araddr.eq(Cat(Const(0, size), offset, block)),
                self.m_axi_read_arlen.eq(
                    Mux(final, end_offset, self.config.burst_words - 1) - offset
                ),
                offset.eq(0),
                block.eq(block + 1),
                blocks.eq(blocks - 1),
            ]
        with m.If(self.i.ready):
            m.d.sync += [
                valid.eq(self.i.valid & (self.i.p.words[0] != 0)),
                offset.eq(first[:offset_bits]),
                block.eq(first[offset_bits:]),
                end_offset.eq(end[:offset_bits]),
                blocks.eq(end[offset_bits:]),
            ]


def exact_log2(value):
    """Exponent of a power of two."""
    return value.bit_length() - 1
