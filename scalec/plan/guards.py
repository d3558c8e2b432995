"""Decides conditions: at all sizes asked for, or in the limit. Input: conditions of a rule. Output: truth, guards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial

from scalec import catalogue as codes
from scalec.calculus.forward import UnsupportedError
from scalec.diagnostics import Reporter, ScalecError
from scalec.plan.conditions import Words, to_test
from scalec.plan.limit import Limit
from scalec.plan.model import Quantity
from scalec.plan.sizes import Sizes
from scalec.plan.truth import Guard, Sign, Test, comparisons, is_threshold, knowns, mapped, truth
from scalec.plan.values import Scope
from scalec.program.program import Program
from scalec.resolve.rules import RuleDemand
from scalec.symbolic import formula as f
from scalec.symbolic.dominance import Cell
from scalec.symbolic.formula import UNIT, Formula, Symbol
from scalec.symbolic.sign import always, at
from scalec.syntax import nodes
from scalec.syntax.printer import condition_text


class Decider:
    """What is true of a program at every one of `targets`, or on a cell of directions. `run`: what the run says."""

    def __init__(
        self, program: Program, base: Sizes, targets: Sequence[Sizes], cell: Cell | None, reporter: Reporter
    ) -> None:
        self.program = program
        self.reporter = reporter
        self.cell = cell
        self.run: Mapping[str, Quantity] = {}
        self.guards: dict[Guard, None] = {}
        self.signs: list[Sign] = [partial(at, value=partial(_value, sizes, base)) for sizes in targets]
        if cell is not None:
            self.signs = [Limit(program, base, cell).sign]

    # ---- where -------------------------------------------------------------------------------
    def where(self, conditions: Sequence[nodes.Condition], scope: Scope) -> bool:
        """Whether all hold at a place. What is wrong with one is reported, and it does not hold."""
        held = [self._where(condition, scope) for condition in conditions]
        return all(held)

    def _where(self, condition: nodes.Condition, scope: Scope) -> bool:
        try:
            test = self._test(condition, scope, {})
            self._check_layers(condition, test)
            self._check_thresholds(condition, test, scope)
        except ScalecError:
            return False
        values = {truth(test, sign) for sign in self.signs} or {truth(test, always)}
        if None in values and any(known.value is None for known in knowns(test)):
            return False  # it hangs on a size that the place has not
        text = condition_text(condition)
        if None in values and self.cell is not None:
            raise UnsupportedError(f"where {text}", f"neither true nor false in the limit for {scope.where}")
        if None in values or len(values) > 1:
            what = "holds at some of the sizes only" if len(values) > 1 else "is open"
            helps = ["plan the sizes one by one" if len(values) > 1 else "name sizes: `--at`"]
            notes = [f"for {scope.where}"]
            self.reporter.report(codes.OPEN, f"`where {text}` {what}", condition.span, notes=notes, helps=helps)
            return False
        value = values.pop()
        if truth(test, always) is None:
            self.guards[Guard("where", text, test, value, scope.where, condition.span)] = None
        return value is True

    def _check_layers(self, condition: nodes.Condition, test: Test) -> None:
        for comparison in comparisons(test):
            if any(s.kind == "layer" for s in f.symbols(comparison.difference)):
                message = f"`{comparison.text}` differs from block to block, and a clause is for all of them"
                self.reporter.fail(codes.EXPRESSION, message, condition.span)

    def _check_thresholds(self, condition: nodes.Condition, test: Test, scope: Scope) -> None:
        grows = {d.name for d in self.program.dimensions if d.grows}
        for comparison in comparisons(mapped(test, self._fixed)):
            if is_threshold(comparison, grows.__contains__):
                self.reporter.fail(
                    codes.THRESHOLD,
                    f"`{comparison.text}` compares a size that may grow with a constant",
                    condition.span,
                    notes=[f"for {scope.where}", "the rule would be another one beyond some size, and in every limit"],
                    helps=["compare it with a size that may grow too, or with 1"],
                )

    def _fixed(self, formula: Formula) -> Formula:
        """With the sizes that the network fixes as numbers."""

        def number(s: Symbol) -> Formula | None:
            dimension = self.program.dimension.get(s.name)
            known = dimension.fixed if dimension and s.kind in ("size", "base") else None
            return None if known is None else f.number(known)

        return f.substitute(formula, number)

    # ---- require, valid ----------------------------------------------------------------------
    def demand(self, demand: RuleDemand, scope: Scope, said: Words) -> None:
        """Note what is demanded, and whether it holds at all sizes asked for. What is wrong with it is reported."""
        condition, kind = demand.node.condition, demand.node.kind
        try:
            test = self._test(condition, scope, said)
        except ScalecError:
            return
        values = [truth(test, sign) for sign in self.signs]
        value = False if False in values else None if None in values else True
        self.guards[Guard(kind, condition_text(condition), test, value, "", demand.node.span)] = None

    # ---- both --------------------------------------------------------------------------------
    def _test(self, condition: nodes.Condition, scope: Scope, said: Words) -> Test:
        """The test, with what the run says in its place."""
        return mapped(to_test(condition, scope, said, self.reporter), self._expanded)

    def _expanded(self, formula: Formula) -> Formula:
        def quantity(s: Symbol) -> Formula | None:
            if s.kind != "run" or s.name not in self.run:
                return None
            said = self.run[s.name]
            whole = self._expanded(said.formula)
            return f.add(UNIT, f.mul(f.number(-1), whole)) if said.complement else whole

        return f.substitute(formula, quantity)


def _value(sizes: Sizes, base: Sizes, s: Symbol) -> Fraction:
    match s.kind:
        case "size":
            return sizes[s.name]
        case "base":
            return base[s.name]
        case "ratio":
            return sizes[s.name] / base[s.name]
        case _:
            raise KeyError(s.name)
