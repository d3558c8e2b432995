"""What of a rule's expressions is wrong on every network. Input: a resolved rule, names in sight. Output: diagnostics.

Each size that a rule may name stands for itself here. A name that nothing is called, a sum in a law or a division by
0 is a mistake whatever the rule will be planned for; what hangs on a network is the planner's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from scalec.diagnostics import Reporter, ScalecError
from scalec.plan.conditions import to_test
from scalec.plan.values import Names, Number, Scope, apply, origin_of
from scalec.resolve import vocabulary as words
from scalec.resolve.optimizers import ATTRIBUTES
from scalec.resolve.rules import RuleSet
from scalec.symbolic import formula as f
from scalec.symbolic.formula import UNIT
from scalec.syntax import nodes


def examine_rule(rule: RuleSet, dimensions: Collection[str], optimizers: Collection[str], reporter: Reporter) -> None:
    """Report what no network gives a meaning to, in clauses of the file under work and in all demands."""
    sizes: Names = {name: f.symbol("size", name) for name in (*dimensions, *words.RELATIVE_SIZES)}
    named = (*words.RUN_ATTRIBUTES, *(f"{o}.{name}" for o in optimizers for name in ATTRIBUTES))
    run: Names = {name: f.symbol("run", name) for name in named}
    scope = Scope(sizes, run, frozenset(), "the rule")
    for clause in rule.clauses:
        if clause.own:
            _conditions(clause.around.where, scope, reporter)
            for statement in clause.node.statements:
                if isinstance(statement, nodes.Set) and _is_number(clause.node.kind, statement.attribute):
                    number = Number(UNIT, [], complement=statement.complement)
                    with suppress(ScalecError):  # reported; others may have mistakes of their own
                        apply(number, statement, scope, origin_of(clause, statement), reporter)
    everything = Scope(sizes | run, run, frozenset(), "the rule")
    _conditions((demand.node.condition for demand in rule.demands), everything, reporter)


def _conditions(conditions: Iterable[nodes.Condition], scope: Scope, reporter: Reporter) -> None:
    for condition in conditions:
        with suppress(ScalecError):
            to_test(condition, scope, {}, reporter)


def _is_number(kind: nodes.Kind, attribute: str) -> bool:
    return words.ATTRIBUTES[kind].get(attribute, ("a word",)) == ()
