"""An observer: Verilog that records the streams of a generated accelerator, and its waves.

It is bound to the top module and only reads, so that the accelerator's own text stays as it is.
Without its plus arguments it does nothing:

    +streams=FILE            a line for each transfer: the stream's name, the time, the payload
    +waves=FILE +from=TIME   a value change dump of all signals, from a time on

Times are the simulator's units; payloads are hexadecimal.
"""

from collections.abc import Iterator
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Fragment
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

STARTED = "start"
"""What is recorded when a run starts, with a payload of 1."""

Path = tuple[str, ...]
Place = tuple[Path, str]
"""A stream: submodules from the top, and the port of the last of them."""


def observer(component: Any, top: str, streams: dict[str, Place]) -> str:
    """Verilog to append to that of `component`, top module `top`, an accelerator.

    `streams` are to be recorded, by name. Raises KeyError for one that does not exist.
    """
    fragment = Fragment.get(component, None)
    _, names = rtlil.convert_fragment(fragment, _ports(component), top)
    parts = dict(_parts(fragment, ()))
    started = names[parts["machine",].start]
    recorded = [_record(STARTED, _path(started), "1'b1")]
    for name, (path, port) in streams.items():
        stream = getattr(parts[path], port)
        valid, ready, payload = (
            _path(names[signal])
            for signal in (stream.valid, stream.ready, stream.payload.as_value())
        )
        recorded.append(_record(name, f"{valid}&& {ready}", payload))
    return TEMPLATE.format(top=top, recorded="\n".join(recorded))


def _parts(fragment: Fragment, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every component with its path of submodules."""
    for origin in fragment.origins or ():
        if isinstance(origin, wiring.Component):
            yield path, origin
    for part, name, _ in fragment.subfragments:
        yield from _parts(part, (*path, name))


def _ports(component: Any) -> dict[str, Any]:
    """Ports as `amaranth.back.verilog.convert` finds them, on which the names depend."""
    return {
        "__".join(map(str, path)): (
            value.as_value() if hasattr(value, "as_value") else value,
            PortDirection.Input if member.flow == wiring.In else PortDirection.Output,
        )
        for path, member, value in component.signature.flatten(component)
    }


def _path(names: Path) -> str:
    """A hierarchical name; escaped, since Amaranth's names hold characters such as `$`."""
    return ".".join(f"\\{name} " for name in names)


def _record(name: str, when: str, payload: str) -> str:
    return f'    if ({when}) $fwrite(file, "{name} %0d %0h\\n", $time, {payload});'


TEMPLATE = """
module observer(input clock);
  string streams, waves;
  integer file = 0;
  longint first = 0;
  bit waiting = 0;
  initial begin
    if ($value$plusargs("streams=%s", streams)) file = $fopen(streams, "w");
    if ($value$plusargs("waves=%s", waves)) begin
      waiting = 1;
      void'($value$plusargs("from=%d", first));
    end
  end
  always @(posedge clock) if (file != 0) begin
{recorded}
  end
  always @(posedge clock) if (waiting && $time >= first) begin
    waiting = 0;
    $dumpfile(waves);
    $dumpvars;
  end
  final if (file != 0) $fclose(file);
endmodule
bind {top} observer observer(.clock(ap_clk));
"""
