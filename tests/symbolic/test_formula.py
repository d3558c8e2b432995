"""Formulas: the laws of algebra hold exactly, canonical forms are equal where values are, floats agree."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalec.diagnostics import Reporter
from scalec.symbolic import formula as f
from scalec.symbolic.evaluate import to_formula
from tests.symbolic import trees

N, L, V = (f.symbol("size", name) for name in "NLV")
SCOPE = {"N": N, "L": L, "V": V}
EXPONENT = st.sampled_from([e for e in trees.EXPONENTS if e])


def formula_of(expr: trees.nodes.Expr) -> f.Formula:
    return to_formula(expr, SCOPE.get, tuple(SCOPE), Reporter())


formulas = trees.expressions.map(formula_of)
few = settings(max_examples=25)


@pytest.mark.slow
@few
@given(formulas, formulas, formulas)
def test_addition_and_multiplication_commute_and_associate(a: f.Formula, b: f.Formula, c: f.Formula) -> None:
    for combine in (f.add, f.mul):
        assert combine(a, b) == combine(b, a)
        assert combine(combine(a, b), c) == combine(a, combine(b, c)) == combine(a, b, c)
        assert hash(combine(a, b)) == hash(combine(b, a))


@few
@given(formulas)
def test_what_cancels_is_gone(a: f.Formula) -> None:
    assert f.divide(a, a) == f.UNIT
    assert f.add(a, f.mul(f.number(-1), a)) == f.ZERO or isinstance(a, f.Sum)
    assert f.mul(a, f.UNIT) == f.add(a, f.ZERO) == a
    assert f.mul(a, f.ZERO) == f.ZERO


@pytest.mark.slow
@few
@given(formulas, formulas, EXPONENT, EXPONENT)
def test_powers_distribute_and_multiply(a: f.Formula, b: f.Formula, p: Fraction, q: Fraction) -> None:
    assert f.power(f.mul(a, b), p) == f.mul(f.power(a, p), f.power(b, p))
    assert f.power(f.power(a, p), q) == f.power(a, p * q)
    assert f.mul(f.power(a, p), f.power(a, q)) == f.power(a, p + q)


@few
@given(formulas)
def test_substituting_each_symbol_by_itself_changes_nothing(a: f.Formula) -> None:
    assert f.substitute(a, lambda s: None) == a
    assert f.substitute(a, lambda s: f.symbol(s.kind, s.name)) == a


@few
@given(trees.expressions)
def test_the_value_is_what_sympy_finds(expr: trees.nodes.Expr) -> None:
    assert f.evaluate(formula_of(expr), trees.at_sizes) == pytest.approx(trees.by_sympy(expr), rel=1e-12)


@few
@given(trees.rationals)
def test_without_roots_the_value_is_exact(expr: trees.nodes.Expr) -> None:
    assert f.exact(formula_of(expr), trees.at_sizes) == trees.by_fractions(expr)


@pytest.mark.parametrize("inexact", [f.power(N, Fraction(1, 2)), f.log(N), f.power(f.number(3), Fraction(1, 3))])
def test_what_is_irrational_has_no_exact_value(inexact: f.Formula) -> None:
    assert f.exact(inexact, trees.at_sizes) is None
    assert f.exact(f.divide(inexact, inexact), trees.at_sizes) == 1


@pytest.mark.slow
@few
@given(st.lists(formulas, min_size=2, max_size=4), st.randoms())
def test_min_and_max_do_not_depend_on_the_order(arguments: list[f.Formula], random: object) -> None:
    shuffled = list(arguments)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert f.minimum(*arguments) == f.minimum(*shuffled)
    assert f.maximum(*arguments) == f.maximum(*shuffled)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (f.divide(N, N), f.UNIT),
        (f.power(f.number(8), Fraction(1, 2)), f.mul(f.number(2), f.power(f.number(2), Fraction(1, 2)))),
        (f.power(f.number(Fraction(9, 4)), Fraction(1, 2)), f.number(Fraction(3, 2))),
        (f.power(f.number(1009**2), Fraction(1, 2)), f.number(1009)),
        (f.power(f.power(N, 2), Fraction(1, 2)), N),
        (f.minimum(N, f.number(3), f.number(2)), f.minimum(f.number(2), N)),
        (f.maximum(f.number(3), f.number(2)), f.number(3)),
        (f.minimum(N, N), N),
        (f.log(f.UNIT), f.ZERO),
        (f.power(f.ZERO, 2), f.ZERO),
        (f.divide(f.add(N, L), f.add(L, N)), f.UNIT),
    ],
)
def test_equal_values_have_one_form(left: f.Formula, right: f.Formula) -> None:
    assert left == right


def test_a_root_cancels_against_itself() -> None:
    root = f.power(f.number(2), Fraction(1, 2))
    assert f.mul(root, root) == f.number(2)
    assert f.divide(f.mul(root, N), f.mul(N, root)) == f.UNIT


def test_what_has_no_positive_meaning_is_refused() -> None:
    for call in (
        lambda: f.divide(N, f.ZERO),
        lambda: f.power(f.ZERO, 0),
        lambda: f.power(f.number(-2), Fraction(1, 2)),
        lambda: f.log(f.ZERO),
        lambda: f.log(f.number(-1)),
    ):
        with pytest.raises(f.FormulaError):
            call()


def test_numbers_stay_writable() -> None:
    large = f.power(f.number(2), 64)
    with pytest.raises(f.FormulaError, match="too large"):
        f.power(large, 128)
    assert f.power(f.UNIT, 10**6) == f.UNIT


def test_orders_of_magnitude_evaluate_as_floats_do() -> None:
    value = f.evaluate(f.mul(f.number(Fraction(1, 10**8)), f.power(N, Fraction(-1, 2))), trees.at_sizes)
    assert value == 1e-08 / math.sqrt(128)


def test_symbols_are_listed_sorted_and_once() -> None:
    formula = f.mul(f.maximum(N, L), f.power(f.add(V, N), -1))
    assert [s.name for s in f.symbols(formula)] == ["L", "N", "V"]
