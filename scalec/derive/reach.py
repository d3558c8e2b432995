"""From a Problem to laws that hold in every direction of its regime, or to what stands in the way.

With several scales the cone of directions may fall into cells with rules of their own. A rule is one monomial
for all: the first cell's that reaches the goals everywhere. Where scale alone does not, structural changes are
tried. What is found is checked before it is given out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from scalec import catalogue as codes
from scalec.calculus.collector import uncollected
from scalec.calculus.forward import UnsupportedError
from scalec.calculus.world import UnresolvedError
from scalec.check.goals import DEFAULT
from scalec.check.report import Finding, Report, Verdict
from scalec.check.run import check
from scalec.derive.conflict import Conflict, conflict
from scalec.derive.join import joined
from scalec.derive.late import late
from scalec.derive.problem import Change, Problem
from scalec.derive.solve import RestlessError, Solution, solve
from scalec.derive.structural import changed, cost, freezing, lost, remedies, told
from scalec.diagnostics import Reporter
from scalec.source import Span
from scalec.symbolic.dominance import regions

TRIES = 16  # sets of changes; with what a rule leaves open there are few


@dataclass(frozen=True)
class Attempt:
    """The best that scale alone does after `changes`.

    `why`: what fails then, or that laws do not come to rest; `holds`: the default goals that are reached.
    """

    changes: tuple[Change, ...]
    problem: Problem
    solution: Solution | None
    failing: tuple[Finding, ...]
    why: str = ""
    holds: tuple[str, ...] = ()

    @property
    def reached(self) -> bool:
        return not self.why


@dataclass(frozen=True)
class Reached:
    """Laws that reach the goals for a problem with changes made.

    `tried`: scale alone, this, others that reach the goals, those that do not; empty where scale alone does.
    """

    problem: Problem
    solution: Solution
    tried: tuple[Attempt, ...] = ()


@uncollected()
def reach(problem: Problem, goals: Sequence[str], span: Span | None = None) -> Reached:
    """Laws that reach the goals, with the structure that takes least. Raises ScalecError where none were found."""
    plain = _attempt(problem, (), goals, span)
    if plain.reached:
        return _found(plain)
    tried = tuple(_alternatives(plain, goals, span))
    reached = [attempt for attempt in tried if attempt.reached]
    if not reached:
        _out_of_reach(problem, (plain, *tried), goals, span)
    best, *others = sorted(reached, key=lambda attempt: cost(attempt.changes))
    least = _least(best, (plain, *tried), (*goals, *plain.holds), span)
    return _found(least, (plain, least, *others, *(a for a in tried if not a.reached)))


def _found(attempt: Attempt, tried: tuple[Attempt, ...] = ()) -> Reached:
    assert attempt.solution is not None
    return Reached(attempt.problem, attempt.solution, tried)


# ---- one attempt -----------------------------------------------------------------------------
def _attempt(problem: Problem, changes: tuple[Change, ...], goals: Sequence[str], span: Span | None) -> Attempt:
    """Scale alone, after changes."""
    after = changed(problem, changes)
    found = tuple(_judged(changes, after, goals, span))
    if not found[-1].reached and not changes and all(a.solution is None or a.solution.unseen for a in found):
        other = tuple(_judged(changes, after, goals, span, seen=True))
        found = other if other[-1].reached or found[0].solution is None else found
    return found[-1] if found[-1].reached else found[0]


def _judged(
    changes: tuple[Change, ...], problem: Problem, goals: Sequence[str], span: Span | None, *, seen: bool = False
) -> Iterator[Attempt]:  # fmt: skip
    """Every rule that some direction asks for, up to the first that reaches the goals in all of them."""
    try:
        every = _solutions(problem, span, seen=seen)
        one = joined(problem, every)
        for solution in (*_distinct(every), *([one] if one else [])):
            laws, trained = problem.scaling(solution.orders, solution.bends), solution.trained
            report = check(problem.program, laws, problem.regime, (*goals, *DEFAULT), known=trained)
            attempt = _attempted(changes, problem, solution.alone, report, goals)
            yield attempt
            if attempt.reached:
                return
    except RestlessError:
        yield Attempt(changes, problem, None, (), "laws do not come to rest")


def _attempted(
    changes: tuple[Change, ...], problem: Problem, solution: Solution, report: Report, goals: Sequence[str]
) -> Attempt:  # fmt: skip
    errors = tuple(f for f in report.findings if f.goal in goals and f.diagnostic.severity == "error")
    holds = tuple(goal for goal in DEFAULT if report.verdicts[goal] == "pass")
    return Attempt(changes, problem, solution, errors, _why(report.verdict_on(goals), errors), holds)


def _why(verdict: Verdict, failing: Sequence[Finding]) -> str:
    if not failing:
        return "" if verdict == "pass" else verdict
    more = f", and {len(failing) - 1} more" if len(failing) > 1 else ""
    return failing[0].diagnostic.message + more


def _solutions(problem: Problem, span: Span | None, *, seen: bool) -> tuple[Solution, ...]:
    """The rule that each part of the directions of growth asks for."""
    reporter = Reporter()
    try:
        return tuple(solution for _, solution in regions(problem.regime, lambda cell: solve(problem, cell, seen=seen)))
    except UnsupportedError as error:
        reporter.fail(codes.NO_TRANSFER, str(error), span, helps=error.helps)
    except UnresolvedError as error:
        reporter.fail(codes.NO_ORDER, f"`{error.attribute}` of `{error.subject}` has no order", error.span or span)


def _distinct(solutions: Iterable[Solution]) -> tuple[Solution, ...]:
    """One where they agree."""
    found: dict[object, Solution] = {}
    for solution in solutions:
        found.setdefault(frozenset(solution.orders.items()), solution)
    return tuple(found.values())


# ---- structural alternatives -----------------------------------------------------------------
def _alternatives(plain: Attempt, goals: Sequence[str], span: Span | None) -> Iterator[Attempt]:
    """Changes that speak to what fails, the cheapest first; none may lose a default goal that was reached without.

    Once one is found, those already thought of are tried for comparison, and no further ones are built on them.
    """
    wanted = (*goals, *plain.holds)
    waiting = set(remedies(plain.problem, plain.failing))
    seen, found = set[frozenset[Change]](), False
    while waiting and len(seen) < TRIES:
        changes = min(waiting, key=lambda c: (cost(c), _key(c)))
        waiting.remove(changes)
        if frozenset(changes) in seen:
            continue
        seen.add(frozenset(changes))
        attempt = _attempt(plain.problem, changes, wanted, span)
        found = found or attempt.reached
        yield attempt
        if not found:
            waiting |= {(*changes, *more) for more in remedies(attempt.problem, attempt.failing)}


def _least(attempt: Attempt, tried: Sequence[Attempt], wanted: Sequence[str], span: Span | None) -> Attempt:
    """Without the changes that the goals do not need: what failed because something else did is not to be changed."""
    known = {frozenset(other.changes): other for other in tried}
    for change in sorted(attempt.changes, key=lambda c: cost([c]), reverse=True):
        left = tuple(c for c in attempt.changes if c != change)
        fewer = known.get(frozenset(left)) or _attempt(tried[0].problem, left, wanted, span)
        attempt = fewer if fewer.reached else attempt
    return attempt


def _key(changes: tuple[Change, ...]) -> list[tuple[str, ...]]:
    return [change.tensors for change in changes]


# ---- out of reach ----------------------------------------------------------------------------
def _out_of_reach(
    problem: Problem, tried: Sequence[Attempt], goals: Sequence[str], span: Span | None
) -> NoReturn:  # fmt: skip
    """What stands in each other's way where the fewest terms fail; where that is not to be had, what fails there."""
    where = f"{problem.program.name} under {problem.regime.name}"
    solved = [attempt for attempt in tried if attempt.solution]
    if not solved:
        Reporter().fail(codes.OUT_OF_REACH, f"laws for {where} do not come to rest", span)
    closest = min(solved, key=lambda attempt: (len(attempt.failing), cost(attempt.changes)))
    found = _conflict(closest, goals, span)
    if found is None and closest is not solved[0]:  # a contradiction without changes tells more than what fails with
        closest, found = solved[0], _conflict(solved[0], goals, span)
    waiting = late(problem, solved[0].solution, goals) if found is None and solved[0].solution else ()
    closest = solved[0] if waiting else closest
    failed = dict.fromkeys(f"`{finding.goal}`" for finding in closest.failing)
    Reporter().fail(
        codes.OUT_OF_REACH,
        f"no law reaches {', '.join(failed)} on {where}",
        span,
        notes=(
            *(waiting or _said(closest, found, goals, span)),
            *(_tried(a) for a in tried if a.changes and a is not closest),
        ),
    )


