"""Solving for the open levers on one cell of directions: calculus.md, section 6.

Input: a Problem, a Cell. Output: an order for each open lever, and what held it there. The same abstract
training as `check`, again and again: rates until every update is of order 1, then the first init or factor
that lets something exceed it is lowered. Inits and factors only ever fall, so it comes to rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from scalec.calculus.backward import Backward
from scalec.calculus.components import Component, Vector, size, sum_over
from scalec.calculus.forward import Forward
from scalec.calculus.observables import Carrier, Weighted, weighted
from scalec.calculus.structure import inputs
from scalec.calculus.training import Training, train
from scalec.calculus.weights import Update, Weight
from scalec.calculus.world import World
from scalec.derive.problem import DECAY, EPSILON, FACTOR, INIT, RATE, Lever, Problem
from scalec.program.ops import Linear, Scale
from scalec.symbolic.dominance import Cell, Magnitude
from scalec.symbolic.order import Order

ROUNDS = 100


class RestlessError(Exception):
    """The levers go round in a circle, or still move after `ROUNDS` rounds."""


@dataclass(frozen=True)
class Held:
    """Why a lever has the order it has: the term `term` at `at`, through `component`, is of order 1 with it."""

    term: str
    at: str
    component: Component | None = None


@dataclass(frozen=True)
class Solution:
    """The orders of the open levers; `held` has no entry for a lever that nothing determines."""

    cell: Cell
    orders: Mapping[Lever, Order]
    held: Mapping[Lever, Held]


def solve(problem: Problem, cell: Cell) -> Solution:
    """The levers at rest. Raises `UndecidedError`, `UnresolvedError`, `UnsupportedError`, `RestlessError`."""
    return _Solver(problem, cell).run()


@dataclass
class _Solver:
    problem: Problem
    cell: Cell
    levers: dict[Lever, Magnitude] = field(default_factory=dict)
    held: dict[Lever, Held] = field(default_factory=dict)
    capped: set[str] = field(default_factory=set)

    def run(self) -> Solution:
        self._begin()
        self._first_inits()
        self._first_step()
        seen = set[object]()
        while (state := (frozenset(self.levers.items()), frozenset(self.capped))) not in seen:
            seen.add(state)
            training = train(self._world(), beyond_proof=True)
            if not self._improve(training):
                self._end(training)
                return Solution(self.cell, {lever: m.order for lever, m in self.levers.items()}, self.held)
        raise RestlessError

    def _improve(self, training: Training) -> bool:
        """One round. Sizes that still grow from copy to copy say nothing of rates until what lets them is lowered."""
        first, limit, growing = training.steps[0].forward, training.limit.forward, training.limit.growing
        if growing and self._lower(first, limit, growing):
            return True
        if not training.settled and any(self._rates(step.forward, above=True) for step in training.steps):
            return True
        return self._rates(limit) or self._lower(first, limit) or self._cap(limit)

    # ---- views -------------------------------------------------------------------------------
    @cached_property
    def operations(self) -> tuple[Weighted, ...]:
        return weighted(self.problem.structure)

    def _open(self, path: str, attribute: str) -> bool:
        return Lever(path, attribute) in self.problem.open

    def _sites(self) -> Iterator[Scale]:
        return (op for site, op in self.problem.unweighted.items() if self._open(site, FACTOR))

    def _world(self) -> World:
        scaling = self.problem.scaling({lever: m.order for lever, m in self.levers.items()})
        return World(self.problem.structure, scaling, self.cell)

    def _move(self, lever: Lever, excess: Magnitude, why: Held) -> bool:
        """Divide a lever by what it is too large by."""
        self.held[lever] = why
        if excess.ties(self.cell.one):
            return False
        self.levers[lever] = self.levers[lever] / excess
        return True

    def _top(self, vectors: Iterable[Vector]) -> Component | None:
        found = [c for vector in vectors for c in vector]
        best = self.cell.largest(c.order for c in found)
        return next((c for c in found if c.order is best), None)

    # ---- the start: what init alone determines -----------------------------------------------
    def _begin(self) -> None:
        """Where the search starts: weights drawn for sums of independent terms, all else 1."""
        one, world = self.cell.one, World(self.problem.structure, self.problem.given, self.cell)
        for path, weight in world.weights.items():
            if self._open(path, INIT) and path in self.problem.weighted:
                self.levers[Lever(path, INIT)] = weight.uses[0].n.root.inverse
        self.levers |= {Lever(op.site, FACTOR): one for op in self._sites()}
        self.levers |= {Lever(p, RATE): one for p in self.problem.given.tensors if self._open(p, RATE)}

    def _first_inits(self) -> None:
        """Inits for outputs of order 1, factors for sums of order 1, before any training."""
        for _ in range(ROUNDS):
            forward = Forward(self._world(), {}).run()
            if not (self._even_out(forward) or self._factors(forward)):
                return
        raise RestlessError

    def _first_step(self) -> None:
        """The same after one update at rates of order 1: to train at all costs much where sizes are far off."""
        for _ in range(ROUNDS):
            first, after = self._first_order()
            if self._rates(after):
                continue
            full = Forward(first.world, after.updates).run()
            if not (self._lower(first, full) or (full.growing and self._cap(after))):
                return
        raise RestlessError

    def _first_order(self) -> tuple[Forward, Forward]:
        """The first pass, and what each first update does to it alone; behind a zero init there is none yet."""
        first = Forward(self._world(), {}).run()
        backward = Backward(first).run()
        updates = {path: w.step(Update(), backward.passes(path)) for path, w in first.world.weights.items()}
        after = Forward(first.world, updates, first.values)
        for op in self.operations:
            after.terms[op.out] = after.weight(op, first.values[op.x])
        return first, after

    def _even_out(self, forward: Forward) -> bool:
        """The first weight whose initial output is not of order 1 gets an init that makes it so."""
        for op in self.operations:
            lever, top = Lever(op.tensor, INIT), self._top([forward.terms[op.out].init])
            drawn = lever in self.levers and isinstance(op, Linear)
            if drawn and top and self._move(lever, top.order, Held("init", op.out, top)):
                return True
        return False

    # ---- rates -------------------------------------------------------------------------------
    def _rates(self, forward: Forward, *, above: bool = False) -> bool:
        """Every open rate at which its weight's effective term, at its own output, is of order 1 exactly.

        `above`: only those that are too large, at the first step where any is; what follows builds on it.
        """
        moved = False
        for path in self.problem.given.tensors:
            lever = Lever(path, RATE)
            if lever not in self.levers:
                continue
            places = {op.out: forward.terms[op.out].effective for op in self.operations if op.tensor == path}
            if path in self.capped:
                places |= self._shown(forward, path)
            top = self._top(places.values())
            if top and not (above and top.order <= self.cell.one):
                at = next(name for name, vector in places.items() if top in vector)
                moved |= self._move(lever, top.order, Held("effective", at, top))
        return moved

    def _shown(self, forward: Forward, path: str) -> dict[str, Vector]:
        """Where else an update shows: the next observables, and the sum over copies."""
        carrier, found = Carrier(forward), dict[str, Vector]()
        for op in self.operations:
            if op.tensor == path:
                for name, vector in (*carrier.acts(op).items(), *carrier.summed(op).items()):
                    found[name] = (*found.get(name, ()), *vector)
        return found

    def _cap(self, forward: Forward) -> bool:
        """Where no init and no factor is left to lower, rates give way: not more than order 1 anywhere."""
        found = {
            path
            for path in self.problem.given.tensors
            if Lever(path, RATE) in self.levers and path not in self.capped
            and any(not c.order <= self.cell.one for v in self._shown(forward, path).values() for c in v)
        }  # fmt: skip
        self.capped |= found
        return bool(found)

    # ---- inits and factors -------------------------------------------------------------------
    def _lower(self, first: Forward, limit: Forward, growing: tuple[str, ...] = ()) -> bool:
        """The first lever, in order of execution, that lets a term exceed order 1, and what it is made of."""
        for op in self.problem.structure.operations:
            if isinstance(op, Linear) and self._narrow(op, first, limit):
                return True
            if isinstance(op, Scale) and self._reduce(op, limit):
                return True
        return self._shrink((*growing, *limit.growing), limit)

    def _narrow(self, op: Linear, first: Forward, limit: Forward) -> bool:
        lever = Lever(op.tensor, INIT)
        if lever not in self.levers:
            return False
        terms = {"init": first.terms[op.out].init, "propagating": limit.terms[op.out].propagating}
        top = self._top(terms.values())
        if top is None:
            return False
        why = Held(next(term for term, vector in terms.items() if top in vector), op.out, top)
        excess = top.order / self._inherited(limit, op.x)
        if excess <= self.cell.one:
            self.held.setdefault(lever, why)
            return False
        return self._move(lever, excess, why)

    def _factors(self, forward: Forward) -> bool:
        return any(self._reduce(op, forward) for op in self._sites()) or self._shrink(tuple(forward.growing), forward)

    def _reduce(self, op: Scale, forward: Forward) -> bool:
        """A factor whose sum exceeds order 1."""
        lever = Lever(op.site, FACTOR)
        if lever not in self.levers or op.attribute != FACTOR:
            return False
        at, vector, made_of = op.out, forward.values[op.out], inputs(self.problem.structure.made_by[op.x])
        if op.out in self.problem.structure.added:
            repeat = self.problem.structure.added[op.out]
            at, vector = repeat.out, sum_over(forward.world.copies(repeat), vector, repeat.out)
            made_of = (repeat.carried,)
        elif mix := self.problem.mixed(op):
            at, vector, made_of = mix.out, forward.values[mix.out], (mix.x,)
        top = self._top([vector])
        if top is None:
            return False
        excess = top.order / self._inherited(forward, *made_of)
        return not excess <= self.cell.one and self._move(lever, excess, Held("total", at, top))

    def _inherited(self, forward: Forward, *values: str) -> Magnitude:
        """What is not this lever's doing: where a stream grows from copy to copy, all that it feeds is too large."""
        found = self.cell.one
        for name in values if forward.growing else ():
            found = found * self.cell.larger(self.cell.one, size(self.cell, forward.values[name]) or self.cell.one)
        return found

    def _shrink(self, growing: tuple[str, ...], forward: Forward) -> bool:
        """A stream that grows from copy to copy has no order to divide by: its factors fall by the central limit."""
        moved = False
        for op in self._sites():
            repeat = self.problem.structure.added.get(op.out)
            if repeat and repeat.out in growing:
                root = forward.world.copies(repeat).count.root
                moved |= self._move(Lever(op.site, FACTOR), root, Held("total", repeat.out))
        return moved

    # ---- what follows from the rest ----------------------------------------------------------
    def _end(self, training: Training) -> None:
        """Epsilon is the gradient entry; decay is what leaves a step the same part of a weight at every size."""
        weights = training.world.weights
        for path, weight in weights.items():
            entry = training.limit.gradient[path]
            if self._open(path, EPSILON):
                self.levers[Lever(path, EPSILON)] = entry or self.cell.one
                self.held[Lever(path, EPSILON)] = Held("gradient", path)
            if self._open(path, DECAY) and weight.lr is not None:
                self.levers[Lever(path, DECAY)] = self._decay(path, weight, entry)
                self.held[Lever(path, DECAY)] = Held("decay", path)

    def _decay(self, path: str, weight: Weight, entry: Magnitude | None) -> Magnitude:
        """Per step `lr * wd`, or `wd` where it is independent; in a normalised gradient, the share of the entry."""
        rule = self.problem.given.tensors[path]
        assert weight.lr is not None
        match rule.decay:
            case "independent" | "none":
                return self.cell.one
            case "l2" if rule.family != "sgd":
                sigma = weight.uses[0].sigma
                return entry / sigma * weight.uses[0].scale if entry and sigma else self.cell.one
            case _:
                return weight.lr.inverse
