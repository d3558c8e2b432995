"""Solving for the open levers on one cell of directions: calculus.md, section 6.

Input: a Problem, a Cell. Output: an order for each open lever, and what held it there. The same abstract
training as `check`, again and again: rates until every update is of order 1, then the first init or factor
that lets something exceed it is lowered. Inits and factors only ever fall, so it comes to rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from scalec.calculus.backward import Backward
from scalec.calculus.components import Component, sum_over
from scalec.calculus.forward import Forward
from scalec.calculus.observables import Carrier
from scalec.calculus.structure import Weighted, inputs
from scalec.calculus.training import Step, Training, train
from scalec.calculus.weights import Update
from scalec.calculus.world import World
from scalec.derive.follow import FOLLOWS, following, smallest
from scalec.derive.problem import FACTOR, INIT, RATE, Bend, Lever, Problem, marked
from scalec.derive.views import Views
from scalec.program.ops import Linear, Scale
from scalec.symbolic.dominance import Cell, Magnitude
from scalec.symbolic.linear import combination
from scalec.symbolic.order import ONE, Order

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
    """The orders of the open levers; `held` has no entry for a lever that nothing determines.

    `unseen`: something was lowered for nothing but what shows nowhere before it; `trained`: with these laws, here;
    `bends`: laws that are others in other directions, with what holds them there in `bent`.
    """

    cell: Cell
    orders: Mapping[Lever, Order]
    held: Mapping[Lever, Held]
    unseen: bool = False
    trained: Training | None = None
    bends: Mapping[Lever, Bend] = field(default_factory=dict)
    bent: Mapping[Lever, Held] = field(default_factory=dict)

    @property
    def alone(self) -> Solution:
        """Without the training, which is large."""
        return replace(self, trained=None)


def solve(problem: Problem, cell: Cell, *, seen: bool = False) -> Solution:
    """The levers at rest. Raises `UndecidedError`, `UnresolvedError`, `UnsupportedError`, `RestlessError`.

    `seen`: updates are of order 1 where somebody looks at them, and not at the output of their own weight. A weight
    that only others read then learns less, and those need not be drawn smaller.

    Where a rate multiplies a plain gradient, every update hangs on all other rates. So it is first solved as if that
    gradient were normalised, which has the same limit; the rate is then that one over the largest gradient entry.
    Where training does not get there from the start, nothing would: a larger rate is too large at the limit. So those
    are the laws all the same, and what fails is seen with them.
    """
    capped = frozenset(problem.given.tensors) if seen else frozenset[str]()
    first = _Solver(problem.normalised, cell, capped)
    if not problem.plain_rates:
        return first.run()
    levers = first.over(first.settle().steps, problem.plain_rates)
    return replace(first, problem=problem, levers=levers, found=True).run()


@dataclass
class _Solver(Views):
    capped: frozenset[str]
    levers: dict[Lever, Magnitude] = field(default_factory=dict)
    held: dict[Lever, Held] = field(default_factory=dict)
    found: bool = False  # nothing is left to search for but what follows
    unseen: bool = False
    brief: bool = True  # a round stops training where nothing seems to change any more

    def run(self) -> Solution:
        """The levers at rest, and what follows from them."""
        return self.at_rest(self.settle()) or self.run()

    def settle(self) -> Training:
        """The levers at rest."""
        if not self.levers:
            self._begin()
            self._first_inits()
            self._first_step()
        seen = set[object]()
        for _ in range(ROUNDS):
            state = frozenset(self.levers.items()), self.capped
            if state in seen:
                break
            seen.add(state)
            training = train(self.world(), beyond_proof=True, brief=self.brief)
            if self.found:
                return training
            if not self._improve(training):
                self.unseen = self._unseen(training.limit.forward)
                return training
        raise RestlessError

    def at_rest(self, training: Training) -> Solution | None:
        """With what follows from the limit's gradient entries; where training would go otherwise with that, from the
        smallest on the way there. None where a round stopped too early to tell: the next ones do not.
        """
        searched = dict(self.levers)
        self._take(following(self.problem, training.world, training.limit.gradient))
        trained = train(self.world(), beyond_proof=True)
        if not trained.limit.like(training.limit):
            if self.brief:
                self.levers, self.brief = searched, False
                return None
            self._take(following(self.problem, training.world, smallest(training)))
        orders = {lever: m.order for lever, m in self.levers.items()}
        return Solution(self.cell, orders, self.held, self.unseen, None if trained.unproved else trained)

    def _take(self, found: Mapping[Lever, Magnitude]) -> None:
        self.levers |= found
        self.held |= {lever: Held(FOLLOWS[lever.attribute], lever.path) for lever in found}

    def over(self, steps: Iterable[Step], plain: Iterable[Lever]) -> dict[Lever, Magnitude]:
        """The rates of plain gradients: those found over the largest gradient entries of all steps."""
        passed = [step.gradient for step in steps]
        sizes = {lever: self.cell.largest(filter(None, (entries[lever.path] for entries in passed)))
                 for lever in plain if lever in self.levers}  # fmt: skip
        return self.levers | {lever: self.levers[lever] / entry for lever, entry in sizes.items() if entry}

    def _improve(self, training: Training) -> bool:
        """One round. Sizes that still grow from copy to copy say nothing of rates until what lets them is lowered."""
        first, limit, growing = training.steps[0].forward, training.limit.forward, training.limit.growing
        if growing and self._lower(first, limit, growing):
            return True
        if self._jointly(training):
            return True
        if not training.settled and any(self._rates(step.forward, above=True) for step in training.steps):
            return True
        if self._rates(limit):
            return True
        return self._lower(first, limit) or self._to_the_sum(first) or self._cap(limit)

    def _unseen(self, limit: Forward) -> bool:
        """Whether a draw was lowered for nothing but what shows nowhere before it, or a factor for anything."""
        lowered = [lever for lever, why in self.held.items() if why.term in ("propagating", "total")]
        return any(lever.attribute == FACTOR or self.first_seen(limit, lever.path) for lever in lowered)

    # ---- levers ------------------------------------------------------------------------------
    def world(self) -> World:
        scaling = self.problem.scaling({lever: m.order for lever, m in self.levers.items()})
        return World(self.problem.structure, scaling, self.cell)

    def _move(self, lever: Lever, excess: Magnitude, why: Held) -> bool:
        """Divide a lever by what it is too large by."""
        self.held[lever] = why
        if excess.ties(self.cell.one):
            return False
        self.levers[lever] = self.levers[lever] / excess
        return True

    # ---- the start: what init alone determines -----------------------------------------------
    def _begin(self) -> None:
        """Where the search starts: weights drawn for sums of independent terms, all else 1."""
        one, world = self.cell.one, World(self.problem.structure, self.problem.given, self.cell)
        for path, weight in world.weights.items():
            if self.open(path, INIT) and path in self.problem.weighted:
                self.levers[Lever(path, INIT)] = weight.uses[0].n.root.inverse
        self.levers |= {Lever(op.site, FACTOR): one for op in self.sites()}
        self.levers |= {Lever(p, RATE): one for p in self.problem.given.tensors if self.open(p, RATE)}

    def _first_inits(self) -> None:
        """Inits for outputs of order 1, factors for sums of order 1, before any training."""
        for _ in range(ROUNDS):
            forward = Forward(self.world(), {}).run()
            if not (self._even_out(forward) or self._factors(forward)):
                return
        raise RestlessError

    def _first_step(self) -> None:
        """The same after one update at rates of order 1: to train at all costs much where sizes are far off.

        First each update by itself, then all at once: what reads the work of other updates has less to do.
        """
        for _ in range(ROUNDS):
            first, after = self._first_order()
            if not self._rates(after):
                break
        for _ in range(ROUNDS):
            full = Forward(first.world, after.updates).run()
            if not (self._lower(first, full, rates=True) or (full.growing and self._cap(after))):
                return
            first, after = self._first_order()
        raise RestlessError

    def _first_order(self) -> tuple[Forward, Forward]:
        """The first pass, and what each first update does to it alone.

        Behind a weight that starts at zero there is no gradient yet, so its own first updates come before.
        """
        world, begun = self.world(), dict[str, Update]()
        zero = [path for path, weight in world.weights.items() if any(use.sigma is None for use in weight.uses)]
        while True:
            first = Forward(world, begun).run()
            backward = Backward(first).run()
            updates = {p: w.step(begun.get(p, Update()), backward.passes(p)) for p, w in world.weights.items()}
            moved = {path: updates[path] for path in zero if updates[path].entry is not None}
            if moved.keys() == begun.keys():
                break
            begun = moved
        after = Forward(world, updates, first.values)
        for op in self.operations:
            after.terms[op.out] = after.weight(op, first.values[op.x])
        return first, after

    def _even_out(self, forward: Forward) -> bool:
        """The first weight whose initial output, the largest of its uses, is not of order 1 gets the init for that."""
        drawn: dict[Lever, list[Linear]] = {}
        for op in self.operations:
            if isinstance(op, Linear) and Lever(op.tensor, INIT) in self.levers:
                drawn.setdefault(Lever(op.tensor, INIT), []).append(op)
        for lever, uses in drawn.items():
            at, top = self.largest({op.out: self.term(forward, op, "init") for op in uses})
            if top and self._move(lever, top.order, Held("init", at, top)):
                return True
        return False

    def _to_the_sum(self, first: Forward) -> bool:
        """The first weight drawn for a sum whose initial term there is not of order 1 gets an init that makes it so."""
        carrier = Carrier(first)
        for op in self.operations:
            lever = Lever(op.tensor, INIT)
            if lever not in self.levers or op.tensor not in self.problem.at_the_sum:
                continue
            at, top = self.largest(carrier.reached(op, "init"))
            if top and self._move(lever, top.order, Held("init", at, top)):
                return True
        return False

    # ---- rates -------------------------------------------------------------------------------
    def _rates(self, forward: Forward, *, above: bool = False) -> bool:
        """Every open rate at which its weight's effective term, at its own output, is of order 1 exactly.

        `above`: only those that are too large, at the first step where any is; what follows builds on it.
        """
        moved = False
        for lever in self._open_rates():
            at, top = self._shows(forward, lever.path)
            if top and not (above and top.order <= self.cell.one):
                moved |= self._move(lever, top.order, Held("effective", at, top))
        return moved

    def _jointly(self, training: Training) -> bool:
        """All rates at once, where one by one they chase each other: the largest effective terms as they stand are
        monomials in the rates, and that all are of order 1 is a system of linear equations in their exponents.
        """
        index = self._off(training)
        if index is None:
            return False
        regime, marks = marked(self.cell.regime, self._open_rates())
        laws = {
            lever: m.order * Order.of({marks[lever]: 1} if lever in marks else {}) for lever, m in self.levers.items()
        }
        world = World(self.problem.structure, self.problem.scaling(laws), Cell(regime, self.cell.rays))
        steps = train(world, beyond_proof=True, brief=self.brief).steps
        terms = {lever: top for lever in marks if (top := self._shows(steps[index].forward, lever.path)[1])}
        names = [marks[lever] for lever in terms]
        columns = [[top.order.order.exponent(name) for top in terms.values()] for name in names]
        found = dict.fromkeys(terms, ONE)
        for dim in sorted({dim for top in terms.values() for dim, _ in top.order.order.powers} - set(names)):
            solved = combination(columns, [-top.order.order.exponent(dim) for top in terms.values()])
            if solved is None:
                return False
            found = {lever: found[lever] * Order.of({dim: x}) for lever, x in zip(terms, solved, strict=True)}
        self.levers |= {lever: self.levers[lever] * self.cell.magnitude(by) for lever, by in found.items()}
        return any(by.powers for by in found.values())

    def _off(self, training: Training) -> int | None:
        """The first step at which an effective term is above order 1; where there is a limit, that if one is not 1."""
        above = not training.settled
        for step in training.steps[1:] if above else training.steps[-1:]:
            tops = (self._shows(step.forward, lever.path)[1] for lever in self._open_rates())
            sizes = [top.order for top in tops if top]
            if not all(size <= self.cell.one if above else size.ties(self.cell.one) for size in sizes):
                return step.index
        return None

    def _open_rates(self) -> list[Lever]:
        rates = (Lever(path, RATE) for path in self.problem.given.tensors)
        return [lever for lever in rates if lever in self.levers]

    def _shows(self, forward: Forward, path: str) -> tuple[str, Component | None]:
        """The largest effective term of a tensor, and where it is: at its own output, or where a cap holds it."""
        places = {op.out: self.term(forward, op, "effective") for op in self.operations if op.tensor == path}
        if path in self.capped:
            places |= self.shown(forward, path)
        return self.largest(places)

    def _cap(self, forward: Forward) -> bool:
        """Where no init and no factor is left to lower, rates give way: not more than order 1 anywhere."""
        found = {
            path
            for path in self.problem.given.tensors
            if Lever(path, RATE) in self.levers and path not in self.capped
            and any(not c.order <= self.cell.one for v in self.shown(forward, path).values() for c in v)
        }  # fmt: skip
        self.capped |= found
        return bool(found)

    # ---- inits and factors -------------------------------------------------------------------
    def _lower(
        self, first: Forward, limit: Forward, growing: tuple[str, ...] = (), *, rates: bool = False
    ) -> bool:  # fmt: skip
        """The first lever, in order of execution, that lets a term exceed order 1, and what it is made of."""
        for op in self.problem.structure.operations:
            if rates and isinstance(op, Weighted) and self._slow_down(op, limit):
                return True
            if isinstance(op, Linear) and self._narrow(op, first, limit):
                return True
            if op.out in self.factors and self._reduce(self.factors[op.out], limit):
                return True
        return self._shrink((*growing, *limit.growing), limit)

    def _slow_down(self, op: Weighted, forward: Forward) -> bool:
        """A rate whose update exceeds order 1 by itself."""
        lever, top = Lever(op.tensor, RATE), self.top([self.term(forward, op, "effective")])
        if lever not in self.levers or top is None:
            return False
        excess = top.order / self.inherited(forward, op.x)
        return not excess <= self.cell.one and self._move(lever, excess, Held("effective", op.out, top))

    def _narrow(self, op: Linear, first: Forward, limit: Forward) -> bool:
        lever = Lever(op.tensor, INIT)
        if lever not in self.levers or op.tensor in self.problem.at_the_sum:
            return False
        terms = {"init": self.term(first, op, "init"), "propagating": self.term(limit, op, "propagating")}
        term, top = self.largest(terms)
        if top is None:
            return False
        why = Held(term, op.out, top)
        excess = top.order / self.inherited(limit, op.x)
        if excess <= self.cell.one:
            self.held.setdefault(lever, why)
            return False
        return self._move(lever, excess, why)

    def _factors(self, forward: Forward) -> bool:
        return any(self._reduce(op, forward) for op in self.sites()) or self._shrink(tuple(forward.growing), forward)

    def _reduce(self, op: Scale, forward: Forward) -> bool:
        """A factor whose sum exceeds order 1."""
        lever = Lever(op.site, FACTOR)
        at, vector, made_of = op.out, forward.values[op.out], inputs(self.problem.structure.made_by[op.x])
        if op.out in self.problem.structure.added:
            repeat = self.problem.structure.added[op.out]
            at, vector = repeat.out, sum_over(forward.world.copies(repeat), vector, repeat.out)
            made_of = (repeat.carried,)
        elif mix := self.problem.mixed(op):
            at, vector, made_of = mix.out, forward.values[mix.out], (mix.x,)
        top = self.top([vector])
        if top is None:
            return False
        excess = top.order / self.inherited(forward, *made_of)
        if excess <= self.cell.one or self.drawn_back(forward, at, top):
            return False
        return self._move(lever, excess, Held("total", at, top))

    def _shrink(self, growing: tuple[str, ...], forward: Forward) -> bool:
        """A stream that grows from copy to copy has no order to divide by: its factors fall by the central limit."""
        moved = False
        for op in self.sites():
            repeat = self.problem.structure.added.get(op.out)
            if repeat and repeat.out in growing:
                root = forward.world.copies(repeat).count.root
                moved |= self._move(Lever(op.site, FACTOR), root, Held("total", repeat.out))
        return moved
