"""The forward pass on components. Input: World, the updates so far. Output: every value, every map's terms.

One table: operation -> transfer function. A repeated block is run to the fixed point of the stream
that its copies read and write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

from scalec.calculus import rows, transfer
from scalec.calculus.around import Around, Way
from scalec.calculus.components import (
    ABSENT,
    Component,
    Link,
    Vector,
    changed,
    each,
    initial,
    merged,
    size,
    sum_over,
    union,
)
from scalec.calculus.pruning import joined, prune
from scalec.calculus.structure import Trunk
from scalec.calculus.weights import Matrix, Update
from scalec.calculus.words import Copies, history
from scalec.calculus.world import World
from scalec.program.ops import (
    Add,
    Balance,
    Bias,
    Broadcast,
    Constant,
    Dot,
    Elementwise,
    Gain,
    Gather,
    Input,
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
from scalec.symbolic.dominance import Cell, Magnitude

ROUNDS = 8
Drift = Literal["grows", "shrinks"]
TermName = Literal["init", "propagating", "effective"]
TERMS: tuple[TermName, ...] = ("init", "propagating", "effective")


class UnsupportedError(Exception):
    """No transfer function covers `places`: `reason` says why, `helps` what could be done about it."""

    def __init__(self, places: str | Sequence[str], reason: str, *helps: str) -> None:
        self.places = (places,) if isinstance(places, str) else tuple(places)
        self.reason, self.helps = reason, helps
        super().__init__(f"`{self.places[0]}` is {reason}; the calculus has no rule for that")


@dataclass(frozen=True)
class Terms:
    """The atomic terms of a weight's output: `W_0 x_0`, `W_0 (x_t - x_0)`, `(W_t - W_0) x_t`."""

    init: Vector = ABSENT
    propagating: Vector = ABSENT
    effective: Vector = ABSENT

    def named(self, term: TermName) -> Vector:
        match term:
            case "init":
                return self.init
            case "propagating":
                return self.propagating
            case "effective":
                return self.effective

    @property
    def total(self) -> Vector:
        return union(self.init, self.propagating, self.effective)


