"""In what order values of the run are planned: each after those that it reads. Input: clauses. Output: names.

A value may read others by their bare names, `run { wd = batch/(lr*tokens) }`. What is said of one value stays in the
order of the clauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.plan.values import made_of
from scalec.resolve import vocabulary as words
from scalec.resolve.rules import RuleClause
from scalec.source import Span
from scalec.syntax import nodes


def by_need(clauses: Sequence[RuleClause], reporter: Reporter) -> tuple[str, ...]:
    """The attributes that `run` clauses set, and those that follow from sizes. Raises ScalecError for a circle."""
    reads: dict[str, dict[str, Span]] = {}
    for clause in clauses:
        for statement in clause.node.statements:
            found = reads.setdefault(statement.attribute, {})
            found.update((name, statement.span) for name in _names(clause, statement))
    for name, quotient in words.QUOTIENTS.items():
        if name not in reads:
            reads[name] = {size: clauses[0].node.span for size in quotient if clauses}
    done: dict[str, None] = {}
    for name in reads:
        _visit(name, reads, done, (), reporter)
    return tuple(done)


def _visit(
    name: str,
    reads: Mapping[str, Mapping[str, Span]],
    done: dict[str, None],
    above: tuple[str, ...],
    reporter: Reporter,
) -> None:
    if name in done:
        return
    for inner, span in reads[name].items():
        if inner in (*above, name):
            way = " reads ".join(f"`{n}`" for n in (*above, name, inner))
            reporter.fail(codes.CYCLE, f"`{inner}` of the run is made of itself", span, notes=[way])
        if inner in reads:
            _visit(inner, reads, done, (*above, name), reporter)
    done[name] = None


def _names(clause: RuleClause, statement: nodes.Set | nodes.Solve) -> Iterable[str]:
    """What the value of a statement reads. A law that is solved for a value may read that value itself."""
    first = [name.text.removeprefix("run.").removeprefix("base.") for name in nodes.names(statement)]
    solved = [statement.law] if isinstance(statement, nodes.Solve) else []
    laws = made_of([*first, *solved], {law.name: law for law in clause.laws})
    inner = [name.text.removeprefix("run.") for law in laws for name in nodes.names(law.value)]
    return [name for name in (*first, *inner) if not solved or name != statement.attribute]
