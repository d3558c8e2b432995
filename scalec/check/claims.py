"""The `expect` lines of a `check` block held against a report. Input: claims, a report. Output: diagnostics.

An expectation is two-sided: a failure that was expected and does not happen is a mistake too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from scalec import catalogue as codes
from scalec.calculus.world import settled
from scalec.check.goals import GOALS
from scalec.check.report import Finding, Report
from scalec.diagnostics import Reporter, did_you_mean
from scalec.program.program import Program
from scalec.resolve.vocabulary import covers
from scalec.symbolic.evaluate import to_formula
from scalec.symbolic.formula import Formula, Product, Symbol, symbol
from scalec.symbolic.order import Order, Regime
from scalec.syntax import nodes
from scalec.syntax.printer import claim_text

GRADIENT = "gradient"


def goals_of(claims: Iterable[nodes.Claim], reporter: Reporter) -> tuple[str, ...]:
    """The desiderata that claims speak of; an unknown one is reported."""
    named = [c for c in claims if c.order is None]
    for claim in named:
        if claim.term not in GOALS:
            reporter.report(
                codes.UNKNOWN_GOAL,
                f"no desideratum is called `{claim.term}`",
                claim.span,
                notes=[f"there are {', '.join(GOALS)}"],
                helps=did_you_mean(claim.term, GOALS),
            )
    return tuple(dict.fromkeys(c.term for c in named))


def hold(claims: Iterable[nodes.Claim], report: Report, program: Program, reporter: Reporter) -> None:
    """Report every claim that the report contradicts."""
    for claim in claims:
        if claim.order is not None:
            _order(claim, claim.order, report, program, reporter)
        elif claim.fails:
            _failure(claim, report, program, reporter)
        else:
            _success(claim, report, reporter)


def _success(claim: nodes.Claim, report: Report, reporter: Reporter) -> None:
    verdict = report.verdicts[claim.term]
    if verdict == "pass":
        return
    found = [f for f in report.findings if f.goal == claim.term and f.diagnostic.severity == "error"]
    said = [f.diagnostic.message for f in found] or [n.message for n in report.notes]
    what = "fails" if verdict == "fail" else "is undetermined"
    message = f"`{claim.term}` is expected under {report.regime.name} and {what}"
    reporter.report(codes.EXPECTATION, message, claim.span, notes=_some(said))


def _failure(claim: nodes.Claim, report: Report, program: Program, reporter: Reporter) -> None:
    if report.verdicts[claim.term] != "fail":
        message = f"`{claim.term}` is expected to fail under {report.regime.name} and does not"
        reporter.report(codes.EXPECTATION, message, claim.span)
        return
    found = [f for f in report.findings if f.goal == claim.term]
    for place in claim.places:
        if not any(_at(place, f, program) for f in found):
            reporter.report(
                codes.EXPECTATION,
                f"`{claim.term}` fails under {report.regime.name}, but not at `{place}`",
                claim.span,
                notes=_some([f.diagnostic.message for f in found]),
            )


def _order(claim: nodes.Claim, expected: nodes.Expr, report: Report, program: Program, reporter: Reporter) -> None:
    subject, _, term = claim.term.rpartition(".")
    if term == GRADIENT:
        last = max((g.step for g in report.gradients), default=0)
        orders = [g.exponent for g in report.gradients if g.tensor == subject and g.step == last]
    else:
        orders = [r.exponent for r in report.term(subject, term)]
    if not orders:
        known = sorted(
            {f"{r.observable}.{r.term}" for r in report.terms} | {f"{g.tensor}.gradient" for g in report.gradients}
        )
        reporter.report(
            codes.EXPECTATION, f"there is no term `{claim.term}`", claim.span, helps=did_you_mean(claim.term, known)
        )
        return
    wanted = _as_order(expected, program, report.regime, reporter)
    if wanted is None:
        return
    exponent = report.regime.exponent(wanted)
    wrong = [o for o in orders if o != exponent]
    if wrong:
        reporter.report(
            codes.EXPECTATION,
            f"`{claim_text(claim)}` is expected under {report.regime.name}; it is {_shown(wrong[0])} instead",
            claim.span,
            notes=[f"expected, in the scales of the regime: {exponent}"],
        )


def _shown(order: Order | None) -> str:
    return "absent" if order is None else f"`{order}`"


def _as_order(expr: nodes.Expr, program: Program, regime: Regime, reporter: Reporter) -> Order | None:
    names: dict[str, Formula] = {d.name: symbol("size", d.name) for d in program.dimensions}
    formula = settled(to_formula(expr, names.get, tuple(names), reporter), program, regime)
    if not isinstance(formula, Product) or not all(isinstance(a, Symbol) for a, _ in formula.factors):
        reporter.report(codes.EXPECTATION, "an order is a product of powers of dimensions", expr.span)
        return None
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
    yield from messages[:4]
    if len(messages) > 4:
        yield f"and {len(messages) - 4} more"
