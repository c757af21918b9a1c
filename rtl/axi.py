"""AXI: masters that read and write words of memory, and flat ports as the tools infer them."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from models.beats import fixed_beat
from models.formats import Fixed
from rtl.streams import Queue, stream_of

OKAY, SLVERR = 0b00, 0b10
INCREMENTING = 0b01
MODIFIABLE = 0b0011  # normal memory, not cached, as the tools of Xilinx set it
LAST = fixed_beat(1, last=Fixed(8, signed=False))
"""The words of a burst, less one."""


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


def write_ports(config, prefix="m_axi_write"):
    """Flat members of an AXI4 write master of a `models.memory_port.ReadPortConfig`."""
    return {
        f"{prefix}_{name}": member
        for name, member in {
            "awid": Out(1),
            "awaddr": Out(config.address_bits),
            "awlen": Out(8),
            "awsize": Out(3),
            "awburst": Out(2),
            "awcache": Out(4),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(config.port_bits),
            "wstrb": Out(config.word_bytes),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bid": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
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


def expose(m, outer, inner, ports, outside=None):
    """Connect the flat `ports` of `inner` to those of the same names of `outer`, around it.

    Where they have other names there, these are `outside`, in the same order.
    """
    for (name, member), other in zip(ports.items(), outside or ports, strict=True):
        if member.flow == Out:
            m.d.comb += getattr(outer, other).eq(getattr(inner, name))
        else:
            m.d.comb += getattr(inner, name).eq(getattr(outer, other))


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
    under_way : Out(1)
        Words will come of a read that was taken.
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
                "under_way": Out(1),
            }
            | read_ports(config)
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.bursts = bursts = _Bursts(self.config)
        _connect_bursts(m, bursts, self, "m_axi_read_ar")
        taken = self.m_axi_read_rvalid & self.m_axi_read_rready
        m.d.comb += [
            bursts.over.eq(taken & self.m_axi_read_rlast),
            self.o.payload.as_value().eq(self.m_axi_read_rdata),
            self.o.valid.eq(self.m_axi_read_rvalid),
            self.m_axi_read_rready.eq(self.o.ready),
            self.under_way.eq(bursts.under_way),
        ]
        with m.If(taken & self.m_axi_read_rresp[1]):
            m.d.sync += self.error.eq(1)
        return m


class WriteMaster(wiring.Component):
    """Write port words to memory, write after write, in bursts that never cross 4 KB.

    A burst's address goes ahead of its words, which follow as they come. A write's address is
    rounded down to whole words.

    Parameters
    ----------
    config : :class:`models.memory_port.ReadPortConfig`

    Members
    -------
    i : In(stream of {address, words})
        Writes.
    i_words : In(stream of {word})
        Their words, in order.
    idle : Out(1)
        No write is offered, nor under way: the memory has acknowledged all of them.
    error : Out(1)
        The memory has acknowledged some burst with an error since reset.
    m_axi_write_* :
        AXI4 write channels.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "i_words": In(stream_of(config.o_beat)),
                "idle": Out(1),
                "error": Out(1),
            }
            | write_ports(config)
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.bursts = bursts = _Bursts(self.config)
        # As many as can be asked for; it never is full.
        m.submodules.lasts = lasts = Queue(LAST, max(3, self.config.outstanding))
        _connect_bursts(m, bursts, self, "m_axi_write_aw")
        last = lasts.o.p.last[0]
        at = Signal.like(last)  # words of the burst that are written
        writes, goes = lasts.o.valid, self.m_axi_write_wvalid & self.m_axi_write_wready
        answered = self.m_axi_write_bvalid & self.m_axi_write_bready

        m.d.comb += [
            lasts.i.valid.eq(bursts.asks),
            lasts.i.p.last.eq(bursts.last),
            lasts.o.ready.eq(goes & self.m_axi_write_wlast),
            self.m_axi_write_wdata.eq(self.i_words.payload.as_value()),
            self.m_axi_write_wstrb.eq(~0),
            self.m_axi_write_wlast.eq(at == last),
            self.m_axi_write_wvalid.eq(self.i_words.valid & writes),
            self.i_words.ready.eq(self.m_axi_write_wready & writes),
            self.m_axi_write_bready.eq(1),
            bursts.over.eq(answered),
            self.idle.eq(bursts.idle),
        ]
        with m.If(goes):
            m.d.sync += at.eq(Mux(self.m_axi_write_wlast, 0, at + 1))
        with m.If(answered & self.m_axi_write_bresp[1]):
            m.d.sync += self.error.eq(1)
        return m


