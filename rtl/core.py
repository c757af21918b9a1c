"""The units of a Mamba-2 layer, each once, and the streams between them."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from models.beats import STEP
from models.networks.layer import queue_depths
from models.networks.order import TARGETS
from models.networks.steps import GATED, STREAM
from rtl.counters import activities_of, pipe_activity
from rtl.routing import Fork, Resize, Select, Switch
from rtl.streams import Queue, stream_of
from rtl.units.activate import Activate
from rtl.units.conv1d import Conv1d
from rtl.units.discretize import Discretize
from rtl.units.gate import Gate
from rtl.units.hadamard import Hadamard
from rtl.units.matvec import Matvec
from rtl.units.norm import Norm
from rtl.units.quantize import Quantize
from rtl.units.residual import Residual
from rtl.units.scan import Scan


def counted(units):
    """Of the units that are counted, those that are in a core."""
    return [unit for unit in units.counted if unit not in ("fetch", "argmax")]


class Core(wiring.Component):
    """A layer's units for a network of `shape`: layers and head, pass after pass, as steps say.

    Norm, quantizer and matvec serve in_proj, out_proj and the head in turn; `models.networks.steps`
    has the steps that tell them, `codegen.image` the order of the weights. A Hadamard unit serves
    out_proj alone, the others' vectors go past it.

    Parameters
    ----------
    shape : :class:`models.networks.shape.Mamba2Shape`
    units : :class:`models.networks.layer.LayerUnits`

    Members
    -------
    i : In(stream)
        Residual stream of a token, `lanes` channels in a beat.
    o : Out(stream)
        Residual stream after a layer.
    o_logits : Out(stream)
        Logits, `lanes` in a beat, the last beat padded.
    i_norm, i_weights, i_scales, i_bias, i_conv, i_heads : In(stream)
        Weights of the norms, of the matrices, of the convolution, of the heads; `i_bias` only for
        a network that has biases in its projections.
    i_norm_inputs, i_norm_passes, i_kept, i_passes, i_targets, i_roles : In(stream)
        Steps.
    i_state, o_state : In(stream), Out(stream)
        The state before and after, when it is in memory.
    activity : Out(activities_of(counted(units)))
    """

    def __init__(self, shape, units):
        self.shape, self.units = shape, units
        ports = {
            "i": In(stream_of(units.residual.i_beat)),
            "o": Out(stream_of(units.residual.o_beat)),
            "o_logits": Out(stream_of(units.matvec.o_beat)),
            "activity": Out(activities_of(counted(units))),
        }
        if units.scan.spilled:
            ports["o_state"] = Out(stream_of(units.scan.state_beat))
        super().__init__(ports | {f"i_{name}": In(stream_of(b)) for name, b in units.fed.items()})

    def elaborate(self, platform):
        m = Module()
        u, shape = self.units, self.shape
        scan_in = u.scan_input.block
        depths = queue_depths(shape, u)

        m.submodules.fork = fork = Fork(u.residual.i_beat, 2)
        m.submodules.keep = keep = Switch(u.residual.i_beat, 1)
        m.submodules.kept = kept = Queue(u.residual.i_beat, depths["kept"])
        m.submodules.norm_input = norm_input = Select(u.norm.i_beat, 2)
        m.submodules.norm = norm = Norm(u.norm)
        m.submodules.linear_input = linear_input = Quantize(u.linear_input)
        m.submodules.matvec = matvec = Matvec(u.matvec)
        m.submodules.rows = rows = Queue(u.matvec.o_beat, depths["rows"])
        m.submodules.target = target = Switch(u.matvec.o_beat, len(TARGETS))
        to = {name: getattr(target, f"o{at}") for at, name in enumerate(TARGETS)}

        m.submodules.conv_input = conv_input = Quantize(u.conv_input)
        m.submodules.conv1d = conv1d = Conv1d(u.conv1d)
        m.submodules.silu = silu = Activate(u.silu)
        m.submodules.scan_input = scan_input = Quantize(u.scan_input)
        m.submodules.activated = activated = Queue(u.scan_input.o_beat, depths["activated"])
        m.submodules.role = role = Switch(u.scan_input.o_beat, 3)
        x = role.o2
        if depths["x"]:
            m.submodules.x = waiting = Queue(u.scan_input.o_beat, depths["x"])
            connect(m, x, waiting.i)
            x = waiting.o
        m.submodules.b = b = Resize(scan_in, u.lanes, u.scan.states)
        m.submodules.c = c = Resize(scan_in, u.lanes, u.scan.states)
        m.submodules.discretize = discretize = Discretize(u.discretize)
        m.submodules.scan = scan = Scan(u.scan)

        m.submodules.scan_output = scan_output = Quantize(u.scan_output)
        m.submodules.y = y = Queue(u.scan_output.o_beat, depths["y"])
        m.submodules.gate_silu = gate_silu = Activate(u.gate_silu)
        m.submodules.gate_input = gate_input = Quantize(u.gate_input)
        m.submodules.z = z = Queue(u.gate_input.o_beat, depths["z"])
        m.submodules.gate = gate = Gate(u.gate)
        m.submodules.gated = gated = Queue(u.gate.o_beat, depths["gated"])
        m.submodules.residual = residual = Residual(u.residual)

        fed = {name: wiring.flipped(getattr(self, f"i_{name}")) for name in u.fed}
        normed, norm_inputs = norm.o, fed["norm_inputs"]
        if u.hadamard:
            m.submodules.hadamard = hadamard = Hadamard(u.hadamard)
            normed, norm_inputs = self._rotate(m, hadamard, normed, norm_inputs)
        for source, sink in [
            (wiring.flipped(self.i), fork.i),
            (fork.o0, norm_input.i0),
            (fork.o1, keep.i),
            (keep.o0, kept.i),
            (norm_input.o, norm.i),
            (normed, linear_input.i),
            (linear_input.o, matvec.i),
            (matvec.o, rows.i),
            (rows.o, target.i),
            (to["heads"], discretize.i_heads),
            (to["conv"], conv_input.i),
            (to["gate"], gate_silu.i),
            (to["update"], residual.i_update),
            (to["logits"], wiring.flipped(self.o_logits)),
            (conv_input.o, conv1d.i),
            (conv1d.o, silu.i),
            (silu.o, scan_input.i),
            (scan_input.o, activated.i),
            (activated.o, role.i),
            (role.o0, b.i),
            (role.o1, c.i),
            (x, discretize.i),
            (b.o, scan.i_b),
            (c.o, scan.i_c),
            (discretize.o, scan.i),
            (scan.o, scan_output.i),
            (scan_output.o, y.i),
            (gate_silu.o, gate_input.i),
            (gate_input.o, z.i),
            (y.o, gate.i),
            (z.o, gate.i_gate),
            (gate.o, gated.i),
            (gated.o, norm_input.i1),
            (kept.o, residual.i),
            (residual.o, wiring.flipped(self.o)),
            (fed["norm"], norm.i_weights),
            (fed["weights"], matvec.i_weights),
            (fed["scales"], matvec.i_scales),
            (fed["conv"], conv1d.i_weights),
            (fed["heads"], discretize.i_weights),
            (norm_inputs, norm_input.i_steps),
            (fed["norm_passes"], norm.i_pass),
            (fed["kept"], keep.i_steps),
            (fed["passes"], matvec.i_pass),
            (fed["targets"], target.i_steps),
            (fed["roles"], role.i_steps),
        ]:
            connect(m, source, sink)
        if u.matvec.bias:
            connect(m, fed["bias"], matvec.i_bias)
        if u.scan.spilled:
            connect(m, fed["state"], scan.i_state)
            connect(m, scan.o_state, wiring.flipped(self.o_state))

        told = {"norm": norm, "matvec": matvec, "discretize": discretize, "scan": scan}
        pipes = {
            "linear_input": linear_input,
            "conv_input": conv_input,
            "silu": silu,
            "scan_input": scan_input,
            "scan_output": scan_output,
            "gate_silu": gate_silu,
            "gate_input": gate_input,
        }
        if u.hadamard:
            pipes["hadamard"] = hadamard
        activities = {name: unit.activity for name, unit in told.items()} | {
            name: pipe_activity([unit.i]) for name, unit in pipes.items()
        }
        activities |= {
            "conv1d": pipe_activity([conv1d.i], [conv1d.i_weights]),
            "gate": pipe_activity([gate.i, gate.i_gate]),
            "residual": pipe_activity([residual.i, residual.i_update]),
        }
        m.d.comb += [self.activity[name].eq(at) for name, at in activities.items()]
        return m

    def _rotate(self, m, hadamard, normed, steps):
        """Of stream `normed`, lead what came from the gate through `hadamard`, the rest past it.

        The norm's `steps` tell which is which; they wait here too, so that the norm is free to
        take its next vector. Returns the stream of both, and the steps for the norm.
        """
        beat = self.units.norm.o_beat
        m.submodules.norm_steps = each = Fork(STEP, 3)
        m.submodules.to_rotate = ways = Switch(beat, 2)
        m.submodules.rotated = joined = Select(beat, 2)
        m.submodules.to_rotate_steps = behind_norm = Queue(STEP)
        m.submodules.rotated_steps = behind_hadamard = Queue(STEP)
        for source, sink in [
            (steps, each.i),
            (each.o1, behind_norm.i),
            (each.o2, behind_hadamard.i),
            (behind_norm.o, ways.i_steps),
            (behind_hadamard.o, joined.i_steps),
            (normed, ways.i),
            (getattr(ways, f"o{STREAM}"), getattr(joined, f"i{STREAM}")),
            (getattr(ways, f"o{GATED}"), hadamard.i),
            (hadamard.o, getattr(joined, f"i{GATED}")),
        ]:
            connect(m, source, sink)
        return joined.o, each.o0


def connect(m, source, sink):
    """Connect two streams of the same bits; their fields may be named after other roles."""
    m.d.comb += [
        sink.payload.as_value().eq(source.payload.as_value()),
        sink.valid.eq(source.valid),
        source.ready.eq(sink.ready),
    ]
