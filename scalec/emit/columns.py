"""What tables have in common: which sizes are columns, what they are called, how a formula reads."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from scalec.plan.model import Plan, Quantity
from scalec.symbolic.formula import Sum
from scalec.symbolic.text import plain

Sizes = Mapping[str, Fraction]


def plain_number(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 else float(value)


def columns(plan: Plan) -> tuple[Sizes, ...]:
    return plan.shown


def headings(plan: Plan) -> list[str]:
    """Each size by the dimensions in which the sizes differ from one another or from the base."""
    shown = columns(plan)
    everything = [*shown, plan.base]
    moving = [n for n in (shown[0] if shown else ()) if len({s.get(n) for s in everything}) > 1]
    own = [n for n in moving if plan.program.dimension[n].default is None or n in plan.freed]
    return [",".join(f"{n}={plain_number(s[n])}" for n in own) or "base" for s in shown]


def formula_text(quantity: Quantity) -> str:
    """In the rule language's spelling; betas are said as what they fall short of 1 by."""
    formula = plain(quantity.formula)
    if not quantity.complement:
        return formula
    return f"1 - ({formula})" if isinstance(quantity.formula, Sum) else f"1 - {formula}"
