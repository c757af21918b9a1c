"""Screening a whole grid: its pieces, without those that the store has."""

import time
from collections.abc import Iterator

from models.errors import InputError
from reports.explore.gather import SAMPLE
from reports.explore.plan import Plan
from reports.explore.store import Store
from reports.explore.work import Piece, screen_all
from reports.inputs import Show

PIECE = 2**17
"""Points that are screened together: some hundred megabytes, half a second or more."""
MOST = 10**9
"""Points of the largest space of which every point is looked at: some hours."""
TELL_SECONDS = 5


def screen_grid(plan: Plan, store: Store, workers: int, scheduler: str | None, show: Show) -> int:
    """Screen those of the plan's points that the store does not have; of how many something had to
    be computed.

    Raises InputError for a space that is too large.
    """
    if plan.points > MOST:
        rule = f"must have at most {MOST:,} points to look at all of them, not {plan.points:,}"
        raise InputError(f"space {plan.space.name}", rule, "give it `search: {method: nsga2}`")
    done = store.pieces(plan.key)
    left = [piece for piece in pieces(plan) if (piece.grid, piece.name) not in done]
    if done:
        show(f"{len(done)} pieces of {PIECE:,} points are in {store.path} already")
    asked = (
        piece._replace(kept=store.computed(plan.grids[piece.grid].key, piece.name))
        for piece in left
    )
    start = last = time.monotonic()
    points = computed = 0
    for piece, found in screen_all(plan, asked, min(workers, len(left)), scheduler):
        store.add(plan.key, piece.grid, plan.grids[piece.grid].key, piece.name, found)
        points += len(piece.numbers)
        computed += len(piece.numbers) if piece.kept is None else 0
        if time.monotonic() - last > TELL_SECONDS:
            last = time.monotonic()
            show(f"{points:,} of {plan.points:,} points, {points / (last - start):,.0f} a second")
    return computed


def pieces(plan: Plan) -> Iterator[Piece]:
    """The plan's points in the order of their numbers."""
    share = max(1, plan.points // SAMPLE)
    for at, grid in enumerate(plan.grids):
        for start in range(0, grid.points, PIECE):
            stop = min(grid.points, start + PIECE)
            yield Piece(at, f"{start:012}-{stop - start}", range(start, stop), share, None)
