"""Searching a space that is too large for its grid: NSGA-II (Deb et al., 2002), by pymoo.

A genome has the board and the place of each knob's value. What is evaluated comes from the same
models as the grid's points, and stays in the store, generation by generation: with the same seed, a
search that was killed goes the same way again, and computes only what is not there.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.explore.plan import Plan
from reports.explore.screen import NAMES, Screened, Values, costs, screen
from reports.explore.store import Store
from reports.inputs import Show

UNFIT, NO_ROOM = 4.0, 2.0
"""Violations of a point of which nothing is known, and of one that its board has no room for; what
it misses of the constraints, which comes beside the latter, is at most 1.
"""
Genomes = NDArray[np.int64]


def search_plan(plan: Plan, store: Store, show: Show) -> int:
    """Search each network's grids; how many points were computed now."""
    there = {(at, name): found for at, name, found in store.screened(plan.key)}
    networks = dict.fromkeys(grid.network for grid in plan.grids)
    return sum(_Search(plan, store, there, network).run(show) for network in networks)


class _Search:
    """Of one network. `known` are objectives' costs and the violation of each point met so far."""

    def __init__(
        self, plan: Plan, store: Store, there: dict[tuple[int, str], Screened], network: str
    ) -> None:
        self.plan, self.store, self.there = plan, store, there
        self.grids = [at for at, grid in enumerate(plan.grids) if grid.network == network]
        self.known: dict[tuple[int, int], tuple[Values, float]] = {}
        self.computed = 0

    def run(self, show: Show) -> int:
        from pymoo.core.evaluator import Evaluator
        from pymoo.problems.static import StaticProblem

        settings = self.plan.space.search
        algorithm, problem = self._algorithm()
        for generation in range(settings.generations):
            population = algorithm.ask()
            if population is None:
                break  # every point that mating leads to was met
            costs, violations = self._evaluate(generation, population.get("X").astype(np.int64))
            static = StaticProblem(problem, F=costs, G=violations[:, None])
            Evaluator().eval(static, population)
            algorithm.tell(infills=population)
            if generation % 10 == 9:
                show(f"generation {generation + 1} of {settings.generations}: "
                     f"{len(self.known):,} points")  # fmt: skip
        return self.computed

    def _algorithm(self) -> tuple[Any, Any]:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.problem import Problem
        from pymoo.operators.crossover.sbx import SBX
        from pymoo.operators.mutation.pm import PM
        from pymoo.operators.repair.rounding import RoundingRepair
        from pymoo.operators.sampling.rnd import IntegerRandomSampling

        settings, sizes = self.plan.space.search, self.plan.grids[self.grids[0]].sizes
        highest = np.array([len(self.grids), *sizes]) - 1
        problem = Problem(
            n_var=len(highest), n_obj=len(self.plan.objectives), n_ieq_constr=1,
            xl=np.zeros(len(highest)), xu=highest, vtype=int,
        )  # fmt: skip
        whole = {"vtype": float, "repair": RoundingRepair()}
        algorithm = NSGA2(
            pop_size=settings.population, sampling=IntegerRandomSampling(),
            crossover=SBX(**whole), mutation=PM(**whole), eliminate_duplicates=True,
        )  # fmt: skip
        algorithm.setup(problem, termination=("n_gen", settings.generations), seed=settings.seed)
        return algorithm, problem

    def _evaluate(self, generation: int, genomes: Genomes) -> tuple[Values, Values]:
        """Costs (genomes, objectives), and how far each is from keeping all constraints."""
        boards = genomes[:, 0]
        numbers = np.zeros(len(genomes), np.int64)
        for board, at in enumerate(self.grids):
            here, grid = boards == board, self.plan.grids[at]
            index = tuple(genomes[here, 1:].T)
            numbers[here] = grid.canonical(np.ravel_multi_index(index, grid.sizes))
            new = [n for n in np.unique(numbers[here]).tolist() if (at, n) not in self.known]
            if new:
                self._learn(at, f"generation {generation:06}", np.array(new))
        told = [self.known[self.grids[b], n] for b, n in zip(boards, numbers.tolist(), strict=True)]
        return np.array([each for each, _ in told]), np.array([each for _, each in told])

    def _learn(self, at: int, name: str, numbers: NDArray[np.int64]) -> None:
        """What becomes of points that were not met before: from the store, or computed."""
        found = self.there.get((at, name))
        if found is None:
            found = screen(self.plan, at, numbers, 1, None)._replace(kept=b"")
            self.store.add(self.plan.key, at, self.plan.grids[at].key, name, found)
            self.computed += len(numbers)
        for number in numbers.tolist():
            self.known[at, number] = np.full(len(self.plan.objectives), UNFIT), UNFIT
        violations = self._violations(found)
        of_objectives = costs(self.plan, found.sample_values)
        for number, cost, violation in zip(
            found.sample.tolist(), of_objectives, violations, strict=True
        ):
            self.known[at, number] = cost, violation

    def _violations(self, found: Screened) -> Values:
        """Of the points that have values: NO_ROOM, and the mean of what each constraint misses.

        An excess of x misses x / (1 + x), so that none hides all the others.
        """
        no_room = np.array([reason.kind == "board" for reason in found.reasons], float)
        total = no_room[found.sample_codes] * NO_ROOM
        for constraint in self.plan.constraints:
            values = found.sample_values[:, NAMES.index(constraint.measure)]
            excess = np.maximum(constraint.excess(values), 1e-12)
            missed = np.where(constraint.holds(values), 0, 1 - 1 / (1 + excess))
            total += np.nan_to_num(missed, nan=1) / len(self.plan.constraints)
        return total
