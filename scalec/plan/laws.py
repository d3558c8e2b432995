"""Laws that are solved for: `wd solves sublayer_gain ~ 1`. Input: attributes of a place with equations. Output: laws.

The value of the named law is to move as its right side says, with all other attributes as the rule leaves them at
last: what changes a rate changes what is solved with it. Several at one place are solved together. Invariant: the
anchor stays, and the law is 1 at the base.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, ScalecError
from scalec.plan.model import Origin, Quantity
from scalec.plan.sizes import at_base
from scalec.plan.values import Equation, Number, made_of
from scalec.symbolic import formula as f
from scalec.symbolic.formula import UNIT, ZERO, Formula, Symbol
from scalec.symbolic.solving import NoClosedFormError, Solution, Solutions
from scalec.symbolic.systems import solve
from scalec.symbolic.text import plain
from scalec.syntax.names import names_in
from scalec.syntax.printer import statement_text

NEAR = 1e-9  # of 1: how far a solution may be from it at the base


@dataclass(frozen=True)
class Solver:
    """`run`: what the run says, in sizes alone, as far as it is planned; `base`: base sizes, where they are known."""

    run: dict[str, Quantity]
    fixed: Collection[str]
    base: Mapping[str, Fraction]
    reporter: Reporter

    # ---- values of the run ---------------------------------------------------------------------
    def in_sizes(self, quantity: Quantity) -> Quantity:
        """A value of the run with what it reads of others put in."""
        law = f.substitute(quantity.law, lambda s: self._whole(self.run[s.name]) if s.kind == "run" else None)
        return replace(quantity, law=law, formula=f.mul(quantity.anchor, law))

    def start(self, name: str) -> Formula:
        """What a value of the run is at the base."""
        anchor = self.run[name].anchor
        return f.add(UNIT, f.mul(f.number(-1), anchor)) if self.run[name].complement else anchor

    def _whole(self, quantity: Quantity) -> Formula:
        return f.add(UNIT, f.mul(f.number(-1), quantity.formula)) if quantity.complement else quantity.formula

    def _number_at_base(self, formula: Formula) -> float | None:
        def value(s: Symbol) -> float:
            if s.kind == "run":
                return f.evaluate(self.start(s.name), value)
            return 1.0 if s.kind == "ratio" else float(self.base[s.name])

        try:
            return f.evaluate(formula, value)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return None

    # ---- solving -------------------------------------------------------------------------------

    def settle(self, numbers: Mapping[str, Number]) -> None:
        """Give every number with an equation its law. What has no one solution is reported."""
        open_ = {name: n for name, n in numbers.items() if n.equation and n.anchor != ZERO}
        if not open_:
            return
        unknowns = {id(number): Symbol("unknown", name) for name, number in open_.items()}
        posed: list[_Posed] = []
        equations = [n.equation for n in open_.values() if n.equation]
        try:
            posed = [self._posed(number, unknowns) for number in open_.values()]
            found = self._chosen(solve([f.divide(p.moves, p.order) for p in posed], tuple(unknowns.values())))
        except f.FormulaError as error:
            self._refuse(equations, "means nothing here", [str(error)])
        except NoClosedFormError as error:
            helps = ["what is solved for stands in products of powers, or in sums that make quadratics at most"]
            self._refuse(equations, "is not solved", [*map(_moves_text, posed), f"that is {error}"], helps)
        except ScalecError:
            pass  # reported
        else:
            self._take(posed, found)

    # ---- from clauses to equations -------------------------------------------------------------
    def _posed(self, number: Number, unknowns: Mapping[int, Symbol]) -> _Posed:
        equation = number.equation
        assert equation is not None
        values = {n: _value(o, unknowns.get(id(o)), bare=o is number) for n, o in equation.numbers.items()}
        named_run = {f"run.{n}": value for n, value in values.items()} if equation.scope.of_run else {}
        scope = replace(equation.scope, sizes=equation.scope.sizes | values | named_run)
        said = scope.value(equation.law.value, self.reporter)
        whole = f.substitute(said, self._moving)
        start = at_base(f.substitute(whole, lambda s: UNIT if s.kind == "unknown" else None))
        laws = made_of([equation.law.name], scope.laws)
        named = {name.text for law in laws for name in names_in(law.value)} & values.keys()
        read = {origin for name in named for origin in equation.numbers[name].origins_law}
        runs = [self.run[s.name].origins for s in f.symbols(said) if self._moving(s)]
        given = sorted(read.union(*runs) - {equation.origin}, key=lambda o: (o.rule, o.text))
        moves = f.divide(f.substitute(whole, self._in_ratios), start)
        order = scope.law(equation.statement.order, self.reporter)
        return _Posed(number, equation, unknowns[id(number)], moves, order, tuple(given))

    def _moving(self, s: Symbol) -> Formula | None:
        """A value of the run that has a law: what it is at the base times that."""
        quantity = self.run.get(s.name) if s.kind == "run" else None
        return None if quantity is None or quantity.law == UNIT else self._whole(quantity)

    def _in_ratios(self, s: Symbol) -> Formula | None:
        base = f.symbol("base", s.name)
        return None if s.kind != "size" else base if s.name in self.fixed else f.mul(base, f.symbol("ratio", s.name))

    # ---- from solutions to laws ----------------------------------------------------------------
    def _chosen(self, solutions: Solutions) -> Solutions:
        """Of several those that are 1 at the base, where that has a number."""
        if len(solutions.found) < 2:
            return solutions
        numbers = {id(s): [self._number_at_base(value) for value in s.values()] for s in solutions.found}
        near = (s for s in solutions.found if all(n is None or abs(n - 1) < NEAR for n in numbers[id(s)]))
        return replace(solutions, found=tuple(near))

    def _take(self, posed: list[_Posed], solutions: Solutions) -> None:
        if solutions.free:
            free = " and ".join(f"`{s.name}`" for s in solutions.free)
            self._refuse([p.equation for p in posed], "has many solutions", [f"it holds whatever {free} is"])
        elif len(solutions.found) > 1:
            self._refuse([p.equation for p in posed], "has several solutions", map(_solution_text, solutions.found))
        elif not solutions.found:
            self._refuse([p.equation for p in posed], "has no solution", map(_moves_text, posed))
        else:
            for p in posed:
                solved = replace(p.equation.origin, given=p.given)
                p.number.law = f.mul(solutions.found[0][p.unknown], p.number.law)
                p.number.origins_law = [solved if o == p.equation.origin else o for o in p.number.origins_law]
                p.number.equation = None

    def _refuse(self, asked: Iterable[Equation], what: str, notes: Iterable[str], helps: Iterable[str] = ()) -> None:
        """Report what is wrong with equations that are solved together."""
        first, *_ = equations = list(asked)
        text = " and ".join(f"`{statement_text(e.statement)}`" for e in equations)
        self.reporter.report(
            codes.SOLVE, f"{text} {what}", first.statement.span,
            labels=[(span, "the law") for span in dict.fromkeys(e.law.span for e in equations)],
            notes=[*notes, f"for {first.scope.where}"], helps=helps,
        )  # fmt: skip


@dataclass(frozen=True)
class _Posed:
    """An equation with all that the rule says put in: `moves`, how the law moves, is to be `order`."""

    number: Number
    equation: Equation
    unknown: Symbol
    moves: Formula
    order: Formula
    given: tuple[Origin, ...]


def _moves_text(posed: _Posed) -> str:
    return f"`{posed.equation.law.name}` moves as `{plain(posed.moves)}`, and is to move as `{plain(posed.order)}`"


def _value(number: Number, unknown: Symbol | None, *, bare: bool) -> Formula:
    """What an attribute is; `bare`: without what multiplies a law after it was solved."""
    law = UNIT if bare and unknown else number.law
    found = f.mul(number.anchor or UNIT, number.factor, law, f.symbol(unknown.kind, unknown.name) if unknown else UNIT)
    return f.add(UNIT, f.mul(f.number(-1), found)) if number.complement else found


def _solution_text(solution: Solution) -> str:
    return ", ".join(f"`{s.name} ~ {plain(value)}`" for s, value in solution.items())
