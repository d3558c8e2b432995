"""Random expressions for tests: positive ones in three sizes, with their values by other means."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from operator import add, mul, sub, truediv
from typing import Any

import sympy
from hypothesis import strategies as st

from scalec.source import Source, Span
from scalec.symbolic.formula import Symbol
from scalec.syntax import nodes

NOWHERE = Span(Source("<test>", ""), 0, 0)
SIZES = {"N": 128, "L": 12, "V": 257}
EXPONENTS = [Fraction(n, d) for n in (-3, -2, -1, 0, 1, 2, 3) for d in (1, 2, 3)]


def name(text: str) -> nodes.Name:
    return nodes.Name(text, span=NOWHERE)


def num(value: Fraction | int) -> nodes.Expr:
    """A rational number as the language writes it."""
    value = Fraction(value)
    if value < 0:
        return nodes.Negate(num(-value), span=NOWHERE)
    top = nodes.Number(str(value.numerator), span=NOWHERE)
    if value.denominator == 1:
        return top
    return binary("/", top, nodes.Number(str(value.denominator), span=NOWHERE))


def binary(op: str, left: nodes.Expr, right: nodes.Expr) -> nodes.Binary:
    return nodes.Binary(op, left, right, span=NOWHERE)  # type: ignore[arg-type]


def call(function: str, *arguments: nodes.Expr) -> nodes.Call:
    return nodes.Call(function, arguments, span=NOWHERE)


numbers = st.fractions(Fraction(1, 12), 12, max_denominator=12).map(num)
sizes = st.sampled_from(sorted(SIZES)).map(name)


def _powers(base: st.SearchStrategy[nodes.Expr], exponents: list[Fraction]) -> st.SearchStrategy[nodes.Expr]:
    return st.builds(lambda b, e: binary("^", b, num(e)), base, st.sampled_from(exponents))


def _rational(inner: st.SearchStrategy[nodes.Expr]) -> st.SearchStrategy[nodes.Expr]:
    return st.one_of(
        st.builds(binary, st.sampled_from("+*/"), inner, inner),
        st.builds(call, st.sampled_from(("min", "max")), inner, inner),
    )


def _any(inner: st.SearchStrategy[nodes.Expr]) -> st.SearchStrategy[nodes.Expr]:
    return _rational(inner) | st.builds(call, st.just("sqrt"), inner)


rationals = st.recursive(sizes | numbers | _powers(sizes, [Fraction(-2), Fraction(3)]), _rational, max_leaves=6)
expressions = st.recursive(sizes | numbers | _powers(sizes | numbers, EXPONENTS), _any, max_leaves=6)


def value_of(expr: nodes.Expr, number: Callable[[Fraction], Any], functions: dict[str, Callable[..., Any]]) -> Any:
    """The value at SIZES by other arithmetic than ours: `number` makes its numbers."""
    match expr:
        case nodes.Number():
            return number(expr.value)
        case nodes.Name(text):
            return number(Fraction(SIZES[text]))
        case nodes.Negate(operand):
            return -value_of(operand, number, functions)
        case nodes.Binary(op, left, right):
            x, y = (value_of(side, number, functions) for side in (left, right))
            return {"+": add, "-": sub, "*": mul, "/": truediv, "^": pow}[op](x, y)
        case nodes.Call(function, arguments):
            return functions[function](*(value_of(a, number, functions) for a in arguments))


def by_sympy(expr: nodes.Expr) -> float:
    """In sympy's numbers of 30 digits."""
    functions = {"sqrt": sympy.sqrt, "min": sympy.Min, "max": sympy.Max}
    return float(value_of(expr, lambda x: sympy.Rational(x.numerator, x.denominator).evalf(30), functions))


def by_fractions(expr: nodes.Expr) -> Fraction:
    """In fractions, for expressions without roots."""
    return Fraction(value_of(expr, lambda x: x, {"min": min, "max": max}))


def at_sizes(s: Symbol) -> int:
    return SIZES[s.name]
