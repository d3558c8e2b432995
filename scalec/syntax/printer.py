"""Syntax tree -> canonical text.

Input: any node. Output: text that parses to an equal node. Invariant: parentheses stand only where
the grammar needs them, and the same tree always gives the same text.
"""

from __future__ import annotations

import re
from typing import assert_never

from scalec.syntax import nodes

# How tightly a node holds together; an operand looser than its place asks for goes into parentheses.
SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
UNCLEAR_POWER = re.compile(r"\^-?[0-9][0-9.eE+-]*$")


# ---- expressions -----------------------------------------------------------------------------
def expression_text(expr: nodes.Expr) -> str:
    """`1/fan_in`, `2*x`, `a + b`, `x^-alpha`, `x^(1/2)`: the fewest parentheses that parse back."""
    return _expression(expr)[0]


def _expression(expr: nodes.Expr) -> tuple[str, int]:
    match expr:
        case nodes.Number(text=text) | nodes.Name(text=text):
            return text, ATOM
        case nodes.Call(function, arguments):
            return f"{function}({', '.join(map(expression_text, arguments))})", ATOM
        case nodes.Negate(operand):
            return f"-{_at_least(SIGN, operand)}", SIGN
        case nodes.Binary("+" | "-" as op, left, right):
            return f"{_at_least(SUM, left)} {op} {_at_least(PRODUCT, right)}", SUM
        case nodes.Binary("*" | "/" as op, left, right):
            return f"{_dividend(op, left, right)}{op}{_at_least(SIGN, right)}", PRODUCT
        case nodes.Binary("^", base, exponent):
            return f"{_at_least(ATOM, base)}^{_exponent(exponent)}", POWER
        case _:
            raise AssertionError(f"not an expression: {expr!r}")


def _at_least(strength: int, expr: nodes.Expr) -> str:
    text, own = _expression(expr)
    return text if own >= strength else f"({text})"


def _exponent(expr: nodes.Expr) -> str:
    if isinstance(expr, nodes.Negate):
        return f"-{_at_least(ATOM, expr.operand)}"
    return _at_least(ATOM, expr)


def _dividend(op: str, left: nodes.Expr, right: nodes.Expr) -> str:
    """`x^-1/2` is refused by the parser, so a power over a number stands in parentheses."""
    text = _at_least(PRODUCT, left)
    if op == "/" and isinstance(right, nodes.Number) and UNCLEAR_POWER.search(text):
        return f"({text})"
    return text


# ---- conditions ------------------------------------------------------------------------------
def condition_text(condition: nodes.Condition) -> str:
    match condition:
        case nodes.Compare(operands, operators):
            first, *rest = map(expression_text, operands)
            return " ".join([first, *(f"{op} {text}" for op, text in zip(operators, rest, strict=True))])
        case nodes.Not(operand):
            return f"not {_in_condition(operand, ())}"
        case nodes.Bool("and", left, right):
            return f"{_in_condition(left, ('and',))} and {_in_condition(right, ())}"
        case nodes.Bool("or", left, right):
            return f"{condition_text(left)} or {_in_condition(right, ('and',))}"
        case _:
            raise AssertionError(f"not a condition: {condition!r}")


def _in_condition(condition: nodes.Condition, bare: tuple[str, ...]) -> str:
    """In parentheses when it is an `and` or `or` that may not stand bare at this place."""
    text = condition_text(condition)
    return f"({text})" if isinstance(condition, nodes.Bool) and condition.op not in bare else text


# ---- references ------------------------------------------------------------------------------
def _comma(texts: list[str]) -> str:
    return ", ".join(texts)


def paths_text(paths: tuple[nodes.Path, ...]) -> str:
    return _comma([path.text for path in paths])


def argument_text(argument: nodes.Argument) -> str:
    value = argument.value
    text = f"[{paths_text(value)}]" if isinstance(value, tuple) else expression_text(value)
    return text if argument.name is None else f"{argument.name} = {text}"


def _arguments(arguments: tuple[nodes.Argument, ...]) -> str:
    return f"({_comma([argument_text(a) for a in arguments])})" if arguments else ""


def ref_text(ref: nodes.Ref) -> str:
    return ref.path + _arguments(ref.arguments)


def size_text(size: nodes.Size) -> str:
    return size.name if size.value is None else f"{size.name} = {expression_text(size.value)}"


def sizes_text(sizes: tuple[nodes.Size, ...]) -> str:
    return _comma([size_text(size) for size in sizes])


def joint_text(joint: nodes.Joint) -> str:
    return " + ".join(path.text for path in joint.parts)


def regimes_text(regimes: tuple[nodes.Joint, ...]) -> str:
    return _comma([joint_text(joint) for joint in regimes])


# ---- clauses ---------------------------------------------------------------------------------
def selector_text(selector: nodes.Selector) -> str:
    match selector:
        case nodes.Path(text):
            return text
        case nodes.Pattern(text):
            return f'"{text}"'
        case nodes.Everything():
            return "*"
        case _:
            assert_never(selector)


def qualifier_text(qualifier: nodes.Qualifier) -> str:
    if qualifier.condition is not None:
        return f"{qualifier.kind} {condition_text(qualifier.condition)}"
    return f"{qualifier.kind} {paths_text(qualifier.paths) or regimes_text(qualifier.regimes)}"


def statement_text(statement: nodes.Set | nodes.Solve) -> str:
    """`init.std ~ 1/fan_in`, `1 - beta1 ~ batch/tokens`, `wd solves timescale ~ 1`."""
    match statement:
        case nodes.Set(attribute, op, value, complement):
            return f"{'1 - ' if complement else ''}{attribute} {op} {expression_text(value)}"
        case nodes.Solve(attribute, law, order):
            return f"{attribute} solves {law} ~ {expression_text(order)}"
        case _:
            assert_never(statement)


def _clause_words(clause: nodes.Clause) -> str:
    """What stands before the brace: `tensor matrix except router in repeat`."""
    words: list[str] = [clause.kind]
    if clause.selectors:
        words.append(_comma([selector_text(s) for s in clause.selectors]))
    if clause.excluded:
        words += ["except", _comma([selector_text(s) for s in clause.excluded])]
    return " ".join([*words, *map(qualifier_text, clause.qualifiers)])


def clause_head(clause: nodes.Clause) -> str:
    """The clause on one line, whatever its length: `tensor readout { lr ~ 1; wd = 0 }`."""
    return f"{_clause_words(clause)} {{ {'; '.join(map(statement_text, clause.statements))} }}"
