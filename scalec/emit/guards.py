"""Conditions of a rule as Python text. Input: the guards of a plan. Output: what the configuration refuses.

Invariant: the emitted network is the plan's at every size that its configuration accepts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from scalec.emit.code import Reader
from scalec.emit.modules import statement
from scalec.emit.names import LINE, comment
from scalec.plan.model import Plan
from scalec.plan.truth import Comparison, Guard, Junction, Known, Negation, Test, comparisons
from scalec.symbolic.formula import Formula
from scalec.symbolic.text import python

INDENT = 8
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def emitted(plan: Plan) -> list[Guard]:
    """The conditions that emitted code looks at, each test once: what `valid` says is told when planning."""
    kept = {(g.test, g.value): g for g in reversed(plan.guards) if g.kind != "valid" and any(comparisons(g.test))}
    return list(reversed(kept.values()))


def compared(plan: Plan) -> list[Formula]:
    """Every formula in them."""
    return [side for g in emitted(plan) for c in comparisons(g.test) for side in (c.left, c.right)]


def guard_lines(plan: Plan, reader: Reader) -> Iterator[str]:
    """Statements of `__post_init__`."""
    for guard in emitted(plan):
        test = guard.test if guard.value else Negation(guard.test)
        asked = comment(f"{guard.kind} {guard.text}", LINE - INDENT - len('asked = ""'))
        yield f'asked = "{asked}"'
        yield from statement(f"as_planned = {_text(test, reader)}", INDENT)
        yield "if not as_planned:"
        yield '    raise ValueError(f"these sizes need a plan of their own: {asked}")'


def _text(test: Test, reader: Reader) -> str:
    match test:
        case Known(value):
            return str(value)
        case Comparison(left, "=", right):
            return f"math.isclose({python(left, reader)}, {python(right, reader)})"
        case Comparison(left, "!=", right):
            return f"not {_text(Comparison(left, '=', right), reader)}"
        case Comparison(left, operator, right):
            first, second = python(left, reader), python(right, reader)
            if _constancy(first) > _constancy(second):
                first, operator, second = second, MIRRORED[operator], first
            return f"{first} {operator} {second}"
        case Negation(inner):
            return f"not ({_text(inner, reader)})"
        case Junction(word, tests):
            return f" {word} ".join(f"({_text(t, reader)})" for t in tests)
        case _:
            assert_never(test)


def _constancy(text: str) -> int:
    """How much a side looks like a constant, to a reader and to linters: a number most, a name in capitals next."""
    letters = [char for char in text.replace("self.", "") if char.isalpha()]
    return 0 if any(map(str.islower, letters)) else 1 if letters else 2
