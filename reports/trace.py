"""Timelines as a Chrome trace, which ui.perfetto.dev shows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.counters import UNITS

Interval = Sequence[Any]
"""Word of an activity, the first cycle and the one after the last: [word, start, end]."""

Timeline = Mapping[str, Sequence[Interval]]
"""Intervals of each unit, in the order of time, of whatever part of a run."""

SIDES = ("predicted", "measured")
MOST_EVENTS = 60_000
"""Of a whole trace; about 6 MB."""
CHUNK = 32
"""How many times longer than the shortest event a run of shorter intervals can become."""


def trace_events(
    timelines: Mapping[str, Timeline], clock_hz: float, most: int = MOST_EVENTS
) -> dict[str, Any]:
    """The trace of timelines by side, in the JSON object format of the Trace Event Format.

    A side is a process, a unit a thread, an interval a complete event named after its activity, in
    microseconds at `clock_hz` with its cycles as an argument. Where that would be more than `most`
    events, neighbours that are too short become one event, which is named after all their
    activities, the commonest first, and has the cycles of each.
    """
    sides = [side for side in SIDES if timelines.get(side)]
    shortest = _shortest([timelines[side] for side in sides], most)
    events: list[dict[str, Any]] = []
    for pid, side in enumerate(sides, 1):
        events += _metadata(pid, 0, "process", side, pid)
        for tid, (unit, intervals) in enumerate(_in_order(timelines[side]), 1):
            events += _metadata(pid, tid, "thread", unit, tid)
            events += [
                _complete(pid, tid, event, clock_hz) for event in _joined(intervals, shortest)
            ]
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {"made by": "puffadder run", "clock_hz": clock_hz, "shortest": shortest},
    }


def _in_order(timeline: Timeline) -> list[tuple[str, Sequence[Interval]]]:
    return [(unit, timeline[unit]) for unit in UNITS if unit in timeline]


def _metadata(pid: int, tid: int, what: str, name: str, order: int) -> list[dict[str, Any]]:
    place = {"ph": "M", "pid": pid, "tid": tid}
    return [
        place | {"name": f"{what}_name", "args": {"name": name}},
        place | {"name": f"{what}_sort_index", "args": {"sort_index": order}},
    ]


def _complete(
    pid: int, tid: int, event: tuple[int, int, Counter[str]], clock_hz: float
) -> dict[str, Any]:
    start, end, cycles = event
    words = [word for word, _ in cycles.most_common()]
    return {
        "ph": "X",
        "pid": pid,
        "tid": tid,
        "name": " + ".join(words),
        "ts": round(start / clock_hz * 1e6, 6),
        "dur": round((end - start) / clock_hz * 1e6, 6),
        "args": {"cycles": end - start} | (dict(cycles) if len(cycles) > 1 else {}),
    }


def _shortest(timelines: Iterable[Timeline], most: int) -> int:
    """Cycles below which intervals are joined, a power of two, for at most `most` events."""
    rows = [intervals for timeline in timelines for _, intervals in _in_order(timeline)]
    last = max((end - start for row in rows for _, start, end in row), default=1)
    shortest = 1
    while shortest <= last and sum(1 for row in rows for _ in _joined(row, shortest)) > most:
        shortest *= 2
    return shortest


def _joined(
    intervals: Sequence[Interval], shortest: int
) -> Iterator[tuple[int, int, Counter[str]]]:
    """(start, end, cycles by activity), with neighbours of fewer than `shortest` cycles as one."""
    cycles: Counter[str] = Counter()
    first = last = 0
    for word, start, end in intervals:
        short = end - start < shortest
        if cycles and not (short and start == last and last - first < CHUNK * shortest):
            yield first, last, cycles
            cycles = Counter()
        if not short:
            yield start, end, Counter({word: end - start})
            continue
        if not cycles:
            first = start
        cycles[word] += end - start
        last = end
    if cycles:
        yield first, last, cycles
