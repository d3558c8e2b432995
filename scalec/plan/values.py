"""One attribute: an anchor and a law, clause after clause. Input: statements. Output: `Quantity` or `Choice`.

`=` sets both, `~` sets the law and keeps the anchor, `*=` multiplies the value, base included, and
`*~` the law alone. A tuned value replaces the anchor that `=` or the optimizer gave; factors of `*=`
stay, since they are what a tuned per-tensor constant is written with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.plan.model import Choice, Law, Origin, Quantity
from scalec.plan.sizes import at_base, ratio
from scalec.resolve.rules import RuleClause
from scalec.symbolic import formula as f
from scalec.symbolic.evaluate import is_sum, to_formula
from scalec.symbolic.formula import UNIT, Formula
from scalec.syntax import nodes
from scalec.syntax.names import names_in
from scalec.syntax.printer import cite_text, clause_subject, expression_text, statement_text

Names = dict[str, Formula]


@dataclass
class Number:
    """A numeric attribute while clauses are read. `equation`: what its law is to solve, times what came after it."""

    anchor: Formula | None
    origins_anchor: list[Origin]
    factor: Formula = UNIT
    law: Formula = UNIT
    origins_law: list[Origin] = field(default_factory=list)
    losers: list[Origin] = field(default_factory=list)
    complement: bool = False
    equation: Equation | None = None
    bounds: list[Binding] = field(default_factory=list)

    @property
    def covered(self) -> bool:
        """Whether a clause said how it moves."""
        return bool(self.origins_law)

    def set(self, value: Formula, base: Formula, origin: Origin) -> None:
        """`base`: the value there."""
        self._lose(*self.origins_anchor, *self.origins_law)
        self.anchor, self.law, self.factor, self.equation = base, _law_of(value, base), UNIT, None
        self.origins_anchor, self.origins_law = [origin], [origin]

    def follow(self, law: Formula, origin: Origin) -> None:
        self._lose(*(o for o in self.origins_law if o not in self.origins_anchor))
        self.law, self.equation, self.origins_law = law, None, [origin]

    def solve(self, equation: Equation) -> None:
        """Take the law that makes an equation hold, once every clause has been read."""
        self.follow(UNIT, equation.origin)
        self.equation = equation

    def multiply(self, value: Formula, base: Formula, origin: Origin) -> None:
        self.factor = f.mul(self.factor, base)
        self.law = f.mul(self.law, _law_of(value, base))
        self.origins_anchor.append(origin)
        self.origins_law.append(origin)

    def multiply_law(self, law: Formula, origin: Origin) -> None:
        self.law = f.mul(self.law, law)
        self.origins_law.append(origin)

    def tune(self, value: Formula, origin: Origin) -> None:
        """`value` is the attribute's own, also where the clauses speak of its complement."""
        self._lose(*(o for o in self.origins_anchor if o not in self.origins_law))
        self.anchor = f.add(UNIT, f.mul(f.number(-1), value)) if self.complement else value
        self.origins_anchor = [origin]

    def _lose(self, *origins: Origin) -> None:
        self.losers.extend(o for o in origins if o not in self.losers)

    def finish(self) -> Quantity:
        assert self.anchor is not None
        anchor = f.mul(self.anchor, self.factor)
        origins = tuple(dict.fromkeys((*self.origins_anchor, *self.origins_law)))
        losers = tuple(o for o in self.losers if o not in origins)
        anchored = tuple(self.origins_anchor)
        return Quantity(anchor, self.law, f.mul(anchor, self.law), origins, losers, self.complement, anchored)


def _law_of(value: Formula, base: Formula) -> Formula:
    """How a value moves from where it is at the base."""
    if base == f.ZERO and value != f.ZERO:
        raise f.FormulaError("the value is 0 at the base, so nothing can move from there")
    return UNIT if base == f.ZERO else f.divide(value, base)


@dataclass
class Word:
    """A word attribute while clauses are read."""

    word: str
    origins: list[Origin]
    losers: list[Origin] = field(default_factory=list)

    def set(self, word: str, origin: Origin) -> None:
        self.losers.extend(self.origins)
        self.word, self.origins = word, [origin]

    def finish(self) -> Choice:
        return Choice(self.word, tuple(self.origins), tuple(self.losers))