@dataclass(frozen=True)
class Forward:
    """`values`: every value of the program; `terms`: of every operation with a weight, by its output.

    `drifting`: repeats that what comes out of has no order. A stream `grows` that still changed after `ROUNDS` passes
    through the block; it `shrinks` where the block adds nothing to it and makes it smaller copy by copy.
    `around`: what the training that this is step `index` of leaves out; None outside of one.
    """

    world: World
    updates: Mapping[str, Update]
    values: dict[str, Vector] = field(default_factory=dict)
    terms: dict[str, Terms] = field(default_factory=dict)
    drifting: dict[str, Drift] = field(default_factory=dict)
    around: Around | None = None
    index: int = 0

    def pruned(self, vector: Vector, op: Operation, way: Way, known: Vector = ABSENT) -> Vector:
        """What matters of what an operation reads, or of the gradient of what it puts out; `known`: what does."""
        return prune(vector) if self.around is None else self.around.prune(vector, op, way, self.index, known)

    @property
    def leaving_out(self) -> tuple[object, ...]:
        """What decides how much is pruned."""
        return (None,) if self.around is None else (self.around, self.around.refuted)

    @property
    def growing(self) -> tuple[str, ...]:
        return tuple(name for name, drift in self.drifting.items() if drift == "grows")

    def run(self) -> Forward:
        self._all(self.world.program.operations)
        return self

    def _all(self, operations: Iterable[Operation]) -> None:
        for op in operations:
            self.values[op.out] = self._repeat(op) if isinstance(op, Repeat) else self._known(op)

    def _known(self, op: Operation) -> Vector:
        """`_one`, worked out once for the same inputs and the same update."""
        asked = ("forward", *self.leaving_out, *self.read(op))
        out, terms = self.world.remembered(asked, lambda: (self._one(op), self.terms.get(op.out)))
        if terms is not None:
            self.terms[op.out] = terms
        return out

    def read(self, op: Operation) -> tuple[object, ...]:
        """An operation with all that it reads in this pass."""
        update = self.updates.get(op.tensor) if isinstance(op, Linear | Gain | Bias) else None
        return op.out, update, *map(self.values.__getitem__, self.world.structure.reads[op.out])

    # ---- the table ---------------------------------------------------------------------------
    def _one(self, op: Operation) -> Vector:
        world, cell, read = self.world, self.world.cell, self.values
        match op:
            case Input():
                return transfer.source(cell.one, op.out, "the data")
            case Constant():
                return transfer.source(cell.one, op.out, "a constant")
            case Linear() | Gain() | Bias():
                x = self.pruned(read[op.x], op, "forward") if isinstance(op, Linear) else read[op.x]
                terms = self.terms[op.out] = self.weight(op, x)
                return union(read[op.x], self.amassed(op, terms)) if isinstance(op, Bias) else self.amassed(op, terms)
            case Scale():
                return transfer.scale(world.site(op), read[op.x], op.site)
            case Add():
                return union(*(read[x] for x in op.xs))
            case Normalise():
                return transfer.normalise(op, read[op.x], read[op.x], cell)
            case Elementwise():
                change = transfer.elementwise(op, read[op.x], read[op.x], cell)
                return union(transfer.elementwise_constant(op, cell), change)
            case Multiply():
                return self.multiply(op, read[op.x], read[op.y])
            case Dot():
                return rows.dots(world, op, read[op.x], read[op.y])
            case Softmax():
                return union(transfer.softmax_constant(op, self.count(op)), self.softmax(op, read[op.x]))
            case Share():
                return union(transfer.softmax_constant(op, self.count(op)), self.share(op, read[op.x]))
            case Balance():
                return transfer.balance(op, read[op.x], self.sizes(op))
            case Mix():
                return rows.mix(world, op, read[op.weights], read[op.x])
            case Reshape():
                return regrouped(world, op, op.split, read[op.x])
            case Gather() | Output() | Broadcast():
                return read[op.x]
            case Repeat():
                raise AssertionError("a repeat is run by `_repeat`")
            case _:
                assert_never(op)

    # ---- weights -----------------------------------------------------------------------------
    def weight(self, op: Linear | Gain | Bias, x: Vector) -> Terms:
        """The atomic terms of an operation with a weight."""
        use = self.use(op)
        update = self.updates.get(op.tensor, Update())
        match op:
            case Linear():
                x = prune(x)
                return Terms(use.initial(initial(x)), use.initial(changed(x)), update.effective(use, x))
            case Gain():
                return Terms(self._gain(use, initial(x)), self._gain(use, changed(x)), update.effective(use, x))
            case Bias():
                unit = transfer.source(self.world.one, op.out, "a constant")
                return Terms(self._bias(use), ABSENT, update.effective(use, unit))

    def use(self, op: Linear | Gain | Bias) -> Matrix:
        """The weight as this operation uses it."""
        weight = self.world.weights[op.tensor]
        return weight.uses[op.use] if isinstance(op, Linear) else weight.pointwise

    def _gain(self, use: Matrix, x: Vector) -> Vector:
        """An initial gain has a nonzero mean: it leaves the word."""
        return transfer.scale(use.sigma, x, use.tensor) if use.sigma is not None else ABSENT

    def _bias(self, use: Matrix) -> Vector:
        if use.sigma is None:
            return ABSENT
        chain = Link("initial bias", use.tensor, use.sigma)
        return (Component(use.sigma, history(use.sigma.cell, "init", use.tensor, deps=use.own), chain),)

    def amassed(self, op: Linear | Gain | Bias, terms: Terms) -> Vector:
        """The output of a late copy: updates of all copies before it are in there."""
        return union(terms.init, terms.propagating, self.from_all_copies(op, terms.effective))

    def from_all_copies(self, op: Linear | Gain | Bias, effective: Vector) -> Vector:
        """What the updates of the copies of a block that adds nothing to its stream amount to after the last."""
        within = self.world.structure.within[op.out]
        if not within or self.world.structure.trunks[within[-1].out].values:
            return effective
        count = self.world.copies(within[-1]).count
        return each(effective, lambda c: c.times(count, f"made by each of {within[-1].axis}", op.out))

    def multiply(self, op: Multiply, x: Vector, y: Vector) -> Vector:
        return transfer.multiply(op, self.factor(op, x), self.factor(op, y), self.world.cell)

    def factor(self, op: Multiply, vector: Vector) -> Vector:
        """What matters of what a product takes up: all of it where directions are compared before the next weight."""
        return prune(vector) if op.out in self.world.structure.only_sized else vector

    def count(self, op: Softmax | Share) -> Magnitude:
        return self.world.order(op.count, op.out, "count")

    def sizes(self, op: Balance) -> tuple[Magnitude, Magnitude]:
        """How many copies there are, and how many a sample meets."""
        return self.world.order(op.among, op.out, "count"), self.world.order(op.met, op.out, "count")

    def softmax(self, op: Softmax, part: Vector) -> Vector:
        return transfer.softmax(op, part, self.count(op), self.world.axis.get(op.axis or ""))

    def share(self, op: Share, part: Vector) -> Vector:
        return transfer.share(op, part, self.values[op.x], self.count(op), self.world.axis[op.axis])

    # ---- repeated blocks ---------------------------------------------------------------------
    def _repeat(self, op: Repeat) -> Vector:
        trunk = self.world.structure.trunks[op.out]
        stream, known = self.values[op.x], ABSENT
        for _ in range(ROUNDS):
            after = joined(stream, union(self.values[op.x], *self._round(op, trunk, stream)))
            before, stream = stream, self.pruned(after, op, "forward", known)
            if same(before, stream):
                break
            known = stream
        else:
            self.drifting[op.out] = "grows"
        if not trunk.values and shrinks(self.world.cell, self.values[op.x], self.values[op.carried_out]):
            self.drifting[op.out] = "shrinks"
        return stream if trunk.values else self.values[op.carried_out]

    def _round(self, op: Repeat, trunk: Trunk, stream: Vector) -> Iterator[Vector]:
        """What the copies together put on the stream, if each of them reads `stream`."""
        self._require(op, trunk)
        self.values[op.carried] = stream
        for inner in op.body:
            if inner.out in trunk.values:
                self.values[inner.out] = stream
            else:
                self._all((inner,))
        if not trunk.values:
            yield self.values[op.carried_out]
        for branch in trunk.branches:
            yield sum_over(self.world.copies(op), self.values[branch], op.out)

    def _require(self, op: Repeat, trunk: Trunk) -> None:
        one = self.world.one
        for skip in trunk.skips:
            if not self.world.site(skip).ties(one):
                raise UnsupportedError(skip.out, "a skip connection whose factor is not of order 1")
        deep = not self.world.copies(op).count.ties(one)
        if deep and not trunk.values and any(isinstance(inner, Normalise) for inner in op.body):
            raise UnsupportedError(op.out, "a norm on the residual stream itself, over a depth that grows")


