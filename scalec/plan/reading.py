"""Clauses read one after another at a place. Input: clauses, a scope. Output: the attributes that they leave there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, ScalecError
from scalec.plan.guards import Decider
from scalec.plan.values import Binding, Equation, Number, Scope, Word, apply, origin_of
from scalec.resolve import vocabulary as words
from scalec.resolve.rules import RuleClause
from scalec.symbolic import formula as f
from scalec.symbolic.formula import UNIT, ZERO, Formula
from scalec.symbolic.text import plain
from scalec.syntax import nodes


@dataclass
class Values:
    """The attributes of one tensor, site or the run while clauses are read."""

    numbers: dict[str, Number]
    words: dict[str, Word]


@dataclass(frozen=True)
class Reader:
    decider: Decider
    reporter: Reporter

    def held(self, clauses: Iterable[RuleClause], scope: Scope) -> list[RuleClause]:
        """Those whose conditions hold at a place."""
        return [c for c in clauses if self.decider.where(c.around.where, scope.with_laws(c.laws))]

    def apply(
        self, clauses: Iterable[RuleClause], values: Values, scope: Scope, known: Collection[str] | None = None
    ) -> None:
        """Let clauses act in order; `known` are the attributes meant, where not all are."""
        for clause in self.held(clauses, scope):
            for statement in clause.node.statements:
                if known is None or statement.attribute in known:
                    try:
                        self._statement(clause, statement, values, scope.with_laws(clause.laws))
                    except ScalecError:
                        continue  # reported; the other statements may have mistakes of their own

    def _statement(self, clause: RuleClause, statement: nodes.Statement, values: Values, scope: Scope) -> None:
        origin = origin_of(clause, statement)
        name = "init.dist" if statement.attribute == "init" else statement.attribute
        known = name in values.numbers or clause.node.kind == "run"
        if isinstance(statement, nodes.Set) and words.ATTRIBUTES[clause.node.kind].get(statement.attribute):
            assert isinstance(statement.value, nodes.Name)
            values.words.setdefault(name, Word("", [])).set(statement.value.text, origin)
        elif known:
            number = values.numbers.setdefault(name, Number(None, []))
            if isinstance(statement, nodes.Bound):
                number.bounds.append(Binding(scope.law(statement.order, self.reporter), origin))
            elif isinstance(statement, nodes.Solve):
                number.solve(Equation(statement, scope, values.numbers, origin))
            else:
                apply(number, statement, scope, origin, self.reporter)
        elif clause.node.kind == "site":
            message = f"{scope.where} has no `{name}`"
            self.reporter.report(
                codes.UNKNOWN_WORD, message, statement.span, notes=[f"it has {', '.join(values.numbers)}"]
            )

    def hold(self, numbers: Mapping[str, Number], where: str) -> None:
        """Report each law that is another one than some rule requires, where that makes a difference."""
        for name, number in numbers.items():
            for bound in number.bounds:
                apart = f.subtract(number.law, bound.law)
                if number.origins_law and any(sign(apart) not in (0, None) for sign in self.decider.signs):
                    self._bound_apart(name, number, bound, where)

    def _bound_apart(self, name: str, number: Number, bound: Binding, where: str) -> None:
        ours, theirs = bound.origin, number.origins_law[-1]
        together = f"rules `{ours.rule}` and `{theirs.rule}` cannot be combined"
        asked = f"`{name} ~ {plain(bound.law)}`"
        self.reporter.report(
            codes.BOUND_APART,
            f"{together}: `{ours.rule}` is for {asked}" if theirs.rule != ours.rule else f"{asked} is required here",
            ours.span,
            label=f"`{ours.rule}` requires it",
            labels=[(theirs.span, f"`{theirs.rule}` says otherwise")] if theirs.span else [],
            notes=[f"`{name}` moves as `{plain(number.law)}` for {where}"],
            helps=[f"extend one of them alone, or a rule with {asked}"] if theirs.rule != ours.rule else [],
        )


def default(value: Formula) -> Number:
    return Number(value, [])


def quotient(name: str, scope: Scope) -> dict[str, Number]:
    """What the run has of it where nobody says: one size over another, if both are known."""
    above, below = (scope.size(size) for size in words.QUOTIENTS[name])
    if above is None or below is None:
        return {}
    value = f.divide(above, below)
    base = scope.at_base(value)
    return {name: Number(base, [], law=f.divide(value, base))}


def constants(dist: Word) -> dict[str, Number]:
    """The numbers that a word implies: a zero init has mean and standard deviation 0."""
    if dist.word not in ("zero", "ones"):
        return {}
    mean = UNIT if dist.word == "ones" else ZERO
    return {n: Number(v, dist.origins, origins_law=dist.origins) for n, v in (("init.std", ZERO), ("init.mean", mean))}
