"""The accelerator: a network's machine behind AXI4, AXI4-Lite and AXI4-Stream ports."""

from amaranth import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from models.counters import ACTIVITY_BITS
from models.registers import ADDRESS_BITS, image_addresses
from rtl.axi import ReadMaster, WriteMaster, expose, lite_ports, read_ports, write_ports
from rtl.control import Control
from rtl.core import connect
from rtl.counters import Counters
from rtl.machine import SETTINGS, Machine
from rtl.striped import StripedReads, StripedWrites, striped_ports

OCTET = 8


class Accelerator(wiring.Component):
    """A whole network as an IP block, with ports whose names the vendors' tools infer.

    The reset is active low here, as AXI has it, and active high everywhere inside.

    Parameters
    ----------
    config : :class:`models.networks.machine.MachineConfig`

    Members
    -------
    ap_clk, ap_rst_n : In(1)
    m_axi_read_* :
        AXI4 read master: weights and steps. With several ports also m_axi_read_1_* and so on.
    m_axi_write_* :
        AXI4 write master, when the state is in memory; as those that read.
    s_axi_control_* :
        AXI4-Lite slave: the registers of `models.registers`.
    s_axis_tokens_* :
        AXI4-Stream of the prompt, a token in each transfer.
    m_axis_tokens_*, m_axis_logits_* :
        AXI4-Streams of the argmax after each token, and of its logits; zeros fill the last octet.
    activity : Out
        What each unit is at, `models.counters.Activity`; ACTIVITY_BITS for each unit that is
        counted, the first in the lowest bits.
    """

    def __init__(self, config):
        self.config = config
        token, logits = config.token_beat, config.units.matvec.o_beat
        super().__init__(
            {
                "ap_clk": In(1),
                "ap_rst_n": In(1),
                **striped_ports(read_ports, config.port, "read", config.ports),
                **(_write_ports(config) if config.spill else {}),
                **lite_ports(ADDRESS_BITS),
                **_axis("s_axis_tokens", _octets(token.bits), In),
                **_axis("m_axis_tokens", _octets(token.bits), Out),
                **_axis("m_axis_logits", _octets(logits.bits), Out),
                "activity": Out(ACTIVITY_BITS * len(config.units.counted)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.control = control = Control(self.config.counters, self.config.ports)
        m.submodules.reads = reads = self._master(ReadMaster, StripedReads)
        m.submodules.machine = machine = Machine(self.config)

        m.d.comb += [
            ClockSignal().eq(self.ap_clk),
            ResetSignal().eq(~self.ap_rst_n),
            machine.start.eq(control.start),
            control.done.eq(machine.done),
            control.read_error.eq(reads.error),
            machine.reading.eq(reads.under_way),
            self.activity.eq(machine.activity),
        ]
        m.d.comb += [getattr(machine, name).eq(getattr(control, name)) for name in SETTINGS]
        expose(m, self, control, lite_ports(ADDRESS_BITS))
        expose(
            m, self, reads, striped_ports(read_ports, self.config.port, "read", self.config.ports)
        )
        connect(m, machine.o_reads, reads.i)
        connect(m, reads.o, machine.i)
        if self.config.spill:
            m.submodules.writes = writes = self._master(WriteMaster, StripedWrites)
            expose(m, self, writes, _write_ports(self.config))
            connect(m, machine.o_writes, writes.i)
            connect(m, machine.o_words, writes.i_words)
            m.d.comb += [machine.written.eq(writes.idle), control.write_error.eq(writes.error)]
        m.d.comb += [
            machine.i_tokens.payload.as_value().eq(self.s_axis_tokens_tdata),
            machine.i_tokens.valid.eq(self.s_axis_tokens_tvalid),
            self.s_axis_tokens_tready.eq(machine.i_tokens.ready),
        ]
        for name, source in [("tokens", machine.o_tokens), ("logits", machine.o_logits)]:
            m.d.comb += [
                getattr(self, f"m_axis_{name}_tdata").eq(source.payload.as_value()),
                getattr(self, f"m_axis_{name}_tvalid").eq(source.valid),
                source.ready.eq(getattr(self, f"m_axis_{name}_tready")),
            ]
        if self.config.ports > 1:
            self._place(m, control, [reads, *([writes] if self.config.spill else [])])
        if self.config.counters:
            self._count(m, control, machine)
        return m

    def _master(self, of_one, of_several):
        """What reads or writes the words of the machine."""
        port, ports = self.config.port, self.config.ports
        return of_several(port, ports) if ports > 1 else of_one(port)

    def _place(self, m, control, masters):
        """Tell how far the other ports' images are from the first one's; none moves in a run."""
        first, *others = (getattr(control, name) for name in image_addresses(self.config.ports))
        for port, address in enumerate(others):
            offset = Signal(self.config.port.address_bits, name=f"offset{port + 1}")
            m.d.sync += offset.eq(address - first)
            m.d.comb += [master.offsets[port].eq(offset) for master in masters]

    def _count(self, m, control, machine):
        m.submodules.counters = counted = Counters(self.config.units.counted)
        m.d.comb += [
            counted.start.eq(control.start),
            counted.counts.eq(control.counts),
            counted.activity.eq(machine.activity),
        ]
        for name in self.config.counters:
            counter = f"counter_{name}"
            m.d.comb += getattr(control, counter).eq(getattr(counted, counter))


def _write_ports(config):
    return striped_ports(write_ports, config.port, "write", config.ports)


def _axis(name, bits, flow):
    """Flat members of an AXI4-Stream that comes in or goes out."""
    back = Out if flow == In else In
    return {f"{name}_tdata": flow(bits), f"{name}_tvalid": flow(1), f"{name}_tready": back(1)}


def _octets(bits):
    return -(-bits // OCTET) * OCTET
