"""The units of a Mamba-2 layer: every unit's configuration, from a shape and a design."""

from dataclasses import dataclass

from models import tables
from models.beats import STEP, Beat, require_divisor
from models.counters import Activity, units_of
from models.design import Design, Order
from models.errors import InputError
from models.formats import Fixed
from models.networks.shape import Mamba2Shape
from models.precision import Precision
from models.units.activate import ActivateConfig
from models.units.conv1d import Conv1dConfig
from models.units.discretize import DiscretizeConfig
from models.units.gate import GateConfig
from models.units.hadamard import HadamardConfig
from models.units.matvec import MatvecConfig
from models.units.norm import NormConfig
from models.units.quantize import QuantizeConfig
from models.units.residual import ResidualConfig
from models.units.scan import ScanConfig


@dataclass(frozen=True)
class LayerUnits:
    """Configurations of a layer's units, in the order of the data.

    One norm, one quantizer and one matvec serve in_proj and out_proj in turn; `hadamard` is between
    norm and quantizer, for out_proj alone, when the precision asks for it.
    """

    norm: NormConfig
    linear_input: QuantizeConfig
    matvec: MatvecConfig
    conv_input: QuantizeConfig
    conv1d: Conv1dConfig
    silu: ActivateConfig
    scan_input: QuantizeConfig
    gate_silu: ActivateConfig
    gate_input: QuantizeConfig
    discretize: DiscretizeConfig
    scan: ScanConfig
    scan_output: QuantizeConfig
    gate: GateConfig
    residual: ResidualConfig
    hadamard: HadamardConfig | None = None
    order: Order = "interleaved"

    @property
    def lanes(self) -> int:
        return self.residual.lanes

    @property
    def counted(self) -> dict[str, tuple[Activity, ...]]:
        """Units of an accelerator with these whose cycles are counted, `models.counters.UNITS`."""
        return units_of(hadamard=self.hadamard is not None)

    @property
    def fed(self) -> dict[str, Beat]:
        """Beats of what a layer is fed beside the residual stream: weights, and steps, by name.

        Also the words of a state that is not on chip.
        """
        beats = {
            "norm": self.norm.weight_beat,
            "weights": self.matvec.weight_beat,
            "scales": self.matvec.scale_beat,
            "conv": self.conv1d.weight_beat,
            "heads": self.discretize.weight_beat,
            "norm_inputs": STEP,
            "norm_passes": self.norm.pass_beat,
            "kept": STEP,
            "passes": self.matvec.pass_beat,
            "targets": STEP,
            "roles": STEP,
        }
        bias = {"bias": self.matvec.bias_beat} if self.matvec.bias else {}
        state = {"state": self.scan.state_beat} if self.scan.spilled else {}
        return beats | bias | state


def layer_units(shape: Mamba2Shape, design: Design, layers: int = 1) -> LayerUnits:
    """Configurations for a network of `shape` on `design`, with the states of `layers`.

    Raises InputError when the design's parallelism or formats do not fit the network's shape.
    """
    try:
        return _layer_units(shape, design, design.precision, layers)
    except ValueError as error:
        rule, _, way_out = str(error).partition("; ")
        without = "precision.hadamard=false" if rule.startswith("hadamard ") else ""
        ways_out = filter(None, [way_out, without, "choose another design or network"])
        raise InputError(f"design {design.name}:", rule, ", or ".join(ways_out)) from None


