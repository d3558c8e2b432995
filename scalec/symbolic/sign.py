"""The sign of a formula: for all positive sizes, at given sizes, or in the limit of a regime. Exact where that can be.

Input: a formula. Output: -1, 0 or 1; None where it is open. Every symbol stands for a positive number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from scalec.symbolic import formula as f
from scalec.symbolic.dominance import Cell, NotMonomialError
from scalec.symbolic.formula import Apply, Atom, Formula, FormulaError, Product, Root, Sum, Symbol

Leading = Callable[[Sum], Iterable[Product]]
NEAR = 1e-12  # two irrational numbers that differ by less, relatively, count as equal


def always(formula: Formula) -> int | None:
    """The sign that it has whatever the sizes are."""
    return _sign(formula, lambda total: total.terms)


def in_limit(formula: Formula, cell: Cell) -> int | None:
    """The sign from some size on, everywhere in the cell. Raises `UndecidedError` where the cell must be split."""

    def leading(total: Sum) -> Iterable[Product]:
        orders = [cell.order_of(Product(abs(term.coefficient), term.factors)) for term in total.terms]
        best = cell.largest(orders)
        assert best is not None
        return [term for term, order in zip(total.terms, orders, strict=True) if order.ties(best)]

    try:
        return _sign(formula, leading)
    except NotMonomialError:
        return None


def at(formula: Formula, value: Callable[[Symbol], Fraction]) -> int | None:
    """The sign where each symbol has its value; None where the formula is no number there."""
    try:
        exact = f.exact(formula, value)
        if exact is not None:
            return (exact > 0) - (exact < 0)
        terms = formula.terms if isinstance(formula, Sum) else (formula,)
        numbers = [f.evaluate(term, lambda s: float(value(s))) for term in terms]
        total, scale = sum(numbers), sum(map(abs, numbers))
        return 0 if abs(total) <= NEAR * scale else (total > 0) - (total < 0)
    except (ArithmeticError, FormulaError, LookupError, TypeError, ValueError):  # a complex number is a TypeError
        return None


def _sign(formula: Formula, leading: Leading) -> int | None:
    if isinstance(formula, Sum):
        signs = {_sign(term, leading) for term in leading(formula)}
        return signs.pop() if len(signs) == 1 else None
    result = (formula.coefficient > 0) - (formula.coefficient < 0)
    for atom, exponent in formula.factors:
        sign = _of_atom(atom, leading)
        if sign is None or (sign == 0 and exponent < 0) or (sign < 0 and exponent.denominator > 1):
            return None
        result *= sign if exponent.numerator % 2 else sign * sign
    return result


def _of_atom(atom: Atom, leading: Leading) -> int | None:
    match atom:
        case Symbol() | Root():
            return 1
        case Sum():
            return _sign(atom, leading)
        case Apply("log", (argument,)):
            return _sign(f.add(argument, f.number(-1)), leading)
        case Apply(function, arguments):
            signs = [_sign(argument, leading) for argument in arguments]
            decisive = 1 if function == "max" else -1
            if decisive in signs:
                return decisive
            return signs[0] if len(set(signs)) == 1 else None
