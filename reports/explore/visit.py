"""Visiting: what becomes of all points of a plan, or of those that a search comes by."""

import os

from reports.explore.divergence import with_divergences
from reports.explore.gather import Found, gather
from reports.explore.plan import Plan
from reports.explore.screening import screen_grid
from reports.explore.search import search_plan
from reports.explore.store import Store
from reports.inputs import Show


def visit(
    plan: Plan, store: Store, workers: int | None, scheduler: str | None, show: Show
) -> tuple[Plan, Found, int]:
    """The plan with the divergences that it needs, what was found, and how many points were
    computed now, for the store did not have them. `workers` and `scheduler` are as for `explore`.
    """
    plan = with_divergences(plan, store, show)
    if plan.space.search.method == "nsga2":
        computed = search_plan(plan, store, show)
    else:
        processes = (os.cpu_count() or 1) if workers is None else workers
        computed = screen_grid(plan, store, processes, scheduler, show)
    return plan, gather(plan, store.screened(plan.key)), computed
