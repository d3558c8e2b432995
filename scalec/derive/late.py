"""Why plain gradients do not come to where normalised ones are. Input: a Problem, its solution. Output: sentences.

A rate of a plain gradient is for the gradient entry that the limit has. Where weights wait for each other (a gate that
starts small, and what it gates) the entry at the start is smaller, updates stay smaller with it, and nothing moves on.
A rate for the start would be too large at the limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from scalec.calculus.training import train
from scalec.calculus.world import World
from scalec.check.run import check
from scalec.derive.problem import Problem
from scalec.derive.solve import RestlessError, Solution, solve
from scalec.symbolic.dominance import Magnitude


def late(problem: Problem, solution: Solution, goals: Sequence[str]) -> tuple[str, ...]:
    """The gradient entries that stay smaller than those that rates are for; none where these are no rule either."""
    alike = problem.normalised
    if alike is problem:
        return ()
    try:
        there = solve(alike, solution.cell)
    except RestlessError:
        return ()
    if check(problem.program, alike.scaling(there.orders), problem.regime, goals).verdict != "pass":
        return ()
    wanted, found = _entries(alike, there), _entries(problem, solution)
    paths = dict.fromkeys(rate.path for rate in problem.plain_rates)
    behind = [(path, found[path], wanted[path]) for path in paths if _less(found[path], wanted[path])]
    if not behind:
        return ()
    first = (
        "normalised gradients have a rule; of plain ones these entries stay below where all learn, which rates are for:"
    )
    return first, *(
        f"`{path}`'s gradient entry stays at `{here}`, and is `{best}` there" for path, here, best in behind
    )


def _entries(problem: Problem, solution: Solution) -> dict[str, Magnitude | None]:
    """The largest gradient entries on the way to the limit, without what decay adds."""
    world = World(problem.structure, problem.undecayed(solution.orders), solution.cell)
    steps = train(world, beyond_proof=True).steps
    return {path: world.cell.largest(e for s in steps if (e := s.gradient[path])) for path in world.weights}


def _less(here: Magnitude | None, there: Magnitude | None) -> bool:
    return here is not None and there is not None and not there <= here