@dataclass(frozen=True)
class Scope:
    """The sizes an expression may name at one tensor, site or the run.

    `sizes`: relative sizes and dimensions as formulas; `run` run-level quantities; `fixed` dimensions
    that never move; `laws`: named formulas, made of these; `said`: values of the run that bare names read, with what
    they are at the base; `of_run`: the attributes here are the run's own.
    """

    sizes: Names
    run: Names
    fixed: frozenset[str]
    where: str
    laws: Mapping[str, nodes.LawDecl] = field(default_factory=dict)
    said: Mapping[str, tuple[Formula, Formula]] = field(default_factory=dict)
    of_run: bool = False

    def size(self, name: str) -> Formula | None:
        """What a bare name is, None where it is nothing here."""
        return self.said[name][0] if name in self.said else self.sizes.get(name)

    def at_base(self, formula: Formula) -> Formula:
        """With every size at its base, and what `said` has too."""
        values = dict(self.said.values())
        settled = f.substitute(formula, lambda s: values.get(f.symbol(s.kind, s.name)) if s.kind == "run" else None)
        return at_base(settled)

    def with_laws(self, laws: Iterable[nodes.LawDecl]) -> Scope:
        found = {law.name: law for law in laws}
        return replace(self, laws=found) if found else self

    def value(self, expr: nodes.Expr, reporter: Reporter) -> Formula:
        """The expression at the target size (`=`, `*=`)."""
        return to_formula(expr, self._names(reporter, ratios=False), self.known, reporter)

    def law(self, expr: nodes.Expr, reporter: Reporter) -> Formula:
        """The expression with every size as its ratio to the base (`~`, `*~`): 1 at the base."""
        named = made_of((name.text for name in names_in(expr)), self.laws)
        found = next((found for e in (expr, *(law.value for law in named)) if (found := is_sum(e))), None)
        if found is not None:
            text = expression_text(expr)
            reporter.fail(
                codes.LAW_SUM,
                f"the law `{text}` is a sum",
                found.span,
                helps=(f"`*= {text}` multiplies the value, base included",),
            )
        result = to_formula(expr, self._names(reporter, ratios=True), self.known, reporter)
        if f.as_number(self.at_base(result)) != 1:
            reporter.fail(
                codes.LAW_SUM,
                f"the law `{expression_text(expr)}` is not 1 at the base",
                expr.span,
                helps=("put the constant in the value: `*=` multiplies, base included",),
            )
        return result

    @property
    def known(self) -> tuple[str, ...]:
        return (*self.sizes, *self.said, *(f"run.{name}" for name in (*self.run, *self.said)), *self.laws)

    def _names(self, reporter: Reporter, *, ratios: bool) -> Callable[[str], Formula | None]:
        known: dict[str, Formula] = {}  # of laws, each once

        def look_up(name: str) -> Formula | None:
            bare = name.removeprefix("run.")
            if bare in self.run and bare != name:
                return self.run[bare]
            if bare in self.said:
                value, base = self.said[bare]
                return f.divide(value, base) if ratios else value
            inner = name.removeprefix("base.")
            if inner != name and inner in self.said:
                return self.said[inner][1]
            if inner != name and inner in self.sizes:
                return at_base(self.sizes[inner])
            if name in self.sizes:
                return ratio(self.sizes[name], self.fixed) if ratios else self.sizes[name]
            if name in self.laws and name not in known:
                known[name] = to_formula(self.laws[name].value, look_up, self.known, reporter)
            return known.get(name)

        return look_up


@dataclass(frozen=True)
class Equation:
    """`wd solves sublayer_gain ~ 1` at a place; `numbers` are the attributes there, which the law may read."""

    statement: nodes.Solve
    scope: Scope
    numbers: Mapping[str, Number]
    origin: Origin

    @property
    def law(self) -> nodes.LawDecl:
        return self.scope.laws[self.statement.law]


@dataclass(frozen=True)
class Binding:
    """`require lr ~ 1` at a place: the law that a number is to have, whatever else is said of it."""

    law: Formula
    origin: Origin


def apply(number: Number, statement: nodes.Set, scope: Scope, origin: Origin, reporter: Reporter) -> None:
    """Let one statement act on a numeric attribute. Raises ScalecError where it has no meaning."""
    try:
        _apply(number, statement, scope, origin, reporter)
    except f.FormulaError as error:
        reporter.fail(codes.EXPRESSION, str(error), statement.value.span)


def _apply(number: Number, statement: nodes.Set, scope: Scope, origin: Origin, reporter: Reporter) -> None:
    if statement.complement != number.complement and statement.op != "=":
        _complement(number)
    number.complement = statement.complement
    match statement.op:
        case "=":
            value = scope.value(statement.value, reporter)
            number.set(value, scope.at_base(value), origin)
        case "*=":
            value = scope.value(statement.value, reporter)
            number.multiply(value, scope.at_base(value), origin)
        case "~":
            number.follow(scope.law(statement.value, reporter), origin)
        case "*~":
            number.multiply_law(scope.law(statement.value, reporter), origin)


def origin_of(clause: RuleClause, statement: nodes.Statement) -> Origin:
    text = f"{clause_subject(clause.node)} {{ {statement_text(statement)} }}"
    names = [
        *([statement.law] if isinstance(statement, nodes.Solve) else []),
        *(n.text for n in names_in(statement)),
    ]
    laws = made_of(names, {law.name: law for law in clause.laws})
    return Origin(clause.rule, text, statement.span, tuple(map(_law, laws)))


def _law(law: nodes.LawDecl) -> Law:
    cite = cite_text(law.cite) if law.cite else ""
    return Law(law.name, expression_text(law.value), law.fitted, cite, law.span)


def made_of(names: Iterable[str], laws: Mapping[str, nodes.LawDecl]) -> tuple[nodes.LawDecl, ...]:
    """The laws among some names, and those that they name in turn, each once."""
    found: dict[str, nodes.LawDecl] = {}
    queue = list(names)
    while queue:
        name = queue.pop(0)
        if name in laws and name not in found:
            found[name] = laws[name]
            queue += [inner.text for inner in names_in(laws[name].value)]
    return tuple(found.values())


def _complement(number: Number) -> None:
    """From `beta1` to `1 - beta1` (or back): what is kept is the value at the base."""
    if number.anchor is not None:
        number.anchor = f.add(UNIT, f.mul(f.number(-1), number.anchor, number.factor))
    number.factor = number.law = UNIT
    number.equation = None
