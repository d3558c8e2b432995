"""In what order values of the run are planned: each after those that it reads. Input: clauses. Output: groups of names.

A value may read others by their bare names, `run { wd = batch/(lr*tokens) }`. What is said of one value stays in the
order of the clauses. Values whose laws are solved for may read each other: those are a group, planned together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.plan.values import made_of
from scalec.resolve import vocabulary as words
from scalec.resolve.rules import RuleClause
from scalec.source import Span
from scalec.syntax import nodes
from scalec.syntax.names import names_in

Group = tuple[str, ...]


class _Read(NamedTuple):
    """Where one value reads another; `solved`: every statement that does is an equation."""

    span: Span
    solved: bool


Reads = Mapping[str, Mapping[str, _Read]]


def by_need(clauses: Sequence[RuleClause], reporter: Reporter) -> tuple[Group, ...]:
    """The attributes that `run` clauses set, and those that follow from sizes. Raises ScalecError for a circle."""
    reads: dict[str, dict[str, _Read]] = {}
    for clause in clauses:
        for statement in clause.said:
            found, solved = reads.setdefault(statement.attribute, {}), isinstance(statement, nodes.Solve)
            for name in _names(clause, statement):
                found[name] = _Read(statement.span, solved and (name not in found or found[name].solved))
    for name, quotient in words.QUOTIENTS.items():
        if name not in reads:
            reads[name] = {size: _Read(clauses[0].node.span, False) for size in quotient if clauses}
    groups = _groups(reads)
    done: dict[Group, None] = {}
    for name in reads:
        _visit(name, reads, groups, done, (), reporter)
    return tuple(done)


def solved_at(group: Group, clauses: Iterable[RuleClause]) -> Span | None:
    """Where the first equation for one of a group is."""
    about = (s for clause in clauses for s in clause.said if s.attribute in group)
    return next((s.span for s in about if isinstance(s, nodes.Solve)), None)


def _groups(reads: Reads) -> Mapping[str, Group]:
    """Each value with those that it is solved together with: they read each other, in equations alone."""
    solved = {name: {n for n, read in inner.items() if read.solved and n in reads} for name, inner in reads.items()}
    behind = {name: _reached(name, solved) for name in reads}
    return {name: (name, *(n for n in reads if n != name and n in behind[name] and name in behind[n]))
            for name in reads}  # fmt: skip


def _reached(name: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    found, waiting = set[str](), [name]
    while waiting:
        new = set(edges[waiting.pop()]) - found
        found |= new
        waiting += sorted(new)
    return found


def _visit(
    name: str, reads: Reads, groups: Mapping[str, Group], done: dict[Group, None], above: Group, reporter: Reporter
) -> None:  # fmt: skip
    """Add a value's group, after all that its members read."""
    group = groups[name]
    if any(name in ready for ready in done):
        return
    for member in group:
        for inner, read in reads[member].items():
            if inner in group and read.solved:
                continue
            if inner in (*above, *group):
                way = " reads ".join(f"`{n}`" for n in dict.fromkeys((*above, name, member)))
                reporter.fail(codes.CYCLE, f"`{inner}` of the run is made of itself", read.span,
                              notes=[f"{way} reads `{inner}`"])  # fmt: skip
            if inner in reads:
                _visit(inner, reads, groups, done, (*above, name), reporter)
    done[group] = None


def _names(clause: RuleClause, statement: nodes.Statement) -> Iterable[str]:
    """What the value of a statement reads. A law that is solved for a value may read that value itself."""
    first = [name.text.removeprefix("run.").removeprefix("base.") for name in names_in(statement)]
    solved = [statement.law] if isinstance(statement, nodes.Solve) else []
    laws = made_of([*first, *solved], {law.name: law for law in clause.laws})
    inner = [name.text.removeprefix("run.") for law in laws for name in names_in(law.value)]
    return [name for name in (*first, *inner) if not solved or name != statement.attribute]
