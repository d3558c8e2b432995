"""Several equations, solved together. Input: formulas over unknowns, each to be 1. Output: what the unknowns can be.

Products of powers are solved at once. Of anything else one equation after another is solved for one of its unknowns,
by those that are left, and what comes out is put into the others: first what has one solution, then what has fewest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain

from scalec.symbolic import formula as f
from scalec.symbolic.formula import UNIT, Formula, Symbol
from scalec.symbolic.solving import (
    NoClosedFormError,
    Solution,
    Solutions,
    has,
    is_power_product,
    linear,
    polynomial,
)

TRIES = 24  # equations that are solved for an unknown, in all orders
NEAR, POINTS = 1e-9, (1.731, 2.236, 5.477)


def solve(equations: Sequence[Formula], unknowns: Sequence[Symbol]) -> Solutions:
    """The values of the unknowns at which every equation is 1. Raises NoClosedFormError."""
    return _System([TRIES]).solve(tuple(equations), tuple(unknowns))


class _System:
    def __init__(self, left: list[int]) -> None:
        self.left = left

    def solve(self, equations: tuple[Formula, ...], unknowns: tuple[Symbol, ...]) -> Solutions:
        known = [e for e in equations if not has(e, unknowns)]
        equations = tuple(e for e in equations if e not in known)
        if not all(map(holds, known)):
            return Solutions(())
        if not equations:
            return Solutions((), unknowns) if unknowns else Solutions(({},))
        if all(is_power_product(equation, unknowns) for equation in equations):
            return linear(equations, unknowns)
        reasons: list[str] = []
        for equation, unknown in _orders(equations, unknowns):
            try:
                return self._by(equation, unknown, equations, unknowns)
            except NoClosedFormError as error:
                reasons.append(str(error))
        raise NoClosedFormError(reasons[0])

    def _by(
        self, equation: Formula, unknown: Symbol, equations: tuple[Formula, ...], unknowns: tuple[Symbol, ...]
    ) -> Solutions:
        """One equation for one of its unknowns, then the others with every value that it may have."""
        self.left[0] -= 1
        if self.left[0] < 0:
            raise NoClosedFormError("too many ways to put one equation into the others")
        one = (unknown,)
        values = linear([equation], one) if is_power_product(equation, one) else polynomial(equation, unknown)
        others = tuple(e for e in equations if e is not equation)
        if values.free:
            return self.solve(others, unknowns)
        rest = tuple(u for u in unknowns if u != unknown)
        found = [self._with(value[unknown], unknown, others, rest) for value in values.found]
        free = tuple(dict.fromkeys(chain.from_iterable(s.free for s in found)))
        return Solutions(tuple(chain.from_iterable(s.found for s in found)) if not free else (), free)

    def _with(
        self, value: Formula, unknown: Symbol, others: tuple[Formula, ...], rest: tuple[Symbol, ...]
    ) -> Solutions:
        put = tuple(f.substitute(e, lambda s: value if s == unknown else None) for e in others)
        solved = self.solve(put, rest)
        return Solutions(tuple(_whole(unknown, value, s) for s in solved.found), solved.free)


def holds(equation: Formula) -> bool:
    """Whether what no unknown stands in is 1 whatever its sizes are: at some numbers without anything in common."""
    return equation == UNIT or all(abs(value - 1) < NEAR for value in _at_points(equation))


def _at_points(equation: Formula) -> Iterator[float]:
    names = f.symbols(equation)
    for first in POINTS:
        values = {s: first + 0.618 * i for i, s in enumerate(names)}
        with suppress(ArithmeticError, ValueError, TypeError):  # a root of what is negative there
            yield f.evaluate(equation, values.__getitem__)


def _whole(unknown: Symbol, value: Formula, others: Solution) -> Solution:
    return {unknown: f.substitute(value, others.get), **others}


def _orders(equations: Sequence[Formula], unknowns: Sequence[Symbol]) -> Iterator[tuple[Formula, Symbol]]:
    """What may be solved first: what has one solution, then what has few unknowns."""

    def rank(pair: tuple[Formula, Symbol]) -> tuple[bool, int]:
        equation, unknown = pair
        return not is_power_product(equation, (unknown,)), sum(has(equation, (u,)) for u in unknowns)

    yield from sorted(((e, u) for e in equations for u in unknowns if has(e, (u,))), key=rank)
