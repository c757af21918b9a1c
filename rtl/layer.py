"""One Mamba-2 layer as a stream machine: residual beats in and out, weights in, state inside."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from models.beats import STEP
from models.networks.layer import epsilon_code
from models.networks.order import in_proj_order
from rtl.routing import Fork, Repeat, Resize, Select, Switch
from rtl.streams import Queue, stream_of
from rtl.units.activate import Activate
from rtl.units.conv1d import Conv1d
from rtl.units.discretize import Discretize
from rtl.units.gate import Gate
from rtl.units.matvec import Matvec
from rtl.units.norm import Norm
from rtl.units.quantize import Quantize
from rtl.units.residual import Residual
from rtl.units.scan import Scan

HEADS, CONV, GATE, UPDATE, DROPPED = range(5)
TARGETS = {"heads": HEADS, "conv": CONV, "gate": GATE, "dropped": DROPPED}


class Layer(wiring.Component):
    """A layer of a network of `shape`, made of `units`; token after token, without end.

    Every unit exists once: norm, quantizer and matvec serve in_proj and out_proj in turn. All
    weights are streamed in again for each token, in the order of `codegen.image.layer_words`.

    Parameters
    ----------
    shape : :class:`models.networks.shape.Mamba2Shape`
    units : :class:`models.networks.layer.LayerUnits`

    Members
    -------
    i : In(stream)
        Residual stream of a token, `lanes` channels in a beat.
    o : Out(stream)
        Residual stream after the layer.
    i_norm, i_weights, i_scales, i_bias, i_conv, i_heads : In(stream)
        Weights of the norms, of in_proj and out_proj, of the convolution, of the heads; `i_bias`
        only for a network that has biases there.
    """

    def __init__(self, shape, units):
        self.shape, self.units = shape, units
        ports = {
            "i": In(stream_of(units.residual.i_beat)),
            "o": Out(stream_of(units.residual.o_beat)),
            "i_norm": In(stream_of(units.norm.weight_beat)),
            "i_weights": In(stream_of(units.matvec.weight_beat)),
            "i_scales": In(stream_of(units.matvec.scale_beat)),
            "i_conv": In(stream_of(units.conv1d.weight_beat)),
            "i_heads": In(stream_of(units.discretize.weight_beat)),
        }
        if units.matvec.bias:
            ports["i_bias"] = In(stream_of(units.matvec.bias_beat))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        u, shape = self.units, self.shape
        plan = _Plan(shape, u)
        scan_in = u.scan_input.block

        m.submodules.fork = fork = Fork(u.residual.i_beat, 2)
        m.submodules.skip = skip = Queue(u.residual.i_beat, plan.model_beats + 2)
        m.submodules.norm_inputs = norm_inputs = Repeat(STEP, plan.norm_inputs)
        m.submodules.norm_input = norm_input = Select(u.norm.i_beat, 2)
        m.submodules.norm_passes = norm_passes = Repeat(u.norm.pass_beat, plan.norm_passes)
        m.submodules.norm = norm = Norm(u.norm)
        m.submodules.linear_input = linear_input = Quantize(u.linear_input)
        m.submodules.passes = passes = Repeat(u.matvec.pass_beat, plan.matvec_passes)
        m.submodules.matvec = matvec = Matvec(u.matvec)
        m.submodules.rows = rows = Queue(u.matvec.o_beat)
        m.submodules.targets = targets = Repeat(STEP, plan.targets)
        m.submodules.target = target = Switch(u.matvec.o_beat, DROPPED)

        m.submodules.conv_input = conv_input = Quantize(u.conv_input)
        m.submodules.conv1d = conv1d = Conv1d(u.conv1d)
        m.submodules.silu = silu = Activate(u.silu)
        m.submodules.scan_input = scan_input = Quantize(u.scan_input)
        m.submodules.activated = activated = Queue(u.scan_input.o_beat)
        m.submodules.roles = roles = Repeat(STEP, plan.roles)
        m.submodules.role = role = Switch(u.scan_input.o_beat, 3)
        m.submodules.b = b = Resize(scan_in, u.lanes, u.scan.states)
        m.submodules.c = c = Resize(scan_in, u.lanes, u.scan.states)
        m.submodules.discretize = discretize = Discretize(u.discretize)
        m.submodules.scan = scan = Scan(u.scan)

        m.submodules.scan_output = scan_output = Quantize(u.scan_output)
        # A head's y waits here for its z, which in_proj computes after all of its x.
        m.submodules.y = y = Queue(u.scan_output.o_beat, plan.head_beats + 2)
        m.submodules.gate_silu = gate_silu = Activate(u.gate_silu)
        m.submodules.gate_input = gate_input = Quantize(u.gate_input)
        m.submodules.z = z = Queue(u.gate_input.o_beat)
        m.submodules.gate = gate = Gate(u.gate)
        m.submodules.gated = gated = Queue(u.gate.o_beat)
        m.submodules.residual = residual = Residual(u.residual)

        for source, sink in [
            (wiring.flipped(self.i), fork.i),
            (fork.o0, norm_input.i0),
            (fork.o1, skip.i),
            (norm_inputs.o, norm_input.i_steps),
            (norm_input.o, norm.i),
            (norm_passes.o, norm.i_pass),
            (wiring.flipped(self.i_norm), norm.i_weights),
            (norm.o, linear_input.i),
            (linear_input.o, matvec.i),
            (passes.o, matvec.i_pass),
            (wiring.flipped(self.i_weights), matvec.i_weights),
            (wiring.flipped(self.i_scales), matvec.i_scales),
            (matvec.o, rows.i),
            (rows.o, target.i),
            (targets.o, target.i_steps),
            (getattr(target, f"o{HEADS}"), discretize.i_heads),
            (getattr(target, f"o{CONV}"), conv_input.i),
            (getattr(target, f"o{GATE}"), gate_silu.i),
            (getattr(target, f"o{UPDATE}"), residual.i_update),
            (conv_input.o, conv1d.i),
            (wiring.flipped(self.i_conv), conv1d.i_weights),
            (conv1d.o, silu.i),
            (silu.o, scan_input.i),
            (scan_input.o, activated.i),
            (activated.o, role.i),
            (roles.o, role.i_steps),
            (role.o0, b.i),
            (role.o1, c.i),
            (role.o2, discretize.i),
            (wiring.flipped(self.i_heads), discretize.i_weights),
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
            (skip.o, residual.i),
            (residual.o, wiring.flipped(self.o)),
        ]:
            connect(m, source, sink)
        if u.matvec.bias:
            connect(m, wiring.flipped(self.i_bias), matvec.i_bias)
        return m


class _Plan:
    """The loop of each shared unit over a token: whom it serves, for how many beats."""

    def __init__(self, shape, units):
        lanes, tile = units.lanes, units.matvec.rows
        order = in_proj_order(shape, lanes, tile)
        inner_beats, shared_beats = shape.inner // lanes, shape.groups * shape.state // lanes
        norm_length = shape.inner // shape.groups
        out_rows = -(-shape.d_model // tile) * tile

        self.model_beats = shape.d_model // lanes
        self.head_beats = shape.head_dim // lanes
        self.norm_inputs = _steps([(0, self.model_beats), (1, inner_beats)])
        self.norm_passes = units.norm.pass_beat.pack(
            beats=[self.model_beats] + [norm_length // lanes] * shape.groups,
            epsilon=[
                epsilon_code(shape.norm_eps, length, units.norm.i)
                for length in [shape.d_model] + [norm_length] * shape.groups
            ],
        )
        self.matvec_passes = units.matvec.pass_beat.pack(
            beats=[self.model_beats, inner_beats],
            tiles=[len(order.rows) // tile, out_rows // tile],
        )
        targets = [(TARGETS[section.target], section.beats) for section in order.sections]
        targets.append((UPDATE, self.model_beats))
        if out_rows > shape.d_model:
            targets.append((DROPPED, (out_rows - shape.d_model) // lanes))
        self.targets = _steps(targets)
        self.roles = _steps([(0, shared_beats), (1, shared_beats), (2, inner_beats)])


def _steps(steps):
    ports, beats = zip(*steps, strict=True)
    return STEP.pack(port=ports, beats=beats)


def connect(m, source, sink):
    """Connect two streams of the same bits; field names and groupings may differ."""
    m.d.comb += [
        sink.payload.as_value().eq(source.payload.as_value()),
        sink.valid.eq(source.valid),
        source.ready.eq(sink.ready),
    ]
