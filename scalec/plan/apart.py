"""What of a rule's expressions is wrong on every network. Input: a resolved rule, names in sight. Output: diagnostics.

Each size that a rule may name stands for itself here. A name that nothing is called, a sum in a law or a division by
0 is a mistake whatever the rule will be planned for; what hangs on a network is the planner's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace

from scalec.diagnostics import Reporter, ScalecError
from scalec.plan.conditions import to_test
from scalec.plan.values import Names, Number, Scope, apply, origin_of
from scalec.resolve import vocabulary as words
from scalec.resolve.optimizers import ATTRIBUTES
from scalec.resolve.rules import RuleClause, RuleSet
from scalec.symbolic import formula as f
from scalec.symbolic.formula import UNIT
from scalec.syntax import nodes


def examine_rule(rule: RuleSet, dimensions: Collection[str], optimizers: Collection[str], reporter: Reporter) -> None:
    """Report what no network gives a meaning to, in clauses of the file under work and in all demands."""
    sizes: Names = {name: f.symbol("size", name) for name in (*dimensions, *words.RELATIVE_SIZES)}
    named = (*words.RUN_ATTRIBUTES, *(f"{o}.{name}" for o in optimizers for name in ATTRIBUTES))
    run: Names = {name: f.symbol("run", name) for name in named}
    scope = Scope(sizes, run, frozenset(), "the rule")
    everything = replace(scope, said={name: (value, UNIT) for name, value in run.items()})  # the run reads itself
    for clause in rule.clauses:
        if clause.own:
            seen = (everything if clause.node.kind == "run" else scope).with_laws(clause.laws)
            _conditions(clause.around.where, seen, reporter)
            for statement in clause.node.statements:
                if _is_number(clause.node.kind, statement.attribute):
                    with suppress(ScalecError):  # reported; others may have mistakes of their own
                        _statement(clause, statement, seen, reporter)
    for demand in rule.demands:
        _conditions([demand.node.condition], everything.with_laws(demand.laws), reporter)


def _statement(clause: RuleClause, statement: nodes.Statement, scope: Scope, reporter: Reporter) -> None:
    if not isinstance(statement, nodes.Set):
        scope.law(statement.order, reporter)
    else:
        number = Number(UNIT, [], complement=statement.complement)
        apply(number, statement, scope, origin_of(clause, statement), reporter)


def _conditions(conditions: Iterable[nodes.Condition], scope: Scope, reporter: Reporter) -> None:
    for condition in conditions:
        with suppress(ScalecError):
            to_test(condition, scope, {}, reporter)


def _is_number(kind: nodes.Kind, attribute: str) -> bool:
    return words.ATTRIBUTES[kind].get(attribute, ("a word",)) == ()
