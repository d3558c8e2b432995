"""Which order is larger, on cones of directions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalec.symbolic.dominance import Cell, NotMonomialError, UndecidedError, directions, merged, regions
from scalec.symbolic.formula import add, divide, log, maximum, minimum, mul, number, power, symbol
from scalec.symbolic.order import Order, Regime

SCALES = ("s", "t", "u")
SPACE = Regime("space", SCALES, tuple((d, Order.of({s: 1})) for d, s in zip("NLM", SCALES, strict=True)))
PLANE = Regime("plane", ("s", "t"), SPACE.growth[:2])
LINE = Regime("line", ("s",), SPACE.growth[:1])
N, L = symbol("size", "N"), symbol("ratio", "L")


def order(**powers: int | Fraction) -> Order:
    return Order.of(powers)


def test_one_scale_decides_everything() -> None:
    cell = Cell(LINE)
    small, large = cell.magnitude(order(N=1)), cell.magnitude(order(N=Fraction(3, 2)))
    assert small <= large
    assert not large <= small
    assert cell.larger(small, large) is large
    assert small * small.root is large
    assert large / small.root is small


def test_two_scales_may_leave_it_open() -> None:
    cell = Cell(PLANE)
    wide, deep = cell.magnitude(order(N=1)), cell.magnitude(order(L=1))
    assert not wide <= deep
    assert not deep <= wide
    with pytest.raises(UndecidedError) as tie:
        cell.larger(wide, deep)
    above, below = cell.split(tie.value.quotient)
    assert above is not None
    assert below is not None
    assert (directions(above), directions(below)) == ("t/s < 1", "1 < t/s")
    assert directions(cell) == ""


def test_cells_that_touch_are_one_interval() -> None:
    three = maximum(N, L, power(mul(N, L), Fraction(2, 3)))
    cells = [cell for cell, _ in regions(PLANE, lambda cell: cell.order_of(three))]
    assert sorted(map(directions, cells)) == ["1/2 < t/s < 2", "2 < t/s", "t/s < 1/2"]
    assert [directions(cell) for cell in merged(cells)] == [""]
    apart = [cell for cell in cells if directions(cell) != "1/2 < t/s < 2"]
    assert [directions(cell) for cell in merged(apart)] == ["t/s < 1/2", "2 < t/s"]


EXPONENTS = st.fractions(min_value=-3, max_value=3, max_denominator=4)
MONOMIALS = st.lists(EXPONENTS, min_size=3, max_size=3).map(lambda e: Order.of(dict(zip("NLM", e, strict=True))))
DIRECTIONS = st.lists(st.integers(1, 40), min_size=3, max_size=3)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(MONOMIALS, min_size=1, max_size=5), DIRECTIONS)
def test_the_largest_on_each_cell_is_the_largest_in_each_direction(orders, direction) -> None:
    """Three scales: in any direction, every cell that holds it names an order that is largest there."""
    along = dict(zip("NLM", direction, strict=True))

    def height(o: Order) -> Fraction:
        return sum((e * along[d] for d, e in o.powers), Fraction(0))

    found = regions(SPACE, lambda cell: cell.largest(map(cell.magnitude, orders)))
    best = max(map(height, orders))
    for cell, top in found:
        assert top is not None
        for other in orders:  # on the rays, and so on all of the cell, nothing is larger
            assert cell.magnitude(other) <= top
    assert best in {height(top.order) for _, top in found if top is not None}


def test_formulas_have_the_order_of_their_largest_term() -> None:
    cell = Cell(LINE)
    assert cell.order_of(add(N, number(64))).order == order(N=1)
    assert cell.order_of(divide(power(N, 2), add(power(N, Fraction(1, 2)), number(1)))).order == order(N=Fraction(3, 2))
    assert cell.order_of(minimum(number(1), power(N, -1))).order == order(N=-1)
    assert cell.order_of(mul(number(7), symbol("base", "N"), symbol("run", "lr"))).order == order()
    assert cell.order_of(log(number(10))).order == order()


@pytest.mark.parametrize("formula", [log(N), add(N, mul(number(-1), symbol("ratio", "N")))])
def test_what_has_no_order_is_said(formula) -> None:
    with pytest.raises(NotMonomialError):
        Cell(LINE).order_of(formula)
