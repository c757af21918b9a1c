"""The tests that every unit has: its faces agree, and a fault in one of them is noticed."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from amaranth import Module, Value
from amaranth.lib import wiring

from codegen.verilog import to_verilog
from reports.simulation import replay
from tests.streams import AFTER_VALID, run_streams

WILLING = [(1.0, 1.0), (0.5, 1.0), (1.0, AFTER_VALID), (0.5, 0.5)]
"""Chances (offer, accept) that a producer and a consumer are willing on an edge."""


@dataclass(frozen=True)
class Case:
    """One configuration of a unit with stimulus, the codes it must hand over, and its timing.

    `inputs` and `outputs` are words by stream port, from the exact semantics; `cycles` is the
    prediction of `hwsim`, from the first transfer in to the last transfer out, unstalled.
    """

    component: Callable[[], wiring.Component]
    inputs: dict[str, list[int]]
    outputs: dict[str, list[int]]
    cycles: int


def faces(cases, module, rounds=True, saturates=True):
    """Tests of a unit whose hardware is in `module`; `cases` maps names to functions to a Case.

    A unit that never rounds, or never saturates by itself, says so.
    """
    each = pytest.mark.parametrize("case", list(cases.values()), ids=list(cases))
    faults = [floored] * rounds + [wrapped] * saturates + [deaf]

    @each
    @pytest.mark.parametrize(("offer", "accept"), WILLING)
    def test_rtl_agrees(case, offer, accept):
        case = case()
        run = run_streams(case.component(), case.inputs, case.outputs, offer=offer, accept=accept)
        check(case, run)

    @each
    def test_timing_agrees(case):
        case = case()
        assert run_streams(case.component(), case.inputs, case.outputs).cycles == case.cycles

    @pytest.mark.verilog
    @each
    @pytest.mark.parametrize("willingness", [1.0, 0.5])
    def test_verilog_agrees(case, willingness):
        case = case()
        top = module.__name__.rpartition(".")[2]
        counts = {name: len(words) for name, words in case.outputs.items()}
        run = replay(to_verilog(case.component(), top), top, case.inputs, counts, willingness)
        check(case, run)
        if willingness == 1.0:
            assert run.cycles == case.cycles

    @pytest.mark.parametrize("fault", faults, ids=lambda fault: fault.__name__)
    def test_fault_is_caught(fault, monkeypatch):
        caught = []
        for case in cases.values():
            case = case()
            with monkeypatch.context() as patch:
                component = fault(patch, module, case.component)
                try:
                    run = run_streams(
                        component, case.inputs, case.outputs, accept=0.5, deadline=5_000
                    )
                    caught.append(run.outputs != case.outputs)
                except (TimeoutError, AssertionError):
                    caught.append(True)
        assert any(caught)

    return test_rtl_agrees, test_timing_agrees, test_verilog_agrees, test_fault_is_caught


def check(case, run):
    for port, expected in case.outputs.items():
        received = run.outputs[port]
        assert len(received) == len(expected), f"{port}: {len(received)} beats"
        wrong = [at for at, word in enumerate(received) if word != expected[at]]
        assert not wrong, (
            f"{port} beat {wrong[0]}: {received[wrong[0]]:#x}, expected {expected[wrong[0]]:#x}; "
            f"{len(wrong)} of {len(expected)} beats differ"
        )


def floored(patch, module, component):
    """Rounding toward minus infinity instead of to nearest."""
    patch.setattr(module, "round_shift", lambda value, shift: value >> shift)
    return component()


def wrapped(patch, module, component):
    """The high bits dropped where the unit must saturate."""

    def wrap(value, fmt):
        bits = Value.cast(value)[: fmt.width]
        return bits.as_signed() if fmt.signed else bits

    patch.setattr(module, "saturate", wrap)
    return component()


def deaf(patch, module, component):
    """Back-pressure ignored: the unit takes its output for accepted on every edge."""
    return Deaf(component())


class Deaf(wiring.Component):
    """`inner` with the ready of its first output stream stuck at 1."""

    def __init__(self, inner):
        self.inner = inner
        super().__init__(inner.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self.inner
        stuck = False
        streams = [item for item in self.signature.members.items() if item[1].is_signature]
        for name, member in streams:
            ours, theirs = getattr(self, name), getattr(inner, name)
            if member.flow is wiring.In:
                wiring.connect(m, wiring.flipped(ours), theirs)
            elif stuck:
                wiring.connect(m, theirs, wiring.flipped(ours))
            else:
                stuck = True
                m.d.comb += [
                    Value.cast(ours.payload).eq(Value.cast(theirs.payload)),
                    ours.valid.eq(theirs.valid),
                    theirs.ready.eq(1),
                ]
        return m