def _said(closest: Attempt, found: Conflict | None, goals: Sequence[str], span: Span | None) -> Iterator[str]:
    if found is None:
        after = f", where {told(closest.changes)}," if closest.changes else ""
        messages = (finding.diagnostic.message for finding in closest.failing)
        yield from (f"at the best that was found{after} {message}" for message in messages)
        return
    yield "these cannot hold together:"
    yield from found.terms
    yield from (f"with `{lever.attribute}` of `{lever.path}` as given" for lever in found.given)
    if closest.changes:
        yield f"where {told(closest.changes)}"
    yield from _frozen(closest, found, goals, span)


def _conflict(closest: Attempt, goals: Sequence[str], span: Span | None) -> Conflict | None:
    """Where plain gradients do not come to the limit for which their rates are right, that of normalised ones."""
    assert closest.solution is not None
    found, alike = conflict(closest.problem, closest.solution, goals), closest.problem.normalised
    if found or alike is closest.problem:
        return found
    conflicts = (conflict(alike, solution, goals) for solution in _solutions(alike, span, seen=False))
    return next((found for found in conflicts if found), None)


def _frozen(closest: Attempt, found: Conflict, goals: Sequence[str], span: Span | None) -> Iterator[str]:
    """Which of the updates that stand in the way could be given up: for the user to say, never done unasked."""
    for path in found.updates:
        for change in freezing(closest.problem, path):
            if _attempt(closest.problem, change, goals, span).reached:
                yield f"it is reached where {told(change)} (`frozen = yes` in a rule to keep); lost: {lost(change)}"


def _tried(attempt: Attempt) -> str:
    return f"where {told(attempt.changes)}: {attempt.why}"
