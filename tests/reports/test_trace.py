"""The trace: what ui.perfetto.dev reads, with every cycle in it, in a file that it can read."""

import json

import pytest

from models.counters import UNITS
from reports.trace import trace_events
from tests.reports.examples import TOKEN, timeline

SMALL = {
    "scan": [["busy", 10, 12], ["state", 12, 20]],
    "fetch": [["memory_read", 10, 13], ["busy", 13, 20]],
}


def complete(trace):
    return [event for event in trace["traceEvents"] if event["ph"] == "X"]


def test_a_timeline_becomes_events():
    trace = trace_events({"measured": SMALL}, 200e6)
    assert [
        (event["tid"], event["name"], event["ts"], event["dur"], event["args"])
        for event in complete(trace)
    ] == [
        (1, "memory_read", 0.05, 0.015, {"cycles": 3}),
        (1, "busy", 0.065, 0.035, {"cycles": 7}),
        (2, "busy", 0.05, 0.01, {"cycles": 2}),
        (2, "state", 0.06, 0.04, {"cycles": 8}),
    ]


def test_sides_are_processes_and_units_threads_in_the_order_of_the_data():
    trace = trace_events({"measured": timeline(1), "predicted": timeline(2)}, 200e6)
    named = [
        (event["name"], event["pid"], event["tid"], event["args"]["name"])
        for event in trace["traceEvents"]
        if event["name"] in ("process_name", "thread_name")
    ]
    assert named == [
        named_thing
        for pid, side in ((1, "predicted"), (2, "measured"))
        for named_thing in [
            ("process_name", pid, 0, side),
            *(("thread_name", pid, tid, unit) for tid, unit in enumerate(UNITS, 1)),
        ]
    ]


def test_schema_and_strict_json():
    trace = trace_events({"predicted": timeline(), "measured": timeline(3)}, 333e6)
    read = json.loads(json.dumps(trace, allow_nan=False))
    assert read["displayTimeUnit"] == "ns"
    for event in read["traceEvents"]:
        assert {"ph", "pid", "tid", "name", "args"} <= event.keys()
        assert event["ph"] in ("M", "X")
        assert (event["ph"] == "X") == ("ts" in event) == ("dur" in event)
    assert all(event["dur"] > 0 for event in complete(read))


@pytest.mark.parametrize("most", [500, 2000, 10**6])
def test_few_events_tell_of_every_cycle(most):
    """However few they may be, and each activity keeps its cycles."""
    rows = timeline(4)
    events = complete(trace_events({"measured": rows}, 1e6, most))
    assert len(events) <= most
    for tid, unit in enumerate(UNITS, 1):
        row = [event for event in events if event["tid"] == tid]
        assert sum(event["args"]["cycles"] for event in row) == TOKEN
        ends = [round(event["ts"] + event["dur"]) for event in row]
        assert [round(event["ts"]) for event in row[1:]] == ends[:-1]
        told = {}
        for event in row:
            parts = {k: v for k, v in event["args"].items() if k != "cycles"}
            for word, cycles in (parts or {event["name"]: event["args"]["cycles"]}).items():
                told[word] = told.get(word, 0) + cycles
        spent = {}
        for word, start, end in rows[unit]:
            spent[word] = spent.get(word, 0) + end - start
        assert told == spent


def test_joined_intervals_are_named_after_the_commonest_first():
    row = [["busy", 0, 1], ["input", 1, 3], ["busy", 3, 4], ["input", 4, 5], ["output", 5, 90]]
    events = complete(trace_events({"measured": {"gate": row}}, 1e6, most=2))
    assert [(event["name"], event["args"]) for event in events] == [
        ("input + busy", {"cycles": 5, "busy": 2, "input": 3}),
        ("output", {"cycles": 85}),
    ]


def test_without_timelines_there_is_nothing():
    assert trace_events({}, 1e6)["traceEvents"] == []
