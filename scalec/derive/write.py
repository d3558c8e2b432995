"""A derived rule as language text. Input: a Problem, a Solution, the words around it. Output: a canonical file.

Every clause carries its reason as a comment. Invariant: the text is laid out as `fmt` leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import wrap

from scalec.calculus.components import Component
from scalec.calculus.world import World
from scalec.derive.clauses import Exponent, Kind, Wanted, canonical, clause_lines, site_places, tensor_places
from scalec.derive.express import Law, Place, laws
from scalec.derive.problem import DECAY, EPSILON, FACTOR, INIT, RATE, Lever, Problem
from scalec.derive.reach import Reached
from scalec.derive.solve import Held, Solution
from scalec.derive.structural import DRAW, lost, told
from scalec.program.ops import Bias, Dot, Gain
from scalec.program.program import Site
from scalec.symbolic.formula import UNIT
from scalec.symbolic.order import ONE, Order

WIDE_DRAW = "{} is not spectral: it is seen in the sum over copies, where one of them meets its own weight"
WIDE = 110  # letters in a line of comment
ATTRIBUTES = (INIT, RATE, EPSILON, DECAY)


@dataclass(frozen=True)
class Frame:
    """What stands around the clauses: `uses`, the rule's name and parent, the operands as they are written."""

    name: str
    uses: tuple[str, ...]
    parent: str
    network: str
    optimizers: tuple[str, ...]
    regime: str
    goals: tuple[str, ...]


def rule_text(reached: Reached, frame: Frame) -> str:
    """The file: what it uses, the rule, and a check that it does what it was derived for."""
    return canonical((*_uses(frame), *rule_lines(reached, frame), *_check(frame)))


def rule_lines(reached: Reached, frame: Frame) -> Iterator[str]:
    """The rule alone, not laid out yet."""
    yield f"# Derived for {', '.join(frame.goals)} on {frame.network} under {frame.regime}."
    yield from (f"# {line}" for said in _alternatives(reached) for line in wrap(said, WIDE, subsequent_indent="  "))
    extends = f" extends {frame.parent}" if frame.parent else ""
    yield f"rule {frame.name}{extends} for {', '.join(frame.optimizers)} {{"
    yield from body_lines(reached.problem, reached.solution)
    yield "}"


def body_lines(problem: Problem, solution: Solution) -> Iterator[str]:
    """Where values start, what is changed beside scale, and the clauses by which values move."""
    yield from _starts(problem)
    yield from _structure(problem)
    teams = dict.fromkeys(problem.owners.values())
    sites = site_places(problem.program, _exponent(problem, solution))
    for owner in teams if len(teams) > 1 else ():
        yield from (f"for {owner} {{", *_laws(problem, solution, _tensors(problem, solution, owner), ()), "}")
    yield from _laws(problem, solution, () if len(teams) > 1 else _tensors(problem, solution), sites)


def _laws(
    problem: Problem, solution: Solution, tensors: Sequence[Place], sites: Sequence[Place]
) -> Iterator[str]:  # fmt: skip
    """The clauses by which values move at some places, then those that multiply these in some directions."""
    wanted = [_of("tensor", tensors, attribute, problem, solution) for attribute in ATTRIBUTES if tensors]
    yield from clause_lines([*wanted, *(_of("site", sites, FACTOR, problem, solution) for _ in sites[:1])])
    yield from clause_lines([*_bends("tensor", tensors, problem, solution), *_bends("site", sites, problem, solution)])


def _uses(frame: Frame) -> Iterator[str]:
    yield from (f"use {unit}" for unit in frame.uses)


def _check(frame: Frame) -> Iterator[str]:
    yield f"check {frame.name} on {frame.network} for {' + '.join(frame.optimizers)} under {frame.regime} {{"
    yield f"expect {', '.join(frame.goals)} }}"


