"""Derivation: a Problem in, a Solution that holds in every direction out.

On a regime with several scales the cone of directions may fall into cells with rules of their own. A rule is
one monomial for all; the first cell's that fits everywhere is it.
"""

from __future__ import annotations

from scalec.derive.problem import Problem
from scalec.derive.solve import Solution, solve
from scalec.symbolic.dominance import regions


def solutions(problem: Problem) -> tuple[Solution, ...]:
    """Every different rule that some direction of growth asks for, one where they agree."""
    found: dict[object, Solution] = {}
    for _, solution in regions(problem.regime, lambda cell: solve(problem, cell)):
        found.setdefault(frozenset(solution.orders.items()), solution)
    return tuple(found.values())
