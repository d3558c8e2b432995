"""The calculus against Wick sums, on random chains of linear maps and sums over copies."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scalec.calculus.components import Copies, Vector, size, sum_over
from scalec.calculus.pruning import prune
from scalec.calculus.transfer import source
from scalec.calculus.weights import Matrix
from scalec.symbolic.dominance import Cell
from scalec.symbolic.order import Order, Regime
from tests.calculus import wick

CELL = Cell(Regime("test", ("s",), (("N", Order.of({"s": 1})),)))
EXPONENTS = [Fraction(k, 2) for k in range(5)]
SHAPES = {"A": (1, 0), "B": (2, 1), "C": (0, 2), "D": (1, 1)}


def magnitude(exponent: Fraction):
    return CELL.magnitude(Order.of({"N": exponent}))


def by_calculus(chain, sigma, dims, copies, pruned) -> Fraction:
    axis = Copies("copy", magnitude(copies))
    x: Vector = source(CELL.one, "v", "the data")
    for step in chain:
        if isinstance(step, wick.Sum):
            x = sum_over(axis, x, "sum")
        else:
            row, column = SHAPES[step.name]
            own = frozenset({axis} if step.stacked else ())
            use = Matrix(step.name, "forward", magnitude(dims[column]), magnitude(dims[row]), CELL.one,
                         magnitude(sigma[step.name]), own)  # fmt: skip
            x = (use.transpose if step.transposed else use).initial(x)
        x = prune(x) if pruned else x
    order = size(CELL, x)
    assert order is not None
    return order.order.exponent("N")


@st.composite
def chains(draw, longest: int = 5):
    """A walk among three spaces; each matrix is stacked or shared throughout.

    Forward and transpose of one matrix alternate, as they do in training: `W ... W` with no `W^T` between
    has a mean of relative order `1/n`, which the calculus does not follow.
    """
    stacked = {name: draw(st.booleans()) for name in SHAPES}
    here, steps, before = draw(st.integers(0, 2)), [], {}
    for _ in range(draw(st.integers(1, longest))):
        moves = [(n, t) for n, (row, col) in SHAPES.items() for t in (False, True)
                 if (row if t else col) == here and before.get(n) != t]  # fmt: skip
        if not moves:
            break
        name, transposed = draw(st.sampled_from(moves))
        before[name] = transposed
        steps.append(wick.Apply(name, transposed, stacked[name]))
        here = SHAPES[name][1 if transposed else 0]
        if draw(st.booleans()):
            steps.append(wick.Sum())
    assume(steps)
    return steps


@pytest.mark.slow
@pytest.mark.parametrize("pruned", [False, True])
@settings(max_examples=150, deadline=None)
@given(
    chains(),
    st.fixed_dictionaries({name: st.sampled_from([Fraction(k, 3) for k in range(-3, 4)]) for name in SHAPES}),
    st.lists(st.sampled_from(EXPONENTS), min_size=3, max_size=3),
    st.sampled_from(EXPONENTS),
)
def test_orders_are_those_of_the_largest_pairing(pruned, chain, sigma, dims, copies):
    expected = wick.exponent(chain, sigma, SHAPES, dims, copies)
    assert by_calculus(chain, sigma, dims, copies, pruned) == expected


def test_the_evaluator_counts_loops():
    """`W v` has the size `sigma * n^(1/2)`, and `W^T W v` `sigma^2 * m` where `m` is the larger."""
    one, two = Fraction(1), Fraction(2)
    once, back = wick.Apply("A", False, False), wick.Apply("A", True, False)
    sigma = dict.fromkeys(SHAPES, Fraction(0))
    assert wick.exponent([once], sigma, SHAPES, [one, two, one], one) == Fraction(1, 2)
    assert wick.exponent([once, back], sigma, SHAPES, [one, two, one], one) == 2
    assert wick.exponent([once, wick.Sum()], sigma, SHAPES, [one, two, one], one) == Fraction(3, 2)
