"""Exploration: the best designs of a space of millions, and how far each stage can be believed."""

import json
import time
from dataclasses import replace
from pathlib import Path

from codegen.files import fresh_folder, write_whole
from reports.explore.answer import Answer, why
from reports.explore.document import made_by, to_json, winner_file
from reports.explore.exploration import Exploration
from reports.explore.gather import require_any
from reports.explore.outputs import design_file, to_csv, to_text
from reports.explore.plan import plan_of
from reports.explore.sensitivity import turn_knobs
from reports.explore.space import Space, find_space
from reports.explore.stages import Stage, engine_stage, verilator_stage, yosys_stage
from reports.explore.store import Store, open_store
from reports.explore.visit import visit
from reports.inputs import Show, unheard

RESULTS = ("front.csv", "explore.html", "explore.json", "winner.yaml")
__all__ = [
    "Answer",
    "Exploration",
    "Space",
    "explore",
    "find_space",
    "to_csv",
    "to_json",
    "to_text",
    "why",
]


def explore(
    space: str | Space,
    out: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    pictures: bool = False,
    show: Show = unheard,
) -> Exploration:
    """The best designs of a space: a name, a YAML file, or a Space. What is found goes to `out`.

    Screens every point by the closed form and the models of resources, in `workers` processes (as
    many as there are cores when it is None) or on the Dask cluster whose `scheduler` has that
    address, then looks closer at the front as the space's `verify` says. A script that starts
    processes needs the guard `if __name__ == "__main__":`. `out/results.sqlite` keeps all that is
    computed: it is not computed again, also after the process was killed, or for a space with the
    same base and knobs. What an earlier exploration has left there is replaced at the very end.
    With `pictures`, figures of explore.html are PNG, too, where there is a browser to draw them.

    Raises InputError for everything wrong in the space, when no point keeps all constraints, when
    the store is of another version, and when the scheduler does not answer.
    """
    start = time.monotonic()
    plan = plan_of(find_space(space) if isinstance(space, str) else space)
    out.mkdir(parents=True, exist_ok=True)
    with open_store(out / "results.sqlite", plan.version) as store:
        plan, points, computed = visit(plan, store, workers, scheduler, show)
        require_any(plan, points)
        found = Exploration(plan, points)
        found = _verified(found, store, show)
    turned = {p.id: turn_knobs(plan, p) for p in found.winners.values()}
    run = {"seconds": time.monotonic() - start, "computed": computed}
    found = replace(found, sensitivity=turned, run=run)
    _write(found, out, pictures)
    return found


def _verified(found: Exploration, store: Store, show: Show) -> Exploration:
    """With what each stage says of the first points that the one before has left."""
    verify = found.plan.space.verify
    fronts = found.found.fronts.values()
    stages: list[Stage] = []
    if verify.engine:
        first = [point for points in fronts for point in points[: verify.engine]]
        stage, engine = engine_stage(first, store, show)
        stages.append(stage)
        show(stage.to_text())
        found = replace(found, engine=engine)
    for count, stage_of in ((verify.yosys, yosys_stage), (verify.verilator, verilator_stage)):
        if count:
            stages.append(stage_of(found.best_first(count), store, show))
            show(stages[-1].to_text())
    return replace(found, stages=tuple(stages))


def _write(found: Exploration, out: Path, pictures: bool) -> None:
    """What was found, explore.json last: with it, all of it is there."""
    from reports.page.explore import write as write_page

    fresh_folder(out, RESULTS)
    for point in found.winners.values():
        text = design_file(point.design, made_by(found))
        write_whole(out / winner_file(found, point), text.encode())
    write_whole(out / "front.csv", to_csv(found).encode())
    told = to_json(found)
    write_page(json.loads(told), out, pictures)
    write_whole(out / "explore.json", told.encode())
