"""Equations solved: what comes out makes them hold, and what has no one solution is told from what has."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalec.symbolic import formula as f
from scalec.symbolic.formula import UNIT, Formula, Symbol
from scalec.symbolic.solving import NoClosedFormError
from scalec.symbolic.systems import holds, solve
from scalec.symbolic.text import plain

X, Y = Symbol("unknown", "x"), Symbol("unknown", "y")
N, L = f.symbol("ratio", "N"), f.symbol("ratio", "L")
VALUES = {N: 7.0, L: 3.0}
EXPONENTS = st.sampled_from([Fraction(n, d) for n in range(-3, 4) for d in (1, 2, 4)])


def x(exponent: Fraction | int = 1) -> Formula:
    return f.power(f.symbol("unknown", "x"), exponent)


def y(exponent: Fraction | int = 1) -> Formula:
    return f.power(f.symbol("unknown", "y"), exponent)


def texts(*equations: Formula, unknowns: tuple[Symbol, ...] = (X,)) -> list[dict[str, str]]:
    return [{s.name: plain(value) for s, value in found.items()} for found in solve(equations, unknowns).found]


def number(formula: Formula) -> float:
    known = {"N": 7.0, "L": 3.0}
    return f.evaluate(formula, lambda s: known[s.name])


# ---- products of powers ------------------------------------------------------------------------
def test_a_gain_with_and_without_its_square_root() -> None:
    kept = f.mul(f.power(N, Fraction(3, 4)), f.power(f.mul(N, x()), Fraction(-1, 2)))
    lost = f.mul(f.power(N, Fraction(3, 4)), f.power(f.mul(N, x()), -1))
    assert texts(kept) == [{"x": "sqrt(m_N)"}]
    assert texts(lost) == [{"x": "1/m_N^(1/4)"}]


def test_two_together() -> None:
    ratio, product = f.mul(x(Fraction(1, 2)), y(Fraction(-1, 2)), N), f.mul(x(), y(), L)
    assert texts(ratio, product, unknowns=(X, Y)) == [{"x": "1/(sqrt(m_L)*m_N)", "y": "m_N/sqrt(m_L)"}]


def test_what_a_sum_or_a_minimum_is_made_of_is_one_thing() -> None:
    known = f.minimum(N, f.add(UNIT, L))
    assert texts(f.mul(x(2), known)) == [{"x": "1/sqrt(min(1 + m_L, m_N))"}]


def test_an_equation_that_the_unknown_is_not_in() -> None:
    assert solve([N], (X,)).found == ()
    assert solve([N], (X,)).free == ()
    assert solve([UNIT], (X,)).free == (X,)


def test_one_equation_for_two() -> None:
    assert set(solve([f.mul(x(), y())], (X, Y)).free) & {X, Y}


def test_two_equations_that_cannot_both_hold() -> None:
    assert solve([f.mul(x(), y()), f.mul(x(), y(), N)], (X, Y)).found == ()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(EXPONENTS, EXPONENTS, EXPONENTS, EXPONENTS), min_size=2, max_size=2))
def test_a_solution_makes_every_equation_hold(rows: list[tuple[Fraction, ...]]) -> None:
    equations = [f.mul(x(a), y(b), f.power(N, c), f.power(L, d)) for a, b, c, d in rows]
    (a, b, *_), (c, d, *_) = rows
    solutions = solve(equations, (X, Y))
    if a * d != b * c:
        (found,) = solutions.found
        for equation in equations:
            assert f.substitute(equation, lambda s: found.get(s)) == UNIT
    else:
        assert solutions.found == ()


# ---- other forms -------------------------------------------------------------------------------
def test_what_is_linear_in_a_distance_from_one() -> None:
    beta = f.divide(f.add(UNIT, f.mul(f.number(-1), x())), f.mul(f.number(Fraction(1, 10)), N))
    (found,) = solve([beta], (X,)).found
    assert isclose(number(found[X]), 1 - VALUES[N] / 10)


@pytest.mark.parametrize("exponent", [1, Fraction(1, 2), -1])
def test_a_quadratic_in_a_power(exponent: Fraction | int) -> None:
    whole = f.add(x(exponent), f.mul(f.number(2), x(2 * Fraction(exponent))))
    found = [number(s[X]) for s in solve([f.divide(whole, f.mul(f.number(3), N))], (X,)).found]
    (root,) = (value ** float(exponent) for value in found if value > 0)  # that the other is not, nobody can tell
    assert isclose(root + 2 * root**2, 3 * VALUES[N])


def test_both_roots_that_may_be_positive() -> None:
    whole = f.divide(f.add(x(), x(-1)), f.add(f.mul(f.number(2), N), f.power(f.mul(f.number(2), N), -1)))
    found = [number(s[X]) for s in solve([whole], (X,)).found]
    assert len(found) == 2
    assert all(isclose(value + 1 / value, 14 + 1 / 14) for value in found)


@pytest.mark.parametrize(
    "equation",
    [
        f.divide(f.maximum(x(), N), L),
        f.divide(f.log(x()), N),
        f.divide(f.add(x(5), x()), N),
        f.divide(f.power(f.add(x(), UNIT), Fraction(1, 2)), f.add(x(), N)),
        f.divide(f.add(x(Fraction(713, 1000)), x()), N),
    ],
    ids=plain,
)
def test_what_is_not_looked_for(equation: Formula) -> None:
    with pytest.raises(NoClosedFormError):
        solve([equation], (X,))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("power", [5, 60])
def test_what_would_be_large_is_not_even_expanded(power: int) -> None:
    long = f.mul(*(f.add(x(), f.symbol("size", f"N{i}")) for i in range(power)))
    distances = f.add(*(f.power(f.add(x(), f.symbol("size", f"N{i}")), -1) for i in range(power)))
    for equation in (long, f.divide(f.power(f.add(x(), N), power), f.add(UNIT, x())), distances):
        with pytest.raises(NoClosedFormError):
            solve([equation], (X,))


@pytest.mark.timeout(20)
def test_what_is_long_is_not_even_expanded() -> None:
    def size(i: int, j: int) -> Formula:
        return f.symbol("size", f"N{i}_{j}")

    slopes = f.mul(*(f.add(UNIT, *(f.mul(x(), size(i, j)) for j in range(40))) for i in range(4)))
    with pytest.raises(NoClosedFormError):
        solve([slopes], (X,))


@pytest.mark.timeout(20)
def test_what_is_known_is_not_expanded() -> None:
    long = f.add(*(f.symbol("size", f"N{i}") for i in range(200)))
    (found,) = solve([f.add(f.mul(f.number(2), x()), f.mul(f.number(-1), long))], (X,)).found
    assert found[X] == f.mul(f.number(Fraction(1, 2)), f.add(UNIT, long))


# ---- several equations of other forms ----------------------------------------------------------
TWO = f.number(2)
SYSTEMS = {
    "a sum and a product": [f.divide(f.add(x(), y()), f.mul(TWO, N)), f.divide(f.mul(x(), y()), L)],
    "each by itself": [f.divide(f.add(UNIT, x()), f.add(UNIT, N)), f.divide(f.add(y(2), y()), f.add(L, f.power(L, 2)))],
    "one inside of the other": [
        f.divide(f.add(x(), f.mul(L, y())), f.mul(TWO, N)),
        f.divide(f.add(x(), UNIT), f.mul(TWO, y(2))),
    ],
    "two lines": [f.divide(f.add(x(), y()), N), f.divide(f.add(x(), f.mul(f.number(-1), y())), L)],
    "a root": [f.divide(f.add(x(Fraction(1, 2)), y()), N), f.divide(y(), f.mul(TWO, L, x(Fraction(1, 2))))],
}


def _called(values: Mapping[str, float], s: Symbol) -> float:
    return values[s.name]


@pytest.mark.parametrize("name", SYSTEMS)
def test_equations_of_other_forms_are_solved_together(name: str) -> None:
    """Whatever root is real and positive at some sizes makes every equation hold there."""
    solutions = solve(SYSTEMS[name], (X, Y))
    assert solutions.free == ()
    seen = 0
    for found in solutions.found:
        assert set(found) == {X, Y}
        assert not {X, Y} & {s for value in found.values() for s in f.symbols(value)}
        try:
            values = {s.name: number(value) for s, value in found.items()}
        except ValueError:
            continue  # a root of what is negative at these sizes
        if min(values.values()) > 0:
            seen += 1
            there = {"N": 7.0, "L": 3.0, **values}
            sides = [f.evaluate(equation, partial(_called, there)) for equation in SYSTEMS[name]]
            assert sides == pytest.approx([1, 1], rel=1e-9)
    assert seen >= 1


def test_a_system_that_contradicts_itself() -> None:
    once = f.divide(f.add(x(), y()), N)
    assert solve([once, f.divide(f.add(x(), y()), f.mul(TWO, N))], (X, Y)).found == ()
    assert solve([once, f.mul(once, once)], (X, Y)).free


@pytest.mark.timeout(20)
def test_a_system_beyond_roots_of_quadratics_says_why() -> None:
    with pytest.raises(NoClosedFormError, match="of degree 5 in a root of `x`; up to 4 is looked at"):
        solve([f.divide(f.add(x(5), y(3), N), L), f.divide(f.add(x(), y(7)), N)], (X, Y))
    with pytest.raises(NoClosedFormError, match="stands inside of a `max`"):
        solve([f.divide(f.maximum(x(), y()), L), f.divide(f.add(x(5), y(7)), N)], (X, Y))


def test_what_holds_at_every_size_is_told_from_what_does_not() -> None:
    square = f.power(f.add(N, L), 2)
    spread = f.add(f.power(N, 2), f.mul(TWO, N, L), f.power(L, 2))
    assert holds(f.divide(square, spread))
    assert not holds(f.divide(square, f.add(spread, f.number(Fraction(1, 1000)))))
