"""Laws that are others in other directions of growth: the smaller of two or the larger, where that says it."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scalec.derive.join import joined
from scalec.derive.problem import INIT, Bend, Lever, Problem
from scalec.derive.solve import Solution
from scalec.symbolic.dominance import Cell
from scalec.symbolic.order import ONE, Order
from tests.derive.test_properties import problem_on

NET = "network net { dims N, M, K = M  fixed D = 64, C = 10  input(D) linear(N) readout(C) }"
LEVER = Lever("linear", INIT)
N, M = Order.of({"N": 1}), Order.of({"M": 1})


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_on(NET, "adamw", "width + finer")


def halves(problem: Problem, below: Order, above: Order) -> list[Solution]:
    """`below` where the first scale is the larger one, `above` where the second is."""
    grows, falls = Cell(problem.regime).split(problem.regime.exponent(M / N))
    assert grows is not None
    assert falls is not None
    return [Solution(cell, {LEVER: order}, {}) for cell, order in ((falls, below), (grows, above))]


@pytest.mark.parametrize(
    ("below", "above", "expected"),
    [
        (M / N, ONE, Bend("min", N / M)),  # min(1, M/N) is M/N times min(1, N/M)
        (ONE, M / N, Bend("max", M / N)),
        (ONE, N / M, Bend("min", N / M)),
        (N, M, Bend("max", M / N)),
        (M, N, Bend("min", N / M)),
    ],
)
def test_the_smaller_or_the_larger(problem: Problem, below: Order, above: Order, expected: Bend) -> None:
    found = joined(problem, halves(problem, below, above))
    assert found is not None
    assert found.orders == {LEVER: below}
    assert found.bends == {LEVER: expected}


@pytest.mark.parametrize(("below", "above"), [(ONE, N), (ONE, M), (N * M, ONE)])
def test_what_does_not_meet_where_they_part_is_no_rule(problem: Problem, below: Order, above: Order) -> None:
    """Where both scales are equal one law is larger than the other: neither the larger nor the smaller is both."""
    assert joined(problem, halves(problem, below, above)) is None


def test_one_law_for_all_needs_nothing(problem: Problem) -> None:
    assert joined(problem, halves(problem, N, N)) is None


def test_three_laws_are_no_two(problem: Problem) -> None:
    low, high = halves(problem, ONE, M / N)
    third = Solution(high.cell, {LEVER: (M / N) ** Fraction(2)}, {})
    assert joined(problem, [low, high, third]) is None
