"""Why no law reaches a goal: the fewest terms that cannot hold together. Input: a Problem, where it came to rest.

Every open lever is multiplied by a symbol of its own that does not grow. It changes no order, but each judged term
then says in its monomial which levers it contains, and how often: a linear inequality in their exponents. Where
the inequalities have no solution, a vertex of the certificates of that (Farkas) is a set of them of which
every proper part has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from scalec.calculus.training import train
from scalec.calculus.world import World
from scalec.check import stable_init, stable_training
from scalec.check.evidence import Claim, Evidence
from scalec.check.goals import GOALS
from scalec.derive.problem import DECAY, FACTOR, INIT, RATE, Lever, Problem, marked
from scalec.derive.solve import Solution
from scalec.symbolic.dominance import Cell, Magnitude, regions
from scalec.symbolic.linear import certificate
from scalec.symbolic.order import Order

BOUNDS = {"exactly": "is of order 1 exactly", "at most": "is at most of order 1", "at least": "is at least of order 1"}


@dataclass(frozen=True)
class Conflict:
    """Terms that cannot all be as wanted; `given`: the levers among what they are made of that are not open.

    `updates`: the tensors whose updates are among the terms.
    """

    terms: tuple[str, ...]
    given: tuple[Lever, ...]
    updates: tuple[str, ...]


def conflict(problem: Problem, solution: Solution, goals: Sequence[str]) -> Conflict | None:
    """None where training at the laws found has no limit, or where the terms as they stand contradict nothing."""
    regime, names = marked(problem.regime, _levers(problem, solution))
    marks = {mark: lever for lever, mark in names.items()}

    def on(cell: Cell) -> Conflict | None:
        return _on(_marked(problem, solution, marks, cell), solution, marks, goals)

    return next((found for _, found in regions(regime, on) if found), None)


def _on(world: World, solution: Solution, marks: Mapping[str, Lever], goals: Sequence[str]) -> Conflict | None:
    evidence = Evidence(train(world))
    if not evidence.training.settled:
        return None
    judged = [(goal, claim, m) for goal, claim in _claims(evidence, goals) if (m := claim.order) is not None]
    variables = [mark for mark, lever in marks.items() if lever in solution.orders]
    for at in range(len(world.cell.rays)):
        found = _contradiction([(claim, order) for _, claim, order in judged], variables, at)
        if found:
            rows = [judged[i] for i in found]
            inside = {name for _, _, order in rows for name, _ in order.order.powers} & marks.keys()
            given = sorted(marks[name] for name in inside if marks[name] not in solution.orders)
            updates = dict.fromkeys(claim.tensor for _, claim, _ in rows if claim.term == "effective")
            terms = dict.fromkeys(_told(goal, claim) for goal, claim, _ in rows)
            return Conflict(tuple(terms), tuple(given), tuple(updates))
    return None


def _told(goal: str, claim: Claim) -> str:
    name = f"`{claim.tensor}`'s {claim.term} term" if claim.tensor else f"`{claim.subject}`"
    at = f" at `{claim.subject}`" if claim.tensor not in ("", claim.subject) else ""
    return f"{name}{at} {BOUNDS[claim.bound]} ({goal})"


# ---- symbols that do not grow ----------------------------------------------------------------
def _levers(problem: Problem, solution: Solution) -> Iterator[Lever]:
    """The open levers, then those that are given. A derived decay decides nothing."""
    yield from (lever for lever in solution.orders if lever.attribute != DECAY)
    every = [Lever(site, FACTOR) for site in problem.unweighted]
    every += [Lever(path, INIT) for path, t in problem.given.tensors.items() if t.init and path in problem.weighted]
    every += [Lever(path, RATE) for path, t in problem.given.tensors.items() if t.lr]
    yield from (lever for lever in every if lever not in solution.orders and lever not in problem.open)


def _given(problem: Problem, world: World, lever: Lever) -> Order:
    if lever.attribute == FACTOR:
        return world.site(problem.unweighted[lever.path]).order
    rule = problem.given.tensors[lever.path]
    formula = rule.init if lever.attribute == INIT else rule.lr
    assert formula is not None
    return world.order(formula, *lever).order


def _marked(problem: Problem, solution: Solution, marks: Mapping[str, Lever], cell: Cell) -> World:
    before = World(problem.structure, problem.given, cell)
    orders = {lever: solution.orders.get(lever) or _given(problem, before, lever) for lever in marks.values()}
    laws = problem.undecayed({lever: orders[lever] * Order.of({mark: 1}) for mark, lever in marks.items()})
    return World(problem.structure, laws, cell)


# ---- inequalities ----------------------------------------------------------------------------
def _claims(evidence: Evidence, goals: Sequence[str]) -> Iterator[tuple[str, Claim]]:
    """All that the goals claim; what they bound from above, they claim only where it is too large already."""
    yield from ((name, claim) for name in goals for claim in GOALS[name].claims(evidence))
    bounded = {stable_init.GOAL.name: evidence.training.steps[0], stable_training.GOAL.name: evidence.limit}
    for name in (name for name in bounded if name in goals):
        step = bounded[name]
        yield from ((name, evidence.claim(step, found)) for found in evidence.reached(step))
        yield from ((name, evidence.whole(step, observable)) for observable in evidence.kinds)


def _contradiction(
    judged: Sequence[tuple[Claim, Magnitude]], variables: Sequence[str], at: int
) -> tuple[int, ...]:  # fmt: skip
    """Indices of judged terms that contradict each other in the direction of ray `at`."""
    rows: list[tuple[list[Fraction], Fraction]] = []
    owners: list[int] = []
    for i, (claim, order) in enumerate(judged):
        left, right = [order.order.exponent(name) for name in variables], -order.growth[at]
        if claim.bound != "at least":
            rows.append((left, right))
            owners.append(i)
        if claim.bound != "at most":
            rows.append(([-x for x in left], -right))
            owners.append(i)
    return tuple(dict.fromkeys(owners[k] for k in certificate(rows)))