def regrouped(world: World, op: Reshape, split: bool, x: Vector) -> Vector:
    """Coordinates laid out as copies are drawn afresh for each; laid back, they are one vector again.

    Copies that were all the same make a vector that repeats itself. A mark remembers it: laid out again,
    whatever points along that vector is the same for every copy. What the vector was multiplied with before
    is as it was: its letters do not change.
    """
    axis = world.axis[op.axis]
    return merged(_split(axis, c) if split else _joined(axis, c) for c in x) if axis.apart else x


def _split(axis: Copies, c: Component) -> Component:
    repeats = bool(c.word) and c.word[0].name == (axis.name, "mark")
    return transfer.marked(c, axis.name, c.order.cell) if repeats else c.written(c.word, c.deps | {axis})


def _joined(axis: Copies, c: Component) -> Component:
    alone = axis in c.deps
    return c.written(c.word, c.deps - {axis}) if alone else transfer.marked(c, axis.name, c.order.cell)


def shrinks(cell: Cell, before: Vector, after: Vector) -> bool:
    """Smaller, and not absent."""
    large, small = size(cell, before), size(cell, after)
    return small is not None and large is not None and not large <= small


def same(first: Vector, second: Vector) -> bool:
    """The same components with orders that tie, whatever made them."""
    return first == second or set(map(_shape, first)) == set(map(_shape, second))


def _shape(c: Component) -> tuple[object, ...]:
    return c.order.slopes, c.history.shape
