"""Sizes of the run, `batch` and `tokens`, which no network has. Input: a program, a rule. Output: a program with them.

A plan has those that its rule reads, unless the rule says what they are; what it only demands something of, where
the user gives it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from scalec.program.program import Dimension, Program
from scalec.resolve.rules import RuleClause, RuleDemand, RuleSet
from scalec.resolve.vocabulary import QUOTIENTS, RUN_SIZES
from scalec.syntax.names import names_in


def with_run_sizes(program: Program, rule: RuleSet, named: Collection[str]) -> Program:
    """The program, with the sizes of the run behind its own. `named`: what the user gave a size to."""
    said = {s.attribute for c in rule.clauses if c.node.kind == "run" for s in c.said}
    spoken, asked = (_whole(_named(parts), said) for parts in (rule.clauses, rule.demands))
    wanted = ((spoken | (asked & set(named))) - said) | {size.name for size in rule.base}
    new = [Dimension(name, doc) for name, doc in RUN_SIZES.items() if name in wanted and name not in program.dimension]
    return replace(program, dimensions=(*program.dimensions, *new)) if new else program


def _whole(named: set[str], said: Collection[str]) -> set[str]:
    """With what a quotient that nobody says is made of."""
    return named.union(*(parts for name, parts in QUOTIENTS.items() if name in named - set(said)))


def _named(parts: Iterable[RuleClause | RuleDemand]) -> set[str]:
    """What expressions name, those of laws included."""
    return {
        name.text.removeprefix("base.").removeprefix("run.")
        for part in parts
        for name in names_in((part.node, part.laws))
    }
