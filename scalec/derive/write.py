"""A derived rule as language text. Input: a Problem, a Solution, the words around it. Output: a canonical file.

Every clause carries its reason as a comment. Invariant: the text is laid out as `fmt` leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from scalec.calculus.components import Component
from scalec.calculus.world import World
from scalec.derive.express import Law, Place, laws
from scalec.derive.problem import DECAY, EPSILON, FACTOR, INIT, RATE, Lever, Problem
from scalec.derive.solve import Held, Solution
from scalec.plan.select import parameter_pattern
from scalec.program.ops import Bias, Dot, Gain
from scalec.program.program import Site, Tensor
from scalec.source import Source
from scalec.symbolic.formula import UNIT, mul, power, symbol
from scalec.symbolic.text import plain
from scalec.syntax.layout import to_text
from scalec.syntax.parser import parse

ATTRIBUTES = (INIT, RATE, EPSILON, DECAY)


@dataclass(frozen=True)
class Frame:
    """What stands around the clauses: `uses`, the rule's name and parent, the operands as they are written."""

    name: str
    uses: tuple[str, ...]
    parent: str
    network: str
    optimizer: str
    regime: str
    goals: tuple[str, ...]


@dataclass(frozen=True)
class _Statement:
    selector: str
    text: str
    reason: str


def rule_text(problem: Problem, solution: Solution, frame: Frame) -> str:
    """The file: what it uses, the rule, and a check that it does what it was derived for."""
    return canonical("\n".join((*_uses(frame), *rule_lines(problem, solution, frame), *_check(frame))))


def canonical(text: str) -> str:
    return to_text(parse(Source("derived", text)))


def rule_lines(problem: Problem, solution: Solution, frame: Frame) -> Iterator[str]:
    """The rule alone, not laid out yet."""
    yield f"# Derived for {', '.join(frame.goals)} on {frame.network} under {frame.regime}."
    extends = f" extends {frame.parent}" if frame.parent else ""
    yield f"rule {frame.name}{extends} for {frame.optimizer} {{"
    yield from _starts(problem)
    for statements in _merged(problem, solution):
        head = f"{statements[0].selector} {{"
        if len(statements) == 1:
            yield f"{head} {statements[0].text} }}  # {statements[0].reason}"
        else:
            yield head
            yield from (f"{s.text}  # {s.reason}" for s in statements)
            yield "}"
    yield "}"


def _uses(frame: Frame) -> Iterator[str]:
    yield from (f"use {unit}" for unit in frame.uses)


def _check(frame: Frame) -> Iterator[str]:
    yield f"check {frame.name} on {frame.network} for {frame.optimizer} under {frame.regime} {{"
    yield f"expect {', '.join(frame.goals)} }}"


# ---- where values start ----------------------------------------------------------------------
def _starts(problem: Problem) -> Iterator[str]:
    """At the base size: independent sums of order 1. A law says nothing about that."""
    drawn = [t for t in problem.program.tensors if Lever(t.path, INIT) in problem.open and t.path in problem.weighted]
    taken = [t for t in problem.program.tensors if t not in drawn and t.path in problem.weighted]
    lines = []
    if drawn:
        roles = ["*"] if not taken else list(dict.fromkeys(t.role for t in drawn))
        lines.append(f"tensor {', '.join(roles)} {{ init = normal; {INIT} = 1/sqrt(fan_in) }}")
    for kind, word in ((Bias, "zero"), (Gain, "ones")):
        found = {op.tensor for op in problem.structure.operations if isinstance(op, kind)}
        roles = list(dict.fromkeys(t.role for t in problem.program.tensors
                                   if t.path in found and Lever(t.path, INIT) in problem.open))  # fmt: skip
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
            yield from ((site, name) for name, size in site.relative[:] if size == made.length)


# ---- clauses ---------------------------------------------------------------------------------
def _merged(problem: Problem, solution: Solution) -> Iterator[list[_Statement]]:
    """Clauses of all attributes; those that stand equally deep and select the same are one."""
    world = World(problem.structure, problem.given, solution.cell)
    tensors = [_tensor(t, world) for t in problem.program.tensors]
    sites = [_site(s, world) for s in problem.program.sites]
    levels: list[dict[str, list[_Statement]]] = []
    for kind, places, attributes in (("tensor", tensors, ATTRIBUTES), ("site", sites, (FACTOR,))):
        for attribute in attributes:
            for depth, statement in enumerate(_statements(kind, places, attribute, problem, solution)):
                if depth == len(levels):
                    levels.append({})
                levels[depth].setdefault(statement.selector, []).append(statement)
    yield from (statements for level in levels for statements in level.values())


def _statements(
    kind: str, places: Sequence[Place], attribute: str, problem: Problem, solution: Solution
) -> Iterator[_Statement]:
    open_ = [p for p in places if Lever(p.path, attribute) in solution.orders]
    if attribute == INIT:
        open_ = [p for p in open_ if p.path in problem.weighted]
    taken = [p for p in places if Lever(p.path, attribute) not in problem.open]
    exponent = problem.regime.exponent
    targets = {p.path: exponent(solution.orders[Lever(p.path, attribute)]) for p in open_}
    if attribute == INIT:
        taken = [p for p in taken if p.path in problem.weighted]
    for found in laws(open_, targets, taken, unsaid_is_one=kind == "site"):
        text = plain(mul(UNIT, *(power(symbol("size", name), e) for name, e in found.law.powers)))
        yield _Statement(
            f"{kind} {found.selector}", f"{attribute} ~ {text}", _reason(found, attribute, open_, solution)
        )


def _tensor(tensor: Tensor, world: World) -> Place:
    use = tensor.uses[0]
    sizes = {"fan_in": use.fan_in, "fan_out": use.fan_out} | dict(tensor.relative)
    parts = tensor.role.split(".")
    wholes = tuple(".".join(parts[:i]) for i in range(1, len(parts) + 1))
    orders = {name: world.order(size, tensor.path, name).exponent for name, size in sizes.items()}
    return Place(tensor.path, (tensor.shape_class, *wholes), tensor.within, orders, parameter_pattern(tensor))


def _site(site: Site, world: World) -> Place:
    orders = {name: world.order(size, site.path, name).exponent for name, size in site.relative}
    return Place(site.path, site.roles, site.within, orders, site.path)


# ---- reasons ---------------------------------------------------------------------------------
def _reason(law: Law, attribute: str, places: Iterable[Place], solution: Solution) -> str:
    """Why: what held the first place of the clause whose order moves."""
    covered = [p for p in places if law.selector.covers(p)]
    moving = [p for p in covered if solution.orders[Lever(p.path, attribute)].powers]
    path = (moving or covered)[0].path
    held = solution.held.get(Lever(path, attribute))
    return _told(held, attribute, path)


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
