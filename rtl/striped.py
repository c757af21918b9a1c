"""Several memory ports side by side: each word is one word of every port, at the same place."""

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from models.memory_port import port_name
from rtl.axi import ReadMaster, WriteMaster, expose, read_ports, write_ports
from rtl.core import connect
from rtl.routing import Fork, fork
from rtl.streams import stream_of


class StripedReads(wiring.Component):
    """Read words from all ports at once, as a `rtl.axi.ReadMaster` does from one.

    Each port takes a read when it can, and asks for its bursts by itself; a word is handed over
    when every port offers its part, that of the first port in the lowest bits. What a port is ahead
    of the others waits in its memory, which must not hold up theirs for it.

    Parameters
    ----------
    config : :class:`models.memory_port.ReadPortConfig`
        One of the ports.
    count : int

    Members
    -------
    i : In(stream of {address, words})
        Reads, with the addresses of the first port.
    offsets : In, one for each port but the first
        How far its addresses are from those of the first port.
    o : Out(stream of config.striped_beat(count))
    error, under_way : Out(1)
        Of any port.
    m_axi_read_*, m_axi_read_1_*, ... :
        AXI4 read channels.
    """

    def __init__(self, config, count):
        self.config, self.count = config, count
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "offsets": In(config.address_bits).array(count - 1),
                "o": Out(stream_of(config.striped_beat(count))),
                "error": Out(1),
                "under_way": Out(1),
                **striped_ports(read_ports, config, "read", count),
            }
        )

    def elaborate(self, platform):
        m = Module()
        masters = _masters(m, self, ReadMaster, read_ports, "read")
        offered = Cat(master.o.valid for master in masters).all()
        m.d.comb += [
            self.o.payload.as_value().eq(Cat(master.o.payload.as_value() for master in masters)),
            self.o.valid.eq(offered),
            *(master.o.ready.eq(self.o.ready & offered) for master in masters),
            self.error.eq(Cat(master.error for master in masters).any()),
            self.under_way.eq(Cat(master.under_way for master in masters).any()),
        ]
        return m


class StripedWrites(wiring.Component):
    """Write words to all ports, as a `rtl.axi.WriteMaster` does to one.

    Each port takes its part of a word when it can, at most one word ahead of the others.

    Parameters
    ----------
    config, count
        As of StripedReads.

    Members
    -------
    i, offsets
        Writes, and addresses, as of StripedReads.
    i_words : In(stream of config.striped_beat(count))
    idle : Out(1)
        Of all ports.
    error : Out(1)
        Of any port.
    m_axi_write_*, m_axi_write_1_*, ... :
        AXI4 write channels.
    """

    def __init__(self, config, count):
        self.config, self.count = config, count
        super().__init__(
            {
                "i": In(stream_of(config.i_beat)),
                "offsets": In(config.address_bits).array(count - 1),
                "i_words": In(stream_of(config.striped_beat(count))),
                "idle": Out(1),
                "error": Out(1),
                **striped_ports(write_ports, config, "write", count),
            }
        )

    def elaborate(self, platform):
        m = Module()
        masters = _masters(m, self, WriteMaster, write_ports, "write")
        fork(m, wiring.flipped(self.i_words), [master.i_words for master in masters])
        m.d.comb += [
            Cat(master.i_words.payload.as_value() for master in masters).eq(
                self.i_words.payload.as_value()
            ),
            self.idle.eq(Cat(master.idle for master in masters).all()),
            self.error.eq(Cat(master.error for master in masters).any()),
        ]
        return m


def striped_ports(members, config, kind, count):
    """Flat members of `count` AXI4 masters, from the function of those of one."""
    return {
        name: member
        for port in range(count)
        for name, member in members(config, port_name(kind, port)).items()
    }


def _masters(m, striped, master, members, kind):
    """The masters of the ports, each of which gets every read or write of `striped`."""
    config, count = striped.config, striped.count
    m.submodules.asked = asked = Fork(config.i_beat, count)
    connect(m, wiring.flipped(striped.i), asked.i)
    masters = [master(config) for _ in range(count)]
    for port, each in enumerate(masters):
        m.submodules[f"port{port}"] = each
        share = getattr(asked, f"o{port}")
        connect(m, share, each.i)
        if port:
            address = share.p.address[0] + striped.offsets[port - 1]
            m.d.comb += each.i.p.address[0].eq(address)
        expose(m, striped, each, members(config), members(config, port_name(kind, port)))
    return masters
