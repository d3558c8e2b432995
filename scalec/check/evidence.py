"""What the desiderata look at. Input: abstract training on one cell of directions. Output: material for claims."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from scalec.calculus.components import Component, Vector, changed
from scalec.calculus.forward import TERMS, TermName
from scalec.calculus.observables import Kind, observables
from scalec.calculus.structure import Structure, Weighted
from scalec.calculus.training import Step, Training
from scalec.calculus.weights import Weight
from scalec.symbolic.dominance import Cell, Magnitude

Bound = Literal["exactly", "at most", "at least"]


@dataclass(frozen=True)
class Claim:
    """Something that must be of order 1: exactly, at most, or at least.

    `order` is judged, None if absent; `subject` is an observable or a tensor, `tensor` the weight whose
    term this is, "" for a whole observable. `shown`: the order to report where it is not `order`.
    """

    subject: str
    tensor: str
    term: str
    step: int
    order: Magnitude | None
    bound: Bound
    component: Component | None = None
    shown: Magnitude | None = None
    notes: tuple[str, ...] = ()


def order(component: Component | None) -> Magnitude | None:
    return None if component is None else component.order


@dataclass(frozen=True)
class Reached:
    """A term of a weight at an observable it reaches; `op` is the operation with the weight."""

    observable: str
    op: Weighted
    term: TermName
    vector: Vector


@dataclass(frozen=True)
class Evidence:
    """One training, with what reached which observable at which step."""

    training: Training

    @property
    def cell(self) -> Cell:
        return self.training.world.cell

    @property
    def structure(self) -> Structure:
        return self.training.world.structure

    @property
    def limit(self) -> Step:
        return self.training.limit

    @cached_property
    def passes(self) -> tuple[Step, ...]:
        """The steps at which values have a proved order: no stream grew or shrank from copy to copy."""
        proved = self.training.steps[:1] if self.training.unproved else self.training.steps
        return tuple(step for step in proved if not step.forward.drifting)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps at which values and gradients have a proved order."""
        return tuple(step for step in self.passes if not (step.backward.drifting or step.backward.unproved))

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        return dict(observables(self.structure))

    @property
    def weighted(self) -> tuple[Weighted, ...]:
        return self.structure.weighted

    @cached_property
    def trained(self) -> tuple[Weighted, ...]:
        return tuple(op for op in self.weighted if self.weight(op).lr is not None)

    def weight(self, op: Weighted) -> Weight:
        return self.training.world.weights[op.tensor]

    def largest(self, vector: Vector) -> Component | None:
        """A component of the largest order. Raises `UndecidedError`."""
        best = self.cell.largest(c.order for c in vector)
        return next((c for c in vector if c.order is best), None)

    def norm(self, step: Step) -> Magnitude | None:
        """Of the gradient of all trained parameters together."""
        weights = self.training.world.weights
        entries = (entry * weights[t].entries.root for t, entry in step.gradient.items() if entry and weights[t].lr)
        return self.cell.largest(entries)

    # ---- observables -------------------------------------------------------------------------
    def value(self, step: Step, observable: str) -> Vector:
        return step.forward.values[observable]

    def whole(self, step: Step, observable: str, bound: Bound = "at most") -> Claim:
        """A claim about an observable as a whole, made of the largest term that reaches it if one does."""
        top = self.largest(self.value(step, observable))
        for found in self.reached(step):
            if top and found.observable == observable and any(c.order is top.order for c in found.vector):
                return self.claim(step, found, bound)
        return Claim(observable, "", "total", step.index, order(top), bound, top)

    def change(self, step: Step, observable: str) -> Vector:
        return changed(self.value(step, observable))

    # ---- terms -------------------------------------------------------------------------------
    def term(self, step: Step, op: Weighted, term: TermName) -> Vector:
        """An atomic term at the weight's own output."""
        return step.forward.terms[op.out].named(term)

    def reached(self, step: Step) -> tuple[Reached, ...]:
        """Every weight's terms at the observables they reach before another weight."""
        found = self._reached.get(step.index)
        if found is None:
            found = self._reached[step.index] = tuple(self._carried(step))
        return found

    @cached_property
    def _reached(self) -> dict[int, tuple[Reached, ...]]:
        return {}

    def _carried(self, step: Step) -> Iterator[Reached]:
        for op in self.weighted:
            for term in TERMS:
                for observable, vector in step.carrier.reached(op, term).items():
                    yield Reached(observable, op, term, vector)

    def claim(self, step: Step, found: Reached, bound: Bound = "at most") -> Claim:
        """A claim about one weight's term at an observable."""
        top = self.largest(found.vector)
        return Claim(found.observable, found.op.tensor, found.term, step.index, order(top), bound, top)

    def exceeding(self, step: Step) -> Iterator[Claim]:
        """Claims that no observable exceeds order 1, by the terms that make it up."""
        one = self.cell.one
        large = [name for name in self.kinds if not all(c.order <= one for c in self.value(step, name))]
        yield from (self.claim(step, found) for found in self.reached(step) if found.observable in large)
        yield from (claim for name in large if not (claim := self.whole(step, name)).tensor)

    def growing(self) -> tuple[str, Component | None]:
        """Where there is no limit: the first observable whose order still changes, and its largest component."""
        if self.training.unproved:
            return self.training.unproved[0], None
        limit, before = self.limit, self.training.steps[-2:][0]
        for name in (*limit.drifting, *self.kinds):
            top = self.largest(self.value(limit, name))
            if name in limit.drifting or order(top) is not order(self.largest(self.value(before, name))):
                return name, top
        return "", None
