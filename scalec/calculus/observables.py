"""What is watched: observables, and which weight's terms reach them. Input: a Step. Output: vectors by name.

An observable is the input of a nonlinearity, a norm or a softmax, a sum over a replicated axis, a
residual stream, or the output. A weight's term is carried from its own output to the observables
it reaches, by the transfer functions of the forward pass, all other values being as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from scalec.calculus import rows, transfer
from scalec.calculus.components import Vector, initial, sum_over, union
from scalec.calculus.forward import Forward, TermName, regrouped
from scalec.calculus.structure import Structure, Weighted
from scalec.program.ops import (
    Dot,
    Elementwise,
    Gain,
    Linear,
    Mix,
    Multiply,
    Normalise,
    Operation,
    Output,
    Repeat,
    Reshape,
    Scale,
    Share,
    Softmax,
)

Arrivals = tuple[tuple[str, Vector], ...]
Kind = Literal["preactivation", "norm input", "weights", "sum", "stream", "output"]


def observables(structure: Structure) -> Mapping[str, Kind]:
    """Every observable of a program with its kind, in order of execution. A stream is named by its repeat."""
    found: dict[str, Kind] = {}
    for op in structure.operations:
        match op:
            case Elementwise() if op.out in structure.gates:
                found.setdefault(op.x, "weights")
            case Elementwise():
                found.setdefault(watched(structure, op.x), "preactivation")
            case Normalise():
                found.setdefault(watched(structure, op.x), "norm input")
            case Softmax():
                found.setdefault(op.x, "weights")
            case Mix() if op.axis is not None:
                found.setdefault(op.out, "sum")
            case Output():
                found.setdefault(op.x, "output")
            case _:
                pass
    streams: dict[str, Kind] = {repeat.out: "stream" for repeat in structure.stream.values()}
    return found | streams


def watched(structure: Structure, value: str) -> str:
    """The observable that a value is called by: a residual stream has one name throughout its block."""
    repeat = structure.stream.get(value)
    return value if repeat is None else repeat.out


@dataclass(frozen=True)
class Carrier:
    """Carries vectors through one forward pass."""

    forward: Forward

    @property
    def structure(self) -> Structure:
        return self.forward.world.structure

    @cached_property
    def names(self) -> Mapping[str, Kind]:
        return self.forward.world.remembered(("observables",), lambda: observables(self.structure))

    def reached(self, op: Weighted, term: TermName) -> dict[str, Vector]:
        """The first observables that a term of this weight reaches before another weight, and what it is there.

        A sum over copies is one, and so is what it is added to: there it meets the sums of other layers.
        """
        found = self._carry(op.out, self._term(op, term), through_weights=False, to_the_sum=False)
        # A product with something that changed is no longer an initial term; it counts for what changed.
        return {name: initial(vector) for name, vector in found.items()} if term == "init" else found

    def acts(self, op: Weighted) -> dict[str, Vector]:
        """The first observables where this weight's update shows.

        It goes through later weights as they are now, so that a zero-initialised one contributes its update.
        """
        return self._carry(op.out, self._term(op, "effective"), through_weights=True, to_the_sum=False)

    def _term(self, op: Weighted, term: TermName) -> Vector:
        return self.forward.terms[op.out].named(term)

    def summed(self, op: Weighted) -> dict[str, Vector]:
        """Where a weight inside a repeated block has its effective term in the sum over the copies."""
        if not self.structure.within[op.out]:
            return {}
        start = self.forward.from_all_copies(op, self._term(op, "effective"))
        to_a_stream = any(self.structure.trunks[repeat.out].values for repeat in self.structure.within[op.out])
        return self._carry(op.out, start, through_weights=True, to_the_sum=to_a_stream)

    def _carry(self, name: str, vector: Vector, through_weights: bool, to_the_sum: bool) -> dict[str, Vector]:
        """What a vector is where it ends up. Of what arrives at a value along several ways the sum goes on."""
        arrived, found = {name: [vector]}, dict[str, list[Vector]]()
        while arrived:
            here = min(arrived, key=self.structure.position.__getitem__)
            there = union(*arrived.pop(here))
            ends, goes_on = self._ends(here, there, through_weights, to_the_sum)
            for at, what in ends:
                found.setdefault(at, []).append(what)
            for at, what in self._steps(here, there, through_weights) if goes_on else ():
                arrived.setdefault(at, []).append(what)
        return {at: union(*vectors) for at, vectors in found.items()}

    def _ends(self, name: str, vector: Vector, through_weights: bool, to_the_sum: bool) -> tuple[Arrivals, bool]:
        """What ends at a value, and whether it goes on from there as well."""
        if name in self.structure.added:
            repeat = self.structure.added[name]
            return ((repeat.out, sum_over(self.forward.world.copies(repeat), vector, repeat.out)),), False
        known = watched(self.structure, name)
        if known in self.names and (not to_the_sum or self.names[known] in ("stream", "output")):
            return ((known, vector),), not through_weights and self.names[known] == "sum"
        return (), True

    def _steps(self, name: str, vector: Vector, through_weights: bool) -> Iterator[tuple[str, Vector]]:
        """What the next operations make of it."""
        for op in self.structure.readers.get(name, ()):
            if through_weights or not isinstance(op, Linear):
                yield op.carried if isinstance(op, Repeat) else op.out, self._known(op, name, vector)
        yield from ((repeat.out, vector) for repeat in self.structure.repeats if repeat.carried_out == name)

    def _known(self, op: Operation, name: str, part: Vector) -> Vector:
        """`_through`, worked out once for the same part of the same inputs."""
        asked = ("through", name, part, *self.forward.read(op))
        return self.forward.world.remembered(asked, lambda: self._through(op, name, part))

    def _through(self, op: Operation, name: str, part: Vector) -> Vector:
        """An operation applied to a part of one of its inputs."""
        forward, world = self.forward, self.forward.world
        read, cell = forward.values, world.cell
        match op:
            case Linear() | Gain():
                return forward.weight(op, part).total
            case Scale():
                return transfer.scale(world.site(op), part, op.site)
            case Normalise():
                return transfer.normalise(op, part, read[op.x], cell)
            case Elementwise():
                return transfer.elementwise(op, part, read[op.x], cell)
            case Softmax():
                return forward.softmax(op, part)
            case Share():
                return forward.share(op, part)
            case Multiply() | Dot():
                x, y = (part, read[op.y]) if name == op.x else (read[op.x], part)
                return rows.dots(world, op, x, y) if isinstance(op, Dot) else forward.multiply(op, x, y)
            case Mix():
                weights, x = (part, read[op.x]) if name == op.weights else (read[op.weights], part)
                return rows.mix(world, op, weights, x)
            case Reshape():
                return regrouped(world, op, op.split, part)
            case _:
                return part
