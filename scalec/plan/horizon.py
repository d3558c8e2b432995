"""Sizes of the run, `batch` and `tokens`, which no network has. Input: a program, a rule. Output: a program with them.

A plan has those that its rule reads, unless the rule says what they are; what it only demands something of, where
the user gives it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields, replace

from scalec.program.program import Dimension, Program
from scalec.resolve.rules import RuleSet
from scalec.resolve.vocabulary import RUN_SIZES
from scalec.syntax import nodes


def with_run_sizes(program: Program, rule: RuleSet, named: Collection[str]) -> Program:
    """The program, with the sizes of the run behind its own. `named`: what the user gave a size to."""
    said = {s.attribute for c in rule.clauses if c.node.kind == "run" for s in c.node.statements}
    spoken, asked = (set(_names(tuple(part.node for part in parts))) for parts in (rule.clauses, rule.demands))
    wanted = ((spoken | (asked & set(named))) - said) | {size.name for size in rule.base}
    new = (Dimension(name, doc) for name, doc in RUN_SIZES.items() if name in wanted and name not in program.dimension)
    return replace(program, dimensions=(*program.dimensions, *new))


def _names(node: object) -> Iterator[str]:
    """Every name in the expressions of a tree."""
    if isinstance(node, nodes.Name):
        yield node.text.removeprefix("base.")
    elif isinstance(node, tuple):
        for item in node:
            yield from _names(item)
    elif isinstance(node, nodes.Node):
        for field in fields(node):
            yield from _names(getattr(node, field.name))
