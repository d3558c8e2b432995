"""What a rule requires of sizes and of the run, and where it is valid. Input: a plan. Output: diagnostics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Literal

from scalec import catalogue as codes
from scalec.diagnostics import Diagnostic
from scalec.plan.model import Choice, Plan
from scalec.plan.truth import OPERATORS, Guard, comparisons, knowns, truth
from scalec.source import Span
from scalec.symbolic.formula import Symbol, evaluate
from scalec.symbolic.sign import at

CODES = {"require": codes.REQUIRE, "valid": codes.VALID}


def unmet(plan: Plan, kind: Literal["require", "valid"]) -> Iterator[Diagnostic]:
    """Each demand of a kind that does not hold at some size of the plan, or that nobody can look at."""
    for guard in plan.guards:
        if guard.kind == kind and guard.value is not True:
            missing = [f"nothing says `{known.about}`" for known in knowns(guard.test) if known.value is None]
            failing = next((sizes for sizes in plan.shown if _truth(guard, plan, sizes) is False), None)
            place = "" if failing is None else f" at {', '.join(f'{n} = {size}' for n, size in failing.items())}"
            what = "is open" if guard.value is None else f"does not hold{place}"
            notes = missing if failing is None else [*_broken(guard, plan, failing), *missing]
            labels = tuple(_said_otherwise(guard, plan))
            yield Diagnostic(
                CODES[kind], f"`{kind} {guard.text}` {what}", guard.span, labels=labels, notes=tuple(notes)
            )


def _said_otherwise(guard: Guard, plan: Plan) -> Iterator[tuple[Span, str]]:
    """The clauses that chose another word than a demand asks for."""
    for known in knowns(guard.test):
        chosen = plan.run.get(known.about)
        if known.value is False and isinstance(chosen, Choice):
            yield from (
                (o.span, f"`{known.about}` is `{chosen.word}`, by `{o.rule}`") for o in chosen.origins if o.span
            )


def _truth(guard: Guard, plan: Plan, sizes: Mapping[str, Fraction]) -> bool | None:
    return truth(guard.test, partial(at, value=partial(_value, plan, sizes)))


def _value(plan: Plan, sizes: Mapping[str, Fraction], s: Symbol) -> Fraction:
    match s.kind:
        case "size":
            return sizes[s.name]
        case "base":
            return plan.base[s.name]
        case "ratio":
            return sizes[s.name] / plan.base[s.name]
        case _:
            raise KeyError(s.name)


def _broken(guard: Guard, plan: Plan, sizes: Mapping[str, Fraction]) -> Iterator[str]:
    """The comparisons that fail, with both sides as numbers."""
    value = partial(_value, plan, sizes)
    for c in comparisons(guard.test):
        sign = at(c.difference, value)
        if sign is not None and not OPERATORS[c.operator](sign):
            left, right = (evaluate(side, lambda s: float(value(s))) for side in (c.left, c.right))
            yield f"`{c.text}` is {left:.6g} {c.operator} {right:.6g} there"
