"""Designs beside a CPU: what an accelerator does with the same network at the same precision."""

from dataclasses import dataclass

from codegen.designs import find_design
from hwsim.devices import memory_of
from models.networks.shape import Mamba2Shape
from models.precision import named_precision
from reports.estimate import estimate_network
from reports.inputs import Show


@dataclass(frozen=True)
class Beside:
    """A token on an accelerator, modelled: the engine's cycles at an assumed clock.

    bound                     what a token takes longest on: port, multipliers or scan
    bytes_per_token           read and written
    macs_per_token            of the matrix products, which its matvec does; the scan has its own
    bytes_per_second          that its port sustains
    multiply_adds_per_second  of its matvec, each cycle
    joules_per_token          of an assumed power, or modelled of the board; None without a board
    joules                    which of them: assumed, modelled, or nothing
    """

    network: str
    design: str
    precision: str
    device: str
    tokens_per_second: float
    cycles_per_token: float
    bound: str
    bytes_per_token: float
    macs_per_token: float
    bytes_per_second: float
    multiply_adds_per_second: float
    joules_per_token: float | None
    joules: str


def beside(
    network: str, shape: Mamba2Shape, design: str, precision: str, watts: float | None, show: Show
) -> Beside:
    """The network on the design in the precision of that name.

    design  its name or file, and changes to it behind: `lightmamba-vck190 state.placement=memory`
    watts   that the board takes, assumed; the energy model stands for it where there is none

    Raises InputError for an unknown design, and when network or board do not fit it.
    """
    name, *overrides = design.split() or [""]
    given = find_design(name, tuple(overrides))
    given = given.model_copy(update={"precision": named_precision(precision)})
    told = estimate_network(shape, given, network, show=show)
    memory, numbers = memory_of(given), {name: each.value for name, each in told.numbers.items()}
    device = told.device
    speed, joules = numbers["tokens_per_second"], numbers.get("joules_per_token")
    multipliers = given.matvec.rows * given.matvec.columns
    return Beside(
        network=network,
        design=design,
        precision=precision,
        device=device.name if device else "",
        tokens_per_second=speed,
        cycles_per_token=numbers["cycles_per_token"],
        bound=told.bounds.largest,
        bytes_per_token=numbers["bytes_read_per_token"] + numbers["bytes_written_per_token"],
        macs_per_token=told.bounds.multipliers * multipliers,
        bytes_per_second=memory.bandwidth,
        multiply_adds_per_second=multipliers * memory.clock_hz,
        joules_per_token=watts / speed if watts else joules,
        joules="assumed" if watts else "modelled" if joules else "",
    )
