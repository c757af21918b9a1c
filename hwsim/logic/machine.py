"""What every unit of an accelerator is built from."""

from hwsim.logic import mixer, streams, units, vectors
from hwsim.logic.inventory import Inventory
from hwsim.resources import SHORTEST_QUEUE, queues
from models.beats import STEP
from models.memory_port import ReadPortConfig
from models.networks.machine import MachineConfig
from models.networks.order import TARGETS


def inventories(machine: MachineConfig) -> dict[str, Inventory]:
    """What every unit of an accelerator is built from, by its name in `rtl`."""
    return {
        "fetch": streams.fetch(machine.fetch),
        **masters(machine.port, machine.ports, machine.spill is not None),
        **behind_fetch(machine),
    }


def masters(port: ReadPortConfig, ports: int, spilled: bool) -> dict[str, Inventory]:
    """Those of the memory ports."""
    reads = {"reads": streams.masters(port, ports, writes=False)}
    return reads | ({"writes": streams.masters(port, ports, writes=True)} if spilled else {})


def behind_fetch(machine: MachineConfig) -> dict[str, Inventory]:
    """The others, which are the same for all depths of fetch's queues and all bursts."""
    counters, u, beat = tuple(machine.counters), machine.units, machine.units.residual.i_beat
    block, lanes, states = u.scan_input.block, u.lanes, u.scan.states
    found = {
        "control": streams.control(counters, machine.ports),
        "sequence": streams.sequence(machine),
        "results": streams.fork(2),
        "source": streams.select(beat, 2),
        "logits": streams.fork(2),
        "argmax": vectors.argmax(machine.argmax),
        "fork": streams.fork(2),
        "keep": streams.switch(1),
        "norm_input": streams.select(u.norm.i_beat, 2),
        "norm": vectors.norm(u.norm),
        "matvec": units.matvec(u.matvec),
        "target": streams.switch(len(TARGETS)),
        "conv1d": units.conv1d(u.conv1d),
        "silu": units.activate(u.silu),
        "gate_silu": units.activate(u.gate_silu),
        "role": streams.switch(3),
        "b": streams.resize(block, lanes, states),
        "c": streams.resize(block, lanes, states),
        "discretize": mixer.discretize(u.discretize),
        "scan": mixer.scan(u.scan),
        "gate": units.gate(u.gate),
        "residual": units.residual(u.residual),
    }
    for name in ("linear_input", "conv_input", "scan_input", "scan_output", "gate_input"):
        found[name] = units.quantize(getattr(u, name))
    found |= {name: streams.queue(*of) for name, of in queues(machine.shape, u).items()}
    if counters:
        found["counters"] = streams.counting(counters)
    if machine.spill:
        found["spill"] = streams.spill(machine.spill)
    if u.hadamard:
        found["hadamard"] = vectors.hadamard(u.hadamard)
        found["to_rotate"] = streams.switch(2)
        found["rotated"] = streams.select(u.norm.o_beat, 2)
        found["norm_steps"] = streams.fork(3)
        found["to_rotate_steps"] = found["rotated_steps"] = streams.queue(STEP, SHORTEST_QUEUE)
    return found
