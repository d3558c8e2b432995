"""From a Problem to laws that hold in every direction of its regime, or to what stands in the way.

With several scales the cone of directions may fall into cells with rules of their own. A rule is one monomial
for all: the first cell's that reaches the goals everywhere. What is found is checked before it is given out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from scalec import catalogue as codes
from scalec.calculus.forward import UnsupportedError
from scalec.calculus.world import UnresolvedError
from scalec.check.report import Report
from scalec.check.run import check
from scalec.derive.conflict import conflict
from scalec.derive.problem import Problem
from scalec.derive.solve import RestlessError, Solution, solve
from scalec.diagnostics import Reporter
from scalec.source import Span
from scalec.symbolic.dominance import regions


def reach(problem: Problem, goals: Sequence[str], span: Span | None = None) -> Solution:
    """Laws that reach the goals. Raises ScalecError where none were found."""
    tried = []
    for solution in _solutions(problem, span):
        report = check(problem.program, problem.scaling(solution.orders), problem.regime, goals)
        if report.verdict == "pass":
            return solution
        tried.append((solution, report))
    _out_of_reach(problem, *tried[0], goals, span)


def _solutions(problem: Problem, span: Span | None) -> tuple[Solution, ...]:
    """Every different rule that some direction of growth asks for, one where they agree."""
    found: dict[object, Solution] = {}
    reporter, where = Reporter(), f"{problem.program.name} under {problem.regime.name}"
    try:
        for _, solution in regions(problem.regime, lambda cell: solve(problem, cell)):
            found.setdefault(frozenset(solution.orders.items()), solution)
    except UnsupportedError as error:
        message = f"`{error.value}` is {error.reason}; the calculus has no rule for that"
        reporter.fail(codes.NO_TRANSFER, message, span, helps=error.helps)
    except UnresolvedError as error:
        reporter.fail(codes.NO_ORDER, f"`{error.attribute}` of `{error.subject}` has no order", error.span or span)
    except RestlessError:
        reporter.fail(codes.OUT_OF_REACH, f"laws for {where} do not come to rest", span)
    return tuple(found.values())


def _out_of_reach(
    problem: Problem, solution: Solution, report: Report, goals: Sequence[str], span: Span | None
) -> NoReturn:
    """What stands in each other's way; where that is not to be had, what fails at the best that was found."""
    failed = [goal for goal, verdict in report.verdicts.items() if verdict != "pass"]
    found = conflict(problem, solution, goals)
    if found:
        said = ["these cannot hold together:", *found.terms]
        said += [f"with `{lever.attribute}` of `{lever.path}` as given" for lever in found.given]
    else:
        messages = (f.diagnostic.message for f in report.findings if f.diagnostic.severity == "error")
        said = [f"at the best that was found {message}" for message in messages]
    Reporter().fail(
        codes.OUT_OF_REACH,
        f"no law reaches {', '.join(f'`{goal}`' for goal in failed)} on {problem.program.name} "
        f"under {problem.regime.name}",
        span,
        notes=said,
    )
