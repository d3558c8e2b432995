"""The `expect` lines of a `check` block held against a report. Input: claims, a report. Output: diagnostics.

An expectation is two-sided: a failure that was expected and does not happen is a mistake too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from scalec import catalogue as codes
from scalec.calculus.world import settled
from scalec.check.goals import GOALS
from scalec.check.report import Finding, Gradient, Report, Term, Verdict
from scalec.diagnostics import Reporter, did_you_mean
from scalec.program.program import Program
from scalec.resolve.goals import resolve_goal
from scalec.resolve.load import Workspace
from scalec.resolve.vocabulary import covers
from scalec.symbolic.evaluate import to_formula
from scalec.symbolic.formula import ZERO, Formula, Product, Symbol, symbol
from scalec.symbolic.order import Order, Regime
from scalec.syntax import nodes
from scalec.syntax.printer import claim_text

Goals = Mapping[str, tuple[str, ...]]

SAID: Mapping[Verdict, str] = {"pass": "passes", "fail": "fails", "undetermined": "is undetermined"}
MISSES: Mapping[nodes.Miss, tuple[Verdict, str]] = {
    "fails": ("fail", "fail"),
    "undetermined": ("undetermined", "be undetermined"),
}


def goals_of(claims: Iterable[nodes.Claim], workspace: Workspace, reporter: Reporter) -> Goals:
    """The desiderata behind each goal that claims name; an unknown one is reported."""
    named = {claim.term: claim for claim in claims if claim.order is None}
    return {name: resolve_goal(workspace, name, GOALS, claim.span, reporter) for name, claim in named.items()}


def hold(claims: Iterable[nodes.Claim], goals: Goals, report: Report, program: Program, reporter: Reporter) -> None:
    """Report every claim that the report contradicts."""
    for claim in claims:
        if claim.order is not None:
            _order(claim, claim.order, report, program, reporter)
        elif claim.miss is not None:
            _miss(claim, claim.miss, goals[claim.term], report, program, reporter)
        else:
            _success(claim, goals[claim.term], report, reporter)


def _success(claim: nodes.Claim, goals: tuple[str, ...], report: Report, reporter: Reporter) -> None:
    verdict = report.verdict_on(goals)
    if verdict == "pass":
        return
    every = [f for f in report.findings if f.goal in goals]
    found = [f for f in every if f.diagnostic.severity == "error"] or every
    places = {f.where for f in found}
    place = f" where {found[0].where}" if len(places) == 1 and found[0].where else ""
    message = f"`{claim.term}` is expected under {report.regime.name} and {SAID[verdict]}{place}"
    reporter.report(codes.EXPECTATION, message, claim.span, notes=_some([f.diagnostic.message for f in found]))


def _miss(
    claim: nodes.Claim, miss: nodes.Miss, goals: tuple[str, ...], report: Report, program: Program, reporter: Reporter
) -> None:  # fmt: skip
    """A failure that was expected, or a verdict that was expected to stay open; and where."""
    verdict, found = report.verdict_on(goals), [f for f in report.findings if f.goal in goals]
    expected, to_be = MISSES[miss]
    under, said = f"under {report.regime.name}", [f.diagnostic.message for f in found]
    if verdict != expected:
        message = f"`{claim.term}` is expected to {to_be} {under} and {SAID[verdict]}"
        reporter.report(codes.EXPECTATION, message, claim.span, notes=_some(said))
        return
    for place in claim.places:
        if not any(_at(place, f, program) for f in found):
            message = f"`{claim.term}` {SAID[verdict]} {under}, but not at `{place}`"
            reporter.report(codes.EXPECTATION, message, claim.span, notes=_some(said))


def _order(claim: nodes.Claim, expected: nodes.Expr, report: Report, program: Program, reporter: Reporter) -> None:
    place = "".join(claim.places)
    rows = report.called(claim.term, place)
    if not rows:
        what = f"`{claim.term}`" + (f" at `{place}`" if place else "")
        helps = did_you_mean(claim.term, report.names(place))
        reporter.report(codes.EXPECTATION, f"there is no term {what}", claim.span, helps=helps)
        return
    wanted = _as_order(expected, program, report.regime, reporter)
    exponent = None if wanted is None else report.regime.exponent(wanted)
    wrong = [row for row in rows if row.exponent != exponent]
    if wrong:
        reporter.report(
            codes.EXPECTATION,
            f"`{claim_text(claim)}` is expected under {report.regime.name}; it is {_shown(wrong[0])} instead",
            claim.span,
            notes=_some([f"{_subject(row)}: {_shown(row)}" for row in wrong]),
        )


def _subject(row: Term | Gradient) -> str:
    if isinstance(row, Gradient) or row.tensor:
        return f"`{row.tensor}`"
    return f"`{row.observable}`"


def _shown(row: Term | Gradient) -> str:
    order = "absent" if row.order is None else f"`{row.order}`"
    return f"{order} where {row.where}" if row.where else order


def _as_order(expr: nodes.Expr, program: Program, regime: Regime, reporter: Reporter) -> Order | None:
    """The order that an expression means; 0 means absent, which is None. Raises ScalecError."""
    names: dict[str, Formula] = {d.name: symbol("size", d.name) for d in program.dimensions}
    formula = settled(to_formula(expr, names.get, tuple(names), reporter), program, regime)
    if formula == ZERO:
        return None
    if not isinstance(formula, Product) or not all(isinstance(a, Symbol) for a, _ in formula.factors):
        reporter.fail(codes.EXPECTATION, "an order is a product of powers of dimensions, or 0 for absent", expr.span)
    return Order.of((a.name, e) for a, e in formula.factors if isinstance(a, Symbol))


def _at(place: str, finding: Finding, program: Program) -> bool:
    """`readout.propagating`, `block.*.effective`, or a tensor alone: by path or by role."""
    subjects = [s for s in (finding.subject, finding.tensor) if s]
    if any(fnmatchcase(f"{s}.{finding.term}", place) or fnmatchcase(s, place) for s in subjects):
        return True
    tensor = program.tensor.get(finding.tensor)
    if tensor is None:
        return False
    head, _, term = place.rpartition(".")
    return covers(place, tensor.role) or (term == finding.term and covers(head, tensor.role))


def _some(messages: list[str]) -> Iterator[str]:
    different = list(dict.fromkeys(messages))
    yield from different[:4]
    if len(different) > 4:
        yield f"and {len(different) - 4} more"