class _Bursts(wiring.Component):
    """Ask for the bursts of each read or write, one on every edge at most, and count them.

    Members
    -------
    i : In(stream of {address, words})
    asks : Out(1)
        A burst is brought to the address channel on this edge; `last` are its words, less one.
    over : In(1)
        A burst is over on this edge.
    under_way : Out(1)
        Not all bursts of what was taken are over.
    idle : Out(1)
        Nothing is offered at `i` either.
    address, length, valid, ready :
        The address channel.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "asks": Out(1),
                "last": Out(8),
                "over": In(1),
                "under_way": Out(1),
                "idle": Out(1),
                "address": Out(config.address_bits),
                "length": Out(8),
                "valid": Out(1),
                "ready": In(1),
            }
        )

    def elaborate(self, platform):
        """A read is kept as what it takes to count: the `block` of the largest burst that it is at,
        its `offset` there, the `blocks` that follow, and the `end` offset in the last of them.
        """
        m = Module()
        size = exact_log2(self.config.word_bytes)
        offset_bits = exact_log2(self.config.burst_words)
        first = self.i.p.address[0][size:]
        end = first[:offset_bits] + self.i.p.words[0] - 1

        held, outstanding = Signal(), Signal(range(self.config.outstanding + 1))
        offset, end_offset = Signal(offset_bits), Signal(offset_bits)
        block = Signal(len(first) - offset_bits)
        blocks = Signal(len(self.i.p.words[0]) - offset_bits + 1)
        final = blocks == 0

        m.d.comb += [
            self.asks.eq(
                held & (outstanding != self.config.outstanding) & (self.ready | ~self.valid)
            ),
            self.last.eq(Mux(final, end_offset, self.config.burst_words - 1) - offset),
            self.i.ready.eq(~held | (self.asks & final)),
            self.under_way.eq(held | (outstanding != 0)),
            self.idle.eq(~self.i.valid & ~self.under_way),
        ]
        m.d.sync += outstanding.eq(outstanding + self.asks - self.over)
        with m.If(self.ready):
            m.d.sync += self.valid.eq(0)
        with m.If(self.asks):
            m.d.sync += [
                self.valid.eq(1),
                self.address.eq(Cat(Const(0, size), offset, block)),
                self.length.eq(self.last),
                offset.eq(0),
                block.eq(block + 1),
                blocks.eq(blocks - 1),
            ]
        with m.If(self.i.ready):
            m.d.sync += [
                held.eq(self.i.valid & (self.i.p.words[0] != 0)),
                offset.eq(first[:offset_bits]),
                block.eq(first[offset_bits:]),
                end_offset.eq(end[:offset_bits]),
                blocks.eq(end[offset_bits:]),
            ]
        return m


def _connect_bursts(m, bursts, master, channel):
    """Connect the `bursts` of a `master` to its `i` and to its address channel, by its prefix."""
    wiring.connect(m, wiring.flipped(master.i), bursts.i)
    m.d.comb += [
        getattr(master, f"{channel}id").eq(0),
        getattr(master, f"{channel}addr").eq(bursts.address),
        getattr(master, f"{channel}len").eq(bursts.length),
        getattr(master, f"{channel}size").eq(exact_log2(master.config.word_bytes)),
        getattr(master, f"{channel}burst").eq(INCREMENTING),
        getattr(master, f"{channel}cache").eq(MODIFIABLE),
        getattr(master, f"{channel}prot").eq(0),
        getattr(master, f"{channel}valid").eq(bursts.valid),
        bursts.ready.eq(getattr(master, f"{channel}ready")),
    ]


def exact_log2(value):
    """Exponent of a power of two."""
    return value.bit_length() - 1
