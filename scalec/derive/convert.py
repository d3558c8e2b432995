"""A rule in another gauge, as language text. Input: a program, two forms of one rule. Output: a rule on top of it.

The clauses multiply laws and leave values at the base size alone, where every gauge is the same. What the rule says
stays where it is said, comments and all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scalec.calculus.world import settled
from scalec.derive.clauses import Kind, Wanted, canonical, clause_lines, site_places, tensor_places
from scalec.derive.express import Place
from scalec.derive.gauge import Form, Gauges, moves
from scalec.derive.problem import FACTOR
from scalec.symbolic.dominance import Cell, NotMonomialError
from scalec.symbolic.formula import UNIT, Formula, Product, Symbol
from scalec.symbolic.order import Order


@dataclass(frozen=True)
class Converted:
    """What the text says beside its clauses: `parent` is the rule as it is written, `like` the gauge in words."""

    name: str
    uses: tuple[str, ...]
    parent: str
    optimizer: str
    like: str


def converted_text(gauges: Gauges, before: Form, after: Form, cell: Cell, said: Converted) -> str:
    """Raises `NotMonomialError`, `UndecidedError` where a factor is no product of powers of sizes."""
    clauses = tuple(clause_lines(_wanted(gauges, before, after, cell)))
    lines = (
        *(f"use {unit}" for unit in said.uses),
        f"# {said.parent} {said.like}: the same training at every size.",
        *(f"# Stays where it is: {path}; {why}." for path, why in _staying(gauges, after)),
        *([] if clauses else ["# Nothing moves."]),
        f"rule {said.name} extends {said.parent} for {said.optimizer} {{",
        *clauses,
        "}",
    )
    return canonical(lines)


def _staying(gauges: Gauges, after: Form) -> Iterator[tuple[str, str]]:
    """Factors that no gauge moves, where there are any."""
    for (path, name), why in gauges.fixed.items():
        factor = after.tensors[path].numbers.get(name) if path in after.tensors else after.sites.get((path, name))
        if factor not in (None, UNIT):
            yield path if name == FACTOR else f"{path}.{name}", why


def _wanted(gauges: Gauges, before: Form, after: Form, cell: Cell) -> Iterator[Wanted]:
    program = gauges.program

    def order(formula: Formula, *_: str) -> Order:
        return cell.order_of(settled(formula, program, cell.regime)).exponent

    found: dict[str, dict[str, Order]] = {}
    for path, attribute, factor in moves(before, after):
        if not _is_monomial(factor):
            raise NotMonomialError(factor)
        found.setdefault(attribute, {})[path] = order(factor)
    tensors = tensor_places(program, order)
    sites = site_places(program, order)
    for attribute, targets in found.items():
        yield _of("tensor", attribute, tensors, targets)
        yield _of("site", attribute, sites, targets)


def _is_monomial(formula: Formula) -> bool:
    """Whether its order says all of it: a sum or a minimum has one, too."""
    return isinstance(formula, Product) and all(isinstance(atom, Symbol) for atom, _ in formula.factors)


def _of(kind: Kind, attribute: str, places: Sequence[Place], found: Mapping[str, Order]) -> Wanted:
    targets = {p.path: found.get(p.path, Order()) for p in places}
    said = frozenset(path for path, target in targets.items() if not target.powers)
    return Wanted(kind, attribute, "*~", places, targets, said)
