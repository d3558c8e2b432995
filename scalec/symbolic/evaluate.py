"""The one evaluator: from a syntax tree to a `Formula`. Names mean what the given scope says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, did_you_mean
from scalec.source import Span
from scalec.symbolic import formula as f
from scalec.symbolic.formula import Formula
from scalec.syntax import nodes
from scalec.syntax.build import POWER, POWER_DENOMINATOR

Scope = Callable[[str], Formula | None]
FUNCTIONS = ("sqrt", "min", "max", "log", "log2")


def to_formula(
    expr: nodes.Expr, scope: Scope, known: Iterable[str] | None, reporter: Reporter, how: str = ""
) -> Formula:
    """The exact formula of an expression. `known` are the names to suggest, None where only numbers have a meaning;
    `how`: what makes another name known, with a hole for it.

    Raises ScalecError.
    """
    try:
        return _Evaluator(scope, known, reporter, how).visit(expr)
    except f.FormulaError as error:
        reporter.fail(codes.EXPRESSION, str(error), expr.span)


def to_number(expr: nodes.Expr, reporter: Reporter) -> Fraction:
    """The exact value of an expression without names."""
    value = f.as_number(to_formula(expr, lambda name: None, None, reporter))
    if value is None:
        reporter.fail(codes.EXPRESSION, "a rational number is needed here", expr.span)
    return value


def is_sum(expr: nodes.Expr) -> nodes.Expr | None:
    """The first sum or difference in an expression, else None: a law is a product of powers."""
    match expr:
        case nodes.Binary(op, left, right):
            if op in "+-":
                return expr
            return is_sum(left) or (None if op == "^" else is_sum(right))
        case nodes.Negate(operand):
            return is_sum(operand)
        case nodes.Call(_, arguments):
            return next((found for a in arguments if (found := is_sum(a))), None)
        case nodes.Number() | nodes.Name():
            return None


class _Evaluator:
    def __init__(self, scope: Scope, known: Iterable[str] | None, reporter: Reporter, how: str) -> None:
        self.scope = scope
        self.how = how
        self.known = known
        self.reporter = reporter

    def visit(self, expr: nodes.Expr) -> Formula:
        match expr:
            case nodes.Number():
                return f.number(expr.value)
            case nodes.Name(text):
                return self._name(text, expr.span)
            case nodes.Negate(operand):
                return f.mul(f.number(-1), self.visit(operand))
            case nodes.Binary("+", left, right):
                return f.add(self.visit(left), self.visit(right))
            case nodes.Binary("-", left, right):
                return f.add(self.visit(left), f.mul(f.number(-1), self.visit(right)))
            case nodes.Binary("*", left, right):
                return f.mul(self.visit(left), self.visit(right))
            case nodes.Binary("/", left, right):
                return f.divide(self.visit(left), self.visit(right))
            case nodes.Binary(_, left, right):
                return f.power(self.visit(left), self._exponent(right))
            case nodes.Call(function, arguments):
                return self._call(function, [self.visit(a) for a in arguments], expr.span)

    def _name(self, text: str, span: Span) -> Formula:
        value = self.scope(text)
        if value is not None:
            return value
        if self.known is None:
            self.reporter.fail(codes.EXPRESSION, f"`{text}` is no number", span)
        known = tuple(self.known)
        notes = (f"known here: {', '.join(known) or 'nothing but numbers'}",)
        helps = did_you_mean(text, known) or ((self.how.format(text),) if self.how else ())
        self.reporter.fail(codes.EXPRESSION, f"`{text}` is no size here", span, notes=notes, helps=helps)

    def _exponent(self, expr: nodes.Expr) -> Fraction:
        value = f.as_number(self.visit(expr))
        if value is None:
            self.reporter.fail(codes.EXPRESSION, "an exponent is a rational number", expr.span)
        if abs(value) > POWER or value.denominator > POWER_DENOMINATOR:
            self.reporter.fail(codes.LIMIT, f"the exponent `{value}` is not a small rational number", expr.span)
        return value

    def _call(self, function: str, arguments: list[Formula], span: Span) -> Formula:
        wanted = {"sqrt": (1, 1), "log": (1, 1), "log2": (1, 1), "min": (2, 64), "max": (2, 64)}.get(function)
        if wanted is None:
            self.reporter.fail(
                codes.EXPRESSION,
                f"unknown function `{function}`",
                span,
                notes=[f"the functions are {', '.join(FUNCTIONS)}"],
                helps=did_you_mean(function, FUNCTIONS),
            )
        if not wanted[0] <= len(arguments) <= wanted[1]:
            self.reporter.fail(
                codes.EXPRESSION,
                f"`{function}` takes {'one argument' if wanted == (1, 1) else 'two or more arguments'}",
                span,
            )
        match function:
            case "sqrt":
                return f.power(arguments[0], Fraction(1, 2))
            case "log":
                return f.log(arguments[0])
            case "log2":
                return f.divide(f.log(arguments[0]), f.log(f.number(2)))
            case "min":
                return f.minimum(*arguments)
            case _:
                return f.maximum(*arguments)
