"""Formulas for people: a sum that rules have a word for is called by it. Input: a plan, a formula. Output: a formula.

What is printed with these says the same as the plan's own, which JSON, CSV and emitted code keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from scalec.plan.model import Plan, Quantity
from scalec.plan.sizes import at_base, counts
from scalec.resolve.vocabulary import COUNTS
from scalec.symbolic import formula as f
from scalec.symbolic.formula import Apply, Atom, Formula, Product, Root, Sum, Symbol


@dataclass(frozen=True)
class Short:
    """The words of one plan."""

    plan: Plan

    @cached_property
    def names(self) -> Mapping[Formula, Symbol]:
        """Of each count of parameters, at the target and at the base; of two that are equal the first."""
        found: dict[Formula, Symbol] = {}
        for name, count in counts(self.plan.program).items():
            if isinstance(count, Sum):
                found.setdefault(count, Symbol("size", name))
                found.setdefault(at_base(count), Symbol("base", name))
        return found

    def quantity(self, quantity: Quantity) -> Quantity:
        """With its formula shortened; its law too, in ratios to the base where that says it."""
        anchor, law, formula = map(self.formula, (quantity.anchor, quantity.law, quantity.formula))
        return replace(quantity, anchor=anchor, law=in_ratios(law), formula=formula)

    def formula(self, formula: Formula) -> Formula:
        """The formula with the sums that have names called by these."""
        if isinstance(formula, Product) and not any(isinstance(atom, Sum | Apply) for atom, _ in formula.factors):
            return formula
        if formula in self.names:
            return f.symbol(self.names[formula].kind, self.names[formula].name)
        if isinstance(formula, Sum):
            return f.add(*map(self.formula, formula.terms))
        return f.mul(f.number(formula.coefficient), *(f.power(self._atom(a), e) for a, e in formula.factors))

    def _atom(self, atom: Atom) -> Formula:
        match atom:
            case Sum():
                return self.formula(atom)
            case Apply("log", (argument,)):
                return f.log(self.formula(argument))
            case Apply(function, arguments):
                extreme = f.minimum if function == "min" else f.maximum
                return extreme(*map(self.formula, arguments))
            case Symbol() | Root():
                return Product(f.UNIT.coefficient, ((atom, f.UNIT.coefficient),))

    def meant(self, formulas: Iterable[Formula]) -> Mapping[str, Formula]:
        """The words that shortened formulas use, with what they stand for at the target."""
        there = {s.name for formula in formulas for s in f.symbols(formula) if s.name in COUNTS}
        return (
            {s.name: count for count, s in self.names.items() if s.kind == "size" and s.name in there} if there else {}
        )


def in_ratios(formula: Formula) -> Formula:
    """`N/base.N` is `m_N`."""
    if isinstance(formula, Sum):
        return formula
    powers = {(atom.kind, atom.name): e for atom, e in formula.factors if isinstance(atom, Symbol)}
    paired = [name for kind, name in powers if kind == "base" and powers.get(("size", name)) == -powers[kind, name]]
    moved = (
        f.power(f.divide(f.symbol("ratio", n), f.divide(f.symbol("size", n), f.symbol("base", n))), powers["size", n])
        for n in paired
    )
    return f.mul(formula, *moved)
