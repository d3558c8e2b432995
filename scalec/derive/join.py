"""One rule of several, each for some directions of growth. Input: a Problem, solutions on their cells. Output: one.

A law that is one monomial in some directions and another one in the rest is the smaller of the two everywhere, or the
larger, where each is that in its own directions: `sqrt(rank)/fan_in` and `1/sqrt(fan_in)`. What falls apart in another
way is no rule of the language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scalec.derive.problem import Bend, Lever, Problem
from scalec.derive.solve import Solution
from scalec.symbolic.order import Order


def joined(problem: Problem, solutions: Sequence[Solution]) -> Solution | None:
    """The rule that is each solution's on its cell; None where there is none, or only one solution."""
    first = solutions[0]
    bends: dict[Lever, Bend] = {}
    for lever in first.orders:
        orders = [solution.orders[lever] for solution in solutions]
        others = [order for order in orders if _apart(problem, order, orders[0])]
        if any(_apart(problem, order, others[0]) for order in others):
            return None
        if others:
            bend = _bend(problem, lever, others[0] / orders[0], solutions)
            if bend is None:
                return None
            bends[lever] = bend
    bent = {lever: _elsewhere(problem, lever, solutions) for lever in bends}
    held = {lever: solution.held[lever] for lever, solution in bent.items() if lever in solution.held}
    return replace(first, bends=bends, bent=held, trained=None) if bends else None


def _apart(problem: Problem, one: Order, other: Order) -> bool:
    return problem.regime.exponent(one) != problem.regime.exponent(other)


def _elsewhere(problem: Problem, lever: Lever, solutions: Sequence[Solution]) -> Solution:
    return next(s for s in solutions if _apart(problem, s.orders[lever], solutions[0].orders[lever]))


def _bend(problem: Problem, lever: Lever, by: Order, solutions: Sequence[Solution]) -> Bend | None:
    """`by` is at most 1 exactly where it is asked for, or at least 1 exactly there."""
    sides = {"min": True, "max": True}
    for solution in solutions:
        there, one = solution.cell.magnitude(by), solution.cell.one
        asked = _apart(problem, solution.orders[lever], solutions[0].orders[lever])
        sides["min"] &= there <= one if asked else one <= there
        sides["max"] &= one <= there if asked else there <= one
    return Bend("min", by) if sides["min"] else Bend("max", by) if sides["max"] else None
