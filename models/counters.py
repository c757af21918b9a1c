"""What a unit does in a cycle: one activity of a few, the same words for prediction and hardware.

For every unit and every cycle of a run exactly one activity holds, so a unit's cycles add up to the
run's. What a unit waits for is said of its ports, before the edge; the first that applies counts.

    a pipe      busy: takes a beat. input: some data input offers none. memory_read: weights are
                missing. output: all is offered, the pipe is held up.
    fetch       busy: takes a word. output: a word is offered. memory_read: a read is under way.
                input: nothing has been asked for.
    norm        no pass: fill when one is offered, else memory_read. Taking a vector in: busy with a
                beat, else input. Then: fill until its root is known; busy scaling a beat,
                memory_read while weights are missing, output.
    matvec      no pass: fill when one is offered, else memory_read. Loading the vector: fill with a
                beat, else input. Then: busy multiplying a beat of weights, memory_read while
                weights, or the scales or biases that the pipe has come to, are missing, output.
    discretize  busy: takes a beat of x. input: no x is offered. output: its head is known. Else:
                fill while all heads are taken or one is, input without a head, memory_read.
    scan        busy: begins a tile. B and C not both there, or still those of the last token: state
                while that token's last tiles are being written, fill while a beat of B or C is
                taken, else input. Then: input without drives, memory_read without state from
                memory, memory_write while the state that leaves is held up, output.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum


class Activity(IntEnum):
    """Activities, as the hardware's `activity` port encodes them."""

    BUSY = 0
    INPUT = 1
    OUTPUT = 2
    MEMORY_READ = 3
    MEMORY_WRITE = 4
    STATE = 5
    FILL = 6

    @property
    def word(self) -> str:
        """Its name in counters and reports.

        >>> Activity.MEMORY_READ.word
        'memory_read'
        """
        return self.name.lower()


ACTIVITY_BITS = 3

_PIPE = (Activity.BUSY, Activity.INPUT, Activity.OUTPUT)
_FED = (*_PIPE, Activity.MEMORY_READ)

UNITS: dict[str, tuple[Activity, ...]] = {
    "fetch": _FED,
    "norm": (*_FED, Activity.FILL),
    "hadamard": _PIPE,
    "linear_input": _PIPE,
    "matvec": (*_FED, Activity.FILL),
    "conv_input": _PIPE,
    "conv1d": _FED,
    "silu": _PIPE,
    "scan_input": _PIPE,
    "discretize": (*_FED, Activity.FILL),
    "scan": (*_FED, Activity.MEMORY_WRITE, Activity.STATE, Activity.FILL),
    "scan_output": _PIPE,
    "gate_silu": _PIPE,
    "gate_input": _PIPE,
    "gate": _PIPE,
    "residual": _PIPE,
    "argmax": _PIPE,
}
"""Units whose cycles are counted, in the order of the data, and what each can be at."""


def units_of(hadamard: bool) -> dict[str, tuple[Activity, ...]]:
    """Those of UNITS that an accelerator has, with a Hadamard unit or without."""
    return {unit: told for unit, told in UNITS.items() if hadamard or unit != "hadamard"}


def counters(units: Mapping[str, Sequence[Activity]]) -> list[str]:
    """Names of the counters of `units`, as `models.registers.register_map` takes them.

    >>> counters(units_of(hadamard=False))[:2]
    ['fetch_busy', 'fetch_input']
    """
    return [f"{unit}_{at.word}" for unit, activities in units.items() for at in activities]
