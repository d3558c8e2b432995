"""The backward pass on components. Input: a forward pass. Output: every gradient, and what each weight saw.

One table: operation -> its transpose. A value read at several places receives the sum of their gradients;
one read by all copies of a repeated block, their sum over the copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

from scalec.calculus import rows, transfer
from scalec.calculus.components import ABSENT, Vector, changed, initial, size, sum_over, union
from scalec.calculus.forward import ROUNDS, Drift, Forward, TermName, Terms, regrouped, same, shrinks
from scalec.calculus.pruning import joined, prune
from scalec.calculus.structure import Trunk, Weighted
from scalec.calculus.weights import Pass, Update
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

Gradients = Iterable[tuple[str, Vector]]


@dataclass
class Backward:
    """`gradients`: with respect to every value; `terms`: of every weight's transpose, by the operation's output.

    `drifting`: repeats in front of which the gradient has no order. `unproved`: those whose initial stream outgrows
    what enters them. Early copies then amplify more than late ones, by a power that depends on constants, while one
    copy stands for all here.

    `loss`: what is differentiated, a `Balance` beside the network's output.
    """

    forward: Forward
    gradients: dict[str, Vector] = field(default_factory=dict)
    terms: dict[str, Terms] = field(default_factory=dict)
    drifting: dict[str, Drift] = field(default_factory=dict)
    unproved: list[str] = field(default_factory=list)
    loss: str | None = None

    def run(self) -> Backward:
        self._all(self.forward.world.program.operations)
        return self

    def passes(self, tensor: str) -> tuple[Pass, ...]:
        """Every use of a tensor: what went in and what gradient came back.

        What went in is whole: the update sends it back to where directions may be compared.
        """
        return tuple(map(self._pass, self.forward.world.structure.users.get(tensor, ())))

    def sent(self, op: Weighted, term: TermName) -> Vector:
        """A term of what a weight sends back; what its copies send to one vector that all read is only ever summed."""
        vector, world = self.terms.get(op.out, Terms()).named(term), self.forward.world
        read = world.structure.broadcast.get(op.x)
        return vector if read is None else sum_over(world.axis[read.axis], vector, read.out)

    def _pass(self, op: Weighted) -> Pass:
        structure, world = self.forward.world.structure, self.forward.world
        one = transfer.source(world.one, op.out, "1")
        x = one if isinstance(op, Bias) else self.forward.values[op.x]
        axes = [repeat.axis for repeat in structure.within[op.out]] + list(structure.split[op.out])
        missing = tuple(a for a in map(world.axis.__getitem__, axes) if a not in world.weights[op.tensor].axes)
        d = self.gradients.get(op.out, ABSENT)
        return Pass(self.forward.use(op), x, self._pruned(d, op), missing, not isinstance(op, Linear))

    def _pruned(self, d: Vector, op: Operation, known: Vector = ABSENT) -> Vector:
        """Of a loss beside the network's only sizes are asked for."""
        return self.forward.pruned(d, op, "backward", known) if self.loss is None else prune(d)

    def _all(self, operations: Iterable[Operation]) -> None:
        for op in reversed(tuple(operations)):
            if op.out == self.loss or (self.loss is None and isinstance(op, Output)):
                rule = "bounded loss derivative" if self.loss is None else "the loss beside"
                self.gradients[op.out] = transfer.source(self.forward.world.one, op.out, rule)
            d = self.gradients.get(op.out, ABSENT)
            if isinstance(op, Repeat):
                self._repeat(op, d)
            elif d:
                self._give(self._known(op, d))

    def _known(self, op: Operation, d: Vector) -> Gradients:
        """`_one`, worked out once for the same gradient, inputs and update."""
        asked = ("backward", self.loss, *self.forward.leaving_out, d, *self.forward.read(op))
        given, terms = self.forward.world.remembered(asked, lambda: (tuple(self._one(op, d)), self.terms.get(op.out)))
        if terms is not None:
            self.terms[op.out] = terms
        return given

    def _give(self, shares: Gradients) -> None:
        for name, gradient in shares:
            self.gradients[name] = union(self.gradients.get(name, ABSENT), gradient)

    # ---- the table ---------------------------------------------------------------------------
    def _one(self, op: Operation, d: Vector) -> Gradients:
        forward, world = self.forward, self.forward.world
        read, cell = forward.values, world.cell
        match op:
            case Input() | Constant():
                pass
            case Linear():
                if op.x not in world.structure.given:
                    yield op.x, self._linear(op, self._pruned(d, op))
            case Gain():
                use = forward.use(op)
                then = ABSENT if use.sigma is None else transfer.scale(use.sigma, d, op.tensor)
                yield op.x, union(then, self._update(op.tensor).effective(use.transpose, d))
            case Bias() | Gather() | Output():
                yield op.x, d
            case Scale():
                yield op.x, transfer.scale(world.site(op), d, op.site)
            case Add():
                yield from ((x, d) for x in op.xs)
            case Normalise():
                length = world.order(op.length, op.out, "length")
                yield op.x, transfer.normalise_back(op, d, read[op.x], length, cell)
            case Elementwise():
                yield op.x, transfer.elementwise_back(op, d, read[op.x], cell)
            case Multiply():
                both = transfer.multiply_back(op, forward.factor(op, d), read[op.x], read[op.y], cell)
                yield from zip((op.x, op.y), both, strict=True)
            case Dot():
                yield from zip((op.x, op.y), rows.dots_back(world, op, d, read[op.x], read[op.y]), strict=True)
            case Softmax():
                yield op.x, transfer.softmax_back(op, d, forward.count(op), world.axis.get(op.axis or ""))
            case Share():
                yield op.x, transfer.share_back(op, d, read[op.x], forward.count(op), world.axis[op.axis])
            case Balance():
                yield op.x, transfer.balance_back(op, d, forward.sizes(op), world.axis[op.axis])
            case Mix():
                both = rows.mix_back(world, op, d, read[op.weights], read[op.x])
                yield from zip((op.weights, op.x), both, strict=True)
            case Reshape():
                yield op.x, regrouped(world, op, not op.split, d)
            case Broadcast():
                yield op.x, sum_over(world.axis[op.axis], d, op.out)
            case Repeat():
                raise AssertionError("a repeat is run by `_repeat`")
            case _:
                assert_never(op)

    def _update(self, tensor: str) -> Update:
        return self.forward.updates.get(tensor, Update())

    def _linear(self, op: Linear, d: Vector) -> Vector:
        use = self.forward.use(op).transpose
        terms = self.terms[op.out] = Terms(
            use.initial(initial(d)), use.initial(changed(d)), self._update(op.tensor).effective(use, d)
        )
        return self.forward.amassed(op, terms)

    # ---- repeated blocks ---------------------------------------------------------------------
    def _repeat(self, op: Repeat, d: Vector) -> None:
        """The gradient of the stream, to its fixed point; then what the copies send to values outside."""
        trunk, stream, known = self.forward.world.structure.trunks[op.out], d, ABSENT
        axis = self.forward.world.copies(op)
        for _ in range(ROUNDS):
            given = self._body(op, trunk, stream)
            after = joined(stream, union(d, self._stream(op, trunk, given)))
            before, stream = stream, self._pruned(after, op, known)
            if same(before, stream):
                break
            known = stream
        else:
            self.drifting[op.out] = "grows"
        if not trunk.values and shrinks(self.forward.world.cell, d, given.get(op.carried, ABSENT)):
            self.drifting[op.out] = "shrinks"
        if trunk.values and op.out not in self.drifting and op.out not in self.forward.drifting and self._outgrown(op):
            self.unproved.append(op.out)
        inside = {op.carried, *(inner.out for inner in _flat(op.body))}
        outside = ((name, sum_over(axis, g, op.out)) for name, g in given.items() if name not in inside)
        self.gradients |= {name: g for name, g in given.items() if name in inside}
        self.gradients |= dict.fromkeys(sorted(trunk.values), stream)
        self._give((*outside, (op.x, stream if trunk.values else given.get(op.carried, ABSENT))))

    def _outgrown(self, op: Repeat) -> bool:
        cell, values = self.forward.world.cell, self.forward.values
        before, after = size(cell, initial(values[op.x])), size(cell, initial(values[op.out]))
        return after is not None and (before is None or not after <= before)

    def _body(self, op: Repeat, trunk: Trunk, stream: Vector) -> dict[str, Vector]:
        """The gradients that one copy hands to the values it reads, if the stream's gradient is `stream`."""
        outer, self.gradients = self.gradients, {}
        ends = trunk.branches if trunk.values else (op.carried_out,)
        self._give((name, stream) for name in ends)
        self._all(inner for inner in op.body if inner.out not in trunk.values)
        given, self.gradients = self.gradients, outer
        return given

    def _stream(self, op: Repeat, trunk: Trunk, given: dict[str, Vector]) -> Vector:
        """What the copies together send back along the stream."""
        if not trunk.values:
            return given.get(op.carried, ABSENT)
        axis = self.forward.world.copies(op)
        reads = (given.get(name, ABSENT) for name in sorted(trunk.values))
        return sum_over(axis, union(*reads), op.out)


def _flat(operations: Iterable[Operation]) -> Iterator[Operation]:
    for op in operations:
        yield op
        if isinstance(op, Repeat):
            yield from _flat(op.body)