# ---- structure -------------------------------------------------------------------------------
def _alternatives(reached: Reached) -> Iterator[str]:
    """What scale alone leaves, what was changed, and what else was tried, with what each takes."""
    if not reached.tried:
        return
    plain, taken, *others = reached.tried
    yield f"Scale alone does not reach that: {plain.why}."
    yield f"Taken: {told(taken.changes)}. Lost: {lost(taken.changes)}."
    for attempt in others:
        then = f"reaches it too. Lost: {lost(attempt.changes)}" if attempt.reached else attempt.why
        yield f"Not taken: {told(attempt.changes)}: {then}."


def _structure(problem: Problem) -> Iterator[str]:
    """The changes that are words of the language, each in the fewest selectors."""
    places = tensor_places(problem.program, lambda *_: ONE)
    said: dict[str, list[str]] = {}
    for change in problem.changes:
        if change.means.says:
            said.setdefault(change.means.says.format(change.word), []).extend(change.tensors)
    for text, paths in said.items():
        inside, outside = ([p for p in places if (p.path in paths) == chosen] for chosen in (True, False))
        yield from (
            f"tensor {found.selector} {{ {text} }}  # for what scale alone does not reach"
            for found in laws(inside, dict.fromkeys(paths, ONE), outside)
        )


# ---- where values start ----------------------------------------------------------------------
def _starts(problem: Problem) -> Iterator[str]:
    """At the base size: independent sums of order 1. A law says nothing about that."""
    undone = {path for change in problem.changes for path in change.tensors if INIT in change.means.closes}
    weighted = [t for t in problem.program.tensors if t.path in problem.weighted]
    drawn = [t for t in weighted if Lever(t.path, INIT) in problem.open or t.path in undone]
    groups: dict[str, list[str]] = {}  # the roles of those whose draw is said already, and of the others
    for t in drawn:
        groups.setdefault("" if Lever(t.path, DRAW) in problem.decided else "init = normal;  ", []).append(t.role)
    sparse = any(t.density != UNIT for t in drawn)
    terms, lines = ("density*fan_in" if sparse else "fan_in"), []
    for word, found in groups.items():
        roles = ["*"] if len(found) == len(weighted) else list(dict.fromkeys(found))
        lines.append(f"tensor {', '.join(roles)} {{ {word}{INIT} = 1/sqrt({terms}) }}")
    for kind, word in ((Bias, "zero"), (Gain, "ones")):
        gains = {op.tensor for op in problem.structure.operations if isinstance(op, kind)}
        roles = list(dict.fromkeys(t.role for t in problem.program.tensors
                                   if t.path in gains and Lever(t.path, INIT) in problem.open))  # fmt: skip
        if roles:
            lines.append(f"tensor {', '.join(roles)} {{ init = {word} }}")
    for site, name in _products(problem):
        lines.append(f"site {site.roles[-1]} {{ {FACTOR} = 1/sqrt({name}) }}")
    if lines:
        yield "# At the base size every sum of independent terms is of order 1; laws move from there."
        yield from dict.fromkeys(lines)


def _products(problem: Problem) -> Iterator[tuple[Site, str]]:
    """Open sites that scale a dot product, with the name that its length has there."""
    for path, op in problem.unweighted.items():
        made = problem.structure.made_by.get(op.x)
        if isinstance(made, Dot) and Lever(path, FACTOR) in problem.open:
            site = problem.program.site[path]
            yield from ((site, name) for name, size in site.relative if size == made.length)


# ---- clauses ---------------------------------------------------------------------------------
def _tensors(problem: Problem, solution: Solution, owner: str = "") -> Sequence[Place]:
    """The tensors; with an owner, its own alone."""
    every = tensor_places(problem.program, _exponent(problem, solution))
    return [p for p in every if not owner or problem.owners.get(p.path) == owner]


