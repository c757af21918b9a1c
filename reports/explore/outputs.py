"""Outputs: a front as a table for a spreadsheet or the terminal, and its best design as a file."""

import csv
import io
from collections.abc import Mapping

import yaml

from hwsim.measures import MEASURES
from models.design import Design
from models.precision import NAMED
from reports.explore.exploration import (
    ENGINE,
    SLIGHT,
    Engine,
    Exploration,
    broken,
    command,
    measured,
)
from reports.explore.gather import Point
from reports.explore.knobs import overrides, text_of
from reports.explore.plan import Plan
from reports.explore.screen import Reason

LISTED = 10
"""Designs of a front that are told on the terminal."""


def to_csv(found: Exploration) -> str:
    """The fronts: a row for each point, with its knobs and all that is known of it."""
    knobs = list(dict.fromkeys(key for point in found.points for key in point.knobs))
    known = [name for name in MEASURES if any(name in point.measures for point in found.points)]
    engine = {f"engine_{name}": key for name, key in ENGINE.items()} if found.engine else {}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["point", "network", *knobs, *known, *engine, "command"])
    for point in found.points:
        looked = found.engine.get(point.id, {})
        table.writerow(
            [point.id, point.grid.network]
            + [text_of(point.knobs[key]) for key in knobs]
            + [point.measures.get(name, "") for name in known]
            + [looked.get(key, "") for key in engine.values()]
            + [command(found.plan, point)]
        )
    return text.getvalue()


def to_text(found: Exploration) -> str:
    looked_at = found.looked_at
    of_all = "" if looked_at == found.plan.points else f", {looked_at:,} of them looked at"
    lines = [f"space {found.plan.space.name}: {found.plan.points:,} points (modelled){of_all}"]
    lines += reason_lines(found.found.counts)
    for network, points in found.found.fronts.items():
        first = found.plan.objectives[0]
        lines += ["", f"front for {network}: {len(points)} designs, in the order of {first}"]
        lines += rows(found.plan, points[:LISTED], found.engine)
    lines += ["", *(stage.to_text() for stage in found.stages)]
    for network, point in found.winners.items():
        rate = measured(point, "tokens_per_second", found.engine)
        how = "engine" if point.id in found.engine else "closed form"
        lines += ["", f"best for {network}: {rate:.3f} tokens/s ({how}){_rule(found.plan)}"]
        lines += [
            f"with what the engine says, it does not keep {text}"
            for text in broken(found.plan, point, found.engine)
        ]
        lines += [command(found.plan, point)]
    return "\n".join(lines)


def reason_lines(counts: Mapping[Reason, int]) -> list[str]:
    """How many points there are for each reason."""
    return [f"{points:14,}  {reason.kind:11} {reason.text}" for reason, points in counts.items()]


def _rule(plan: Plan) -> str:
    """How the best of a front is chosen, where there is more than one objective."""
    if len(plan.objectives) < 2:
        return ""
    first, *others = plan.objectives
    return f"; of those within {SLIGHT:.0%} of the best {first} the best {', then '.join(others)}"


def design_file(design: Design, made_by: str) -> str:
    """The design as YAML, its precision by name where it has one."""
    raw = design.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    names = [name for name, precision in NAMED.items() if precision == design.precision]
    raw["precision"] = names[0] if names else raw["precision"]
    body = yaml.safe_dump(raw, sort_keys=False, default_flow_style=None, width=100)
    return f"# Found by `{made_by}`.\n{body}"


def rows(plan: Plan, points: list[Point], engine: Engine) -> list[str]:
    """A table of points for the terminal: the objectives as they were screened, and as the engine
    says where it looked, and the knobs as arguments.
    """
    looked = [name for name in plan.objectives if name in ENGINE and engine]
    heads = [*plan.objectives, *(f"engine's {name}" for name in looked)]
    table = ["".join(f"{head:>{_width(head)}}" for head in heads) + "  knobs"]
    for point in points:
        cells = [f"{measured(point, name, {}):,.3f}" for name in plan.objectives]
        cells += [
            f"{measured(point, name, engine):,.3f}" if point.id in engine else "" for name in looked
        ]
        values = zip(heads, cells, strict=True)
        line = "".join(f"{cell:>{_width(head)}}" for head, cell in values)
        table.append(f"{line}  {' '.join(overrides(plan.turned(point.knobs)))}")
    return table


def _width(head: str) -> int:
    return max(20, len(head) + 2)
