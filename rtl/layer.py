"""One Mamba-2 layer as a stream machine: residual beats in and out, weights in, state inside."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from models.networks.steps import layer_steps
from rtl.core import Core, connect
from rtl.routing import Repeat
from rtl.streams import stream_of


class Layer(wiring.Component):
    """A layer of a network of `shape`, made of `units`; token after token, without end.

    All weights are streamed in again for each token, in the order of `codegen.image.layer_words`.

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
        Weights, as in :class:`rtl.core.Core`.
    """

    def __init__(self, shape, units):
        self.shape, self.units = shape, units
        self.steps = layer_steps(shape, units)
        ports = {
            "i": In(stream_of(units.residual.i_beat)),
            "o": Out(stream_of(units.residual.o_beat)),
        }
        weights = {f"i_{name}": In(stream_of(beat)) for name, beat in self._weights()}
        super().__init__(ports | weights)

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = Core(self.shape, self.units)
        connect(m, wiring.flipped(self.i), core.i)
        connect(m, core.o, wiring.flipped(self.o))
        for name, _ in self._weights():
            connect(m, wiring.flipped(getattr(self, f"i_{name}")), getattr(core, f"i_{name}"))
        for name, words in self.steps.items():
            m.submodules[name] = steps = Repeat(self.units.fed[name], words)
            connect(m, steps.o, getattr(core, f"i_{name}"))
        return m

    def _weights(self):
        return [(name, beat) for name, beat in self.units.fed.items() if name not in self.steps]