def _layer_units(shape: Mamba2Shape, design: Design, p: Precision, layers: int) -> LayerUnits:
    _require_parallelism(shape, design)
    if p.embedding.frac > p.stream.frac:
        raise ValueError(
            f"precision.embedding must have at most the {p.stream.frac} fractional bits of stream, "
            f"not {p.embedding}; use fewer fractional bits"
        )
    lanes, columns = design.lanes, design.matvec.columns
    normed = shape.inner // shape.groups
    norm = NormConfig(
        i=p.stream,
        weight=p.norm_weight,
        o=p.normed,
        direction=p.direction,
        channels=max(shape.d_model, normed),
        lanes=lanes,
    )
    epsilon = epsilon_code(shape.norm_eps, norm.channels, p.stream)
    if epsilon > norm.epsilon.max_code:
        raise ValueError(
            f"norm epsilon times {norm.channels} channels must fit {norm.epsilon}, not {epsilon}; "
            "give precision.stream more bits before the point"
        )
    silu = tables.silu(p.stream, p.activated)
    low, high = shape.time_step_limit
    discretize = DiscretizeConfig(
        dt=p.stream,
        delta=p.delta,
        rate=p.rate,
        decay=p.decay,
        x=p.scan_input,
        drive_bits=p.scan_bits,
        skip=p.skip,
        o=p.stream,
        delta_low=int(p.delta.nearest(low)),
        delta_high=int(p.delta.nearest(high)),
        heads=shape.heads,
        head_dim=shape.head_dim,
        lanes=lanes,
    )
    return LayerUnits(
        norm=norm,
        linear_input=QuantizeConfig(p.linear_input, lanes),
        matvec=MatvecConfig(
            x=p.linear_input,
            weight=p.weight,
            group=p.weight_group,
            scale=p.scale,
            o=p.stream,
            max_rows=max(padded_rows(shape, lanes), shape.d_model, shape.vocab),
            max_columns=max(shape.d_model, shape.inner),
            bias=shape.proj_bias,
            rows=design.matvec.rows,
            columns=columns,
            lanes=lanes,
        ),
        conv_input=QuantizeConfig(p.conv_input, lanes),
        conv1d=Conv1dConfig(
            x=p.conv_input,
            tap=p.conv_tap,
            o=p.stream,
            taps=shape.conv,
            channels=shape.conv_channels,
            lanes=lanes,
            layers=layers,
        ),
        silu=ActivateConfig(silu, lanes),
        scan_input=QuantizeConfig(p.scan_input, lanes),
        gate_silu=ActivateConfig(silu, lanes),
        gate_input=QuantizeConfig(p.scan_input, lanes),
        discretize=discretize,
        scan=ScanConfig(
            drive=discretize,
            b=p.scan_input,
            c=p.scan_input,
            h=p.scan_state,
            o=p.stream,
            groups=shape.groups,
            state=shape.state,
            channels=design.scan.channels,
            states=design.scan.states,
            layers=layers,
            spilled=design.state.placement == "memory",
        ),
        scan_output=QuantizeConfig(p.scan_output, lanes),
        gate=GateConfig(y=p.scan_output, z=p.scan_input, o=p.stream, lanes=lanes),
        residual=ResidualConfig(p.stream, lanes),
        hadamard=HadamardConfig(p.normed, p.normed, shape.inner, lanes) if p.hadamard else None,
        order=design.order,
    )


def queue_depths(shape: Mamba2Shape, units: LayerUnits) -> dict[str, int]:
    """Beats that each queue between a layer's units holds, by what waits in it; 0 for no queue.

    A head's y waits for its z, which in_proj computes after all of its x; in the naive order the
    whole z waits for y, and the whole x until B, C and the heads behind it have gone by. The gated
    norm holds one group until out_proj takes it, after in_proj; those behind wait before it.
    """
    model, inner, head = (
        length // units.lanes for length in (shape.d_model, shape.inner, shape.head_dim)
    )
    naive = units.order == "naive"
    return {
        "looped": model + 2,  # from a layer to the next one
        "kept": model + 2,
        "rows": 3,
        "activated": 3,
        "x": inner + 2 if naive else 0,
        "y": head + 2,
        "z": inner + 2 if naive else 3,
        "gated": 3 if naive else inner - inner // shape.groups + 3,
    }


def _require_parallelism(shape: Mamba2Shape, design: Design) -> None:
    """Refuse what does not divide, in the words of a design file."""
    lanes, rows = design.lanes, design.matvec.rows
    normed, vectors = shape.inner // shape.groups, shape.groups * shape.state
    require_divisor("lanes", lanes, d_model=shape.d_model, inner_per_group=normed)
    require_divisor("lanes", lanes, head_dim=shape.head_dim, groups_times_state=vectors)
    if rows % lanes or rows > padded_rows(shape, lanes):
        raise ValueError(
            f"matvec.rows must be a multiple of lanes = {lanes} and at most in_proj's "
            f"{padded_rows(shape, lanes)} rows, not {rows}"
        )
    columns = {"d_model": shape.d_model, "inner": shape.inner}
    require_divisor("matvec.columns", design.matvec.columns, **columns)
    require_divisor("scan.channels", design.scan.channels, lanes=lanes)
    require_divisor("scan.states", design.scan.states, state=shape.state)


def padded_heads(shape: Mamba2Shape, lanes: int) -> int:
    """Rows of in_proj for the time steps: the heads, padded to whole beats."""
    return -(-shape.heads // lanes) * lanes


def padded_rows(shape: Mamba2Shape, lanes: int) -> int:
    """Rows of in_proj with the padding of the time steps."""
    return shape.in_proj_rows - shape.heads + padded_heads(shape, lanes)


def epsilon_code(norm_eps: float, channels: int, stream: Fixed) -> int:
    """A norm's epsilon times its `channels`, in squares of stream codes; at least 1."""
    return max(1, round(norm_eps * channels * 4.0**stream.frac))
