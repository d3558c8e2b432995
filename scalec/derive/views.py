"""What a derivation looks at in a pass: the open levers' places, terms behind the factors that stand there, sums.

Input: a Problem, a Cell, a forward pass. Output: components. It moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from scalec.calculus.components import Component, Vector, size
from scalec.calculus.forward import Forward, TermName
from scalec.calculus.observables import Carrier
from scalec.calculus.structure import Weighted
from scalec.calculus.transfer import scale
from scalec.derive.problem import FACTOR, Lever, Problem
from scalec.program.ops import Scale
from scalec.symbolic.dominance import Cell, Magnitude


@dataclass
class Views:
    problem: Problem
    cell: Cell

    @cached_property
    def operations(self) -> tuple[Weighted, ...]:
        return self.problem.structure.weighted

    def open(self, path: str, attribute: str) -> bool:
        return Lever(path, attribute) in self.problem.open

    def sites(self) -> Iterator[Scale]:
        return (op for site, op in self.problem.unweighted.items() if self.open(site, FACTOR))

    def top(self, vectors: Iterable[Vector]) -> Component | None:
        found = [c for vector in vectors for c in vector]
        best = found[0].order.cell.largest(c.order for c in found) if found else None
        return next((c for c in found if c.order is best), None)

    def largest(self, places: Mapping[str, Vector]) -> tuple[str, Component | None]:
        """The largest component of all places, and which it is in."""
        top = self.top(places.values())
        return next((name for name, vector in places.items() if top in vector), ""), top

    def term(self, forward: Forward, op: Weighted, name: TermName) -> Vector:
        """An atomic term of a weight's output, behind the factors that stand there."""
        vector = forward.terms[op.out].named(name)
        for factor in self.behind[op.out]:
            vector = scale(forward.world.site(factor), vector, factor.site)
        return vector

    @cached_property
    def behind(self) -> Mapping[str, tuple[Scale, ...]]:
        return {op.out: self.problem.behind(op.out) for op in self.operations}

    def shown(self, forward: Forward, path: str) -> dict[str, Vector]:
        """Where else an update shows: the next observables, and the sum over copies."""
        carrier, found = Carrier(forward), dict[str, Vector]()
        for op in self.operations:
            if op.tensor == path:
                for name, vector in (*carrier.acts(op).items(), *carrier.summed(op).items()):
                    found[name] = (*found.get(name, ()), *vector)
        return found

    @cached_property
    def factors(self) -> Mapping[str, Scale]:
        """The open factors, by the value that shows whether they are too large: all that makes it comes before."""
        places = {op: self.problem.mixed(op) for op in self.sites()}
        return {mix.out if mix else op.out: op for op, mix in places.items()}

    def drawn_back(self, forward: Forward, at: str, top: Component) -> bool:
        """Whether the sum is as large as it is by a weight drawn for it: that takes back whatever a factor does."""
        drawn = (op for op in self.operations if op.tensor in self.problem.at_the_sum)
        found = (Carrier(forward).reached(op, "propagating").get(at, ()) for op in drawn)
        return any(c.order.ties(top.order) for vector in found for c in vector)

    def inherited(self, forward: Forward, *values: str) -> Magnitude:
        """What is not this lever's doing: where a stream grows from copy to copy, all that it feeds is too large."""
        found = self.cell.one
        for name in values if forward.growing else ():
            found = found * self.cell.larger(self.cell.one, size(self.cell, forward.values[name]) or self.cell.one)
        return found

    def first_seen(self, forward: Forward, path: str) -> bool:
        """Whether what a weight learned from others, as large as it is at its output, shows nowhere before that."""
        carrier = Carrier(forward)
        for op in (op for op in self.operations if op.tensor == path):
            there = carrier.reached(op, "propagating")
            causes = self.causes(there.values())
            if any(not there.keys() & carrier.acts(cause).keys() for cause in causes):
                return False
        return True

    def causes(self, vectors: Iterable[Vector]) -> Iterator[Weighted]:
        """The weights whose updates make vectors as large as they are."""
        made = tuple(c for vector in vectors for c in vector)
        top = self.top([made])
        causes = {c.cause for c in made if top and c.order.ties(top.order)}
        return (op for op in self.operations if op.tensor in causes)
