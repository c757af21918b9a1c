"""Work: pieces of grids screened here, in processes beside this one, or on a Dask cluster."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np

from hwsim.measures import Costly
from models.errors import InputError
from reports.explore.grid import Numbers
from reports.explore.identity import version
from reports.explore.plan import Plan
from reports.explore.screen import Screened, screen

AHEAD = 2
"""Pieces that wait for each worker."""
SECONDS = 10
"""That a scheduler may take to answer."""


class Piece(NamedTuple):
    """Points of a plan's grid `grid`: a range, or those that are named.

    `kept` is what was computed of them before, `share` as in `reports.explore.screen.screen`.
    """

    grid: int
    name: str
    numbers: range | Numbers
    share: int
    kept: Costly | None


def screen_all(
    plan: Plan, pieces: Iterable[Piece], workers: int, scheduler: str | None
) -> Iterator[tuple[Piece, Screened]]:
    """Each piece with what became of it, in the order in which they are done.

    On the cluster at the address `scheduler`; otherwise in so many processes, or in this one.
    Raises InputError when the scheduler does not answer.
    """
    if scheduler is not None:
        yield from _on_cluster(plan, pieces, scheduler)
    elif workers < 2:
        for piece in pieces:
            yield piece, _screen(plan, piece)
    else:
        yield from _beside(plan, pieces, workers)


def _screen(plan: Plan, piece: Piece) -> Screened:
    numbers = piece.numbers
    if isinstance(numbers, range):
        numbers = np.arange(numbers.start, numbers.stop)
    return screen(plan, piece.grid, numbers, piece.share, piece.kept)


def _beside(plan: Plan, pieces: Iterable[Piece], workers: int) -> Iterator[tuple[Piece, Screened]]:
    context = multiprocessing.get_context("spawn")  # forked, threads of numba would be lost
    with ProcessPoolExecutor(workers, context, _begin, (plan,)) as pool:
        yield from _in_turn(
            pieces, AHEAD * workers, lambda piece: pool.submit(_screen_here, piece), wait
        )


_HERE: list[Plan] = []
"""The plan of this worker."""


def _begin(plan: Plan) -> None:
    """Of a worker, which ends when the process that began it does, however that ends."""
    _HERE[:] = [plan]
    parent = multiprocessing.parent_process()
    assert parent

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _screen_here(piece: Piece) -> Screened:
    return _screen(_HERE[0], piece)


def _on_cluster(
    plan: Plan, pieces: Iterable[Piece], scheduler: str
) -> Iterator[tuple[Piece, Screened]]:
    from distributed import Client
    from distributed import wait as wait_cluster

    try:
        client = Client(scheduler, timeout=SECONDS)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"scheduler {scheduler!r}", f"must answer within {SECONDS} s, not fail: {reason}",
            "start one with `dask scheduler` and `dask worker`, and give its address",
        ) from None  # fmt: skip
    with client:
        cores = sum(client.ncores().values())
        told = client.run(version, on_error="return")
        others = {f"{each}" for each in told.values()} - {plan.version}
        if others or not cores:
            found = ", ".join(sorted(others)) or "no workers at all"
            raise InputError(
                f"scheduler {scheduler!r}",
                f"must have workers with puffadder's version {plan.version}, not {found}",
                "start `dask worker` in a checkout of the same version",
            )
        there = client.scatter(plan, broadcast=True)
        yield from _in_turn(
            pieces, AHEAD * cores,
            lambda piece: client.submit(_screen, there, piece, pure=False), wait_cluster,
        )  # fmt: skip


def _in_turn(
    pieces: Iterable[Piece], ahead: int, submit: Callable[[Piece], Any], wait: Callable[..., Any]
) -> Iterator[tuple[Piece, Screened]]:
    """Results of futures as they come, of which no more than `ahead` are under way."""
    under_way: dict[Any, Piece] = {}
    left = iter(pieces)
    while True:
        for piece in left:
            under_way[submit(piece)] = piece
            if len(under_way) == ahead:
                break
        if not under_way:
            return
        for done in wait(list(under_way), return_when=FIRST_COMPLETED).done:
            piece = under_way.pop(done)
            yield piece, done.result()
