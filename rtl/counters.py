"""Counters: what each unit is at in a cycle, and for how many cycles of a run it was at that."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from models.counters import Activity
from models.registers import COUNTER_BITS


def activities_of(units):
    """Layout of the activities of `units`, the first one in the lowest bits."""
    return data.StructLayout(dict.fromkeys(units, Activity))


def pipe_activity(inputs, weights=()):
    """What a unit is at that takes a beat of each of `inputs` and `weights` at once, or none."""
    return Mux(
        inputs[0].valid & inputs[0].ready,
        Activity.BUSY,
        Mux(
            ~_all_offered(inputs),
            Activity.INPUT,
            Mux(_all_offered(weights), Activity.OUTPUT, Activity.MEMORY_READ),
        ),
    )


def fetch_activity(words, under_way):
    """What fetch is at, whose words come on stream `words`; `under_way`: some will come."""
    return Mux(
        words.valid,
        Mux(words.ready, Activity.BUSY, Activity.OUTPUT),
        Mux(under_way, Activity.MEMORY_READ, Activity.INPUT),
    )


def _all_offered(streams):
    return Cat(stream.valid for stream in streams).all()


class Counters(wiring.Component):
    """Count the cycles of a run that each unit is at each of its activities.

    The counts follow what they count by one cycle, so that no path ends in all of them.

    Parameters
    ----------
    units : dict
        What each unit can be at, `models.counters.units_of`.

    Members
    -------
    start : In(1)
        A run begins; it counts anew.
    counts : In(1)
        This cycle counts, that of `start` among them.
    activity : In(activities_of(units))
    counter_* : Out
        The counters of `models.counters`.
    """

    def __init__(self, units):
        self.units = units
        names = [_name(unit, at) for unit, activities in units.items() for at in activities]
        ports = {"start": In(1), "counts": In(1), "activity": In(activities_of(units))}
        super().__init__(ports | {name: Out(COUNTER_BITS) for name in names})

    def elaborate(self, platform):
        m = Module()
        started, counted, was = Signal(), Signal(), Signal(activities_of(self.units))
        m.d.sync += [started.eq(self.start), counted.eq(self.counts), was.eq(self.activity)]
        for unit, activities in self.units.items():
            for at in activities:
                counter, hit = getattr(self, _name(unit, at)), was[unit] == at
                with m.If(started):
                    m.d.sync += counter.eq(hit)
                with m.Elif(counted & hit):
                    m.d.sync += counter.eq(counter + 1)
        return m


def _name(unit, activity):
    return f"counter_{unit}_{activity.word}"