def _bends(kind: Kind, every: Sequence[Place], problem: Problem, solution: Solution) -> Iterator[Wanted]:
    """What laws are multiplied by that are others in other directions."""
    found: dict[tuple[str, str], dict[str, Order]] = {}
    for lever, bend in solution.bends.items():
        found.setdefault((lever.attribute, bend.function), {})[lever.path] = bend.by
    for (attribute, function), by in found.items():
        places = [p for p in every if p.path in by]
        targets = {p.path: problem.regime.exponent(by[p.path]) for p in places}
        others = [p for p in every if p not in places]
        reason = partial(_told_bent, attribute=attribute, places=places, solution=solution)
        yield Wanted(kind, attribute, "*~", places, targets, taken=others, reason=reason, within=f"{function}(1, {{}})")


def _told_bent(law: Law, attribute: str, places: Iterable[Place], solution: Solution) -> str:
    path = next(p.path for p in places if law.selector.covers(p))
    return f"{_told(solution.bent.get(Lever(path, attribute)), attribute, path)}, in other directions of growth"


def _exponent(problem: Problem, solution: Solution) -> Exponent:
    world = World(problem.structure, problem.given, solution.cell)
    return lambda size, path, name: world.order(size, path, name).exponent


def _of(kind: Kind, every: Sequence[Place], attribute: str, problem: Problem, solution: Solution) -> Wanted:
    """The levers of one attribute, and what no clause may touch: what is given, and sites that are no levers.

    A gain or a bias is not drawn, so what is said of its spread says nothing.
    """
    levers = {p.path: Lever(p.path, attribute) for p in every if attribute != INIT or p.path in problem.weighted}
    places = [p for p in every if levers.get(p.path) in solution.orders]
    targets = {p.path: problem.regime.exponent(solution.orders[levers[p.path]]) for p in places}
    said = frozenset(path for path, target in targets.items() if kind == "site" and not target.powers)
    taken = [p for p in every if p.path in levers and (kind == "site" or levers[p.path] not in problem.open)]
    taken = [p for p in taken if p not in places]
    return Wanted(
        kind,
        attribute,
        "~",
        places,
        targets,
        said,
        taken,
        lambda law: _reason(law, attribute, places, problem, solution),
    )


# ---- reasons ---------------------------------------------------------------------------------
def _reason(law: Law, attribute: str, places: Iterable[Place], problem: Problem, solution: Solution) -> str:
    """Why: what held the first place of the clause whose order moves."""
    covered = [p for p in places if law.selector.covers(p)]
    moving = [p for p in covered if solution.orders[Lever(p.path, attribute)].powers]
    path = (moving or covered)[0].path
    held = solution.held.get(Lever(path, attribute))
    wide = [p.path for p in covered if attribute == INIT and _beyond_spectral(p.path, problem, solution)]
    return _told(held, attribute, path) + "".join(f"; {WIDE_DRAW.format(p)}" for p in wide[:1])


def _beyond_spectral(path: str, problem: Problem, solution: Solution) -> bool:
    """Whether a matrix brings more out of what comes back through its own rows than went in, being one of many."""
    world = World(problem.structure, problem.scaling(solution.orders), solution.cell)
    use, chosen = world.weights[path].uses[0], problem.structure.chosen
    axes = [world.axis[a.name] for a in problem.program.tensor[path].axes if a.name in chosen]
    several = any(not axis.count <= world.one for axis in axes)
    return several and use.sigma is not None and not use.sigma * use.n / use.m.root <= world.one


def _told(held: Held | None, attribute: str, path: str) -> str:
    if held is None:
        return "nothing that is trained here determines it"
    if held.term == "gradient":
        return "the order of the gradient entry"
    if held.term == "decay":
        return "not part of the goal: decay per step, the same at every size"
    because = _telling(held.component, path)
    return f"{held.term} term of order 1 at {held.at}{because and f': {because}'}"


def _telling(component: Component | None, path: str) -> str:
    """The sum behind a term: the place's own, else the last one that grows or shrinks anything."""
    sums = [link for link in component.chain if "sum" in link.rule or "product" in link.rule] if component else []
    own = [link.rule for link in sums if link.at == path]
    other = [f"{link.rule}, at {link.at}" for link in sums if link.factor.order.powers]
    return (own or other or [""])[-1]
