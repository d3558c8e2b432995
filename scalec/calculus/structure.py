"""The shape of a program, read once: who reads what, how long, along which axes. No orders, no rule.

Input: a Program. Output: `Structure`. Values inside a repeated block appear once; `within` says
which repeats enclose them. Invariant: formulas are over dimensions that follow no default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

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
from scalec.program.program import Program
from scalec.symbolic.formula import UNIT, Formula, divide, mul, symbol

Weighted = Linear | Gain | Bias
Sized = Add | Bias | Broadcast | Constant | Gather | Input | Linear | Multiply | Output | Repeat | Scale


def inputs(op: Operation) -> tuple[str, ...]:
    """The values an operation reads. A repeat reads what enters its first copy; its body is apart."""
    match op:
        case Input() | Constant():
            return ()
        case Add(_, xs):
            return xs
        case Multiply(_, x, y) | Dot(_, x, y):
            return (x, y)
        case Mix(_, weights, x):
            return (weights, x)
        case (
            Linear(x=x) | Bias(x=x) | Gain(x=x) | Scale(x=x) | Normalise(x=x) | Elementwise(x=x)
            | Softmax(x=x) | Share(x=x) | Reshape(x=x) | Gather(x=x) | Broadcast(x=x) | Balance(x=x) | Repeat(x=x)
            | Output(x=x)
        ):  # fmt: skip
            return (x,)
        case _:
            assert_never(op)


@dataclass(frozen=True)
class Trunk:
    """The residual stream of a repeat: `out = carried + sum over copies of the branches`.

    `values` all hold the stream (the carried one, with branches added, scaled by skip sites `skips`);
    `branches` are what is added. Empty `values`: the body transforms the stream and adds nothing to it.
    """

    values: frozenset[str] = frozenset()
    branches: tuple[str, ...] = ()
    skips: tuple[Scale, ...] = ()


@dataclass(frozen=True)
class Structure:
    program: Program

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation, bodies flattened in order."""
        return tuple(op for op, _ in self._flat(self.program.operations, ()))

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Where each value comes in the order of execution; what a repeat carries, before its body."""
        found = {op.out: 2 * i + 1 for i, op in enumerate(self.operations)}
        return found | {r.carried: min(found[op.out] for op, _ in self._flat(r.body, ())) - 1 for r in self.repeats}

    @cached_property
    def within(self) -> Mapping[str, tuple[Repeat, ...]]:
        """The repeats around the operation that defines a value, outermost first."""
        return {op.out: repeats for op, repeats in self._flat(self.program.operations, ())}

    @cached_property
    def made_by(self) -> Mapping[str, Operation]:
        return {op.out: op for op in self.operations}

    @cached_property
    def reads(self) -> Mapping[str, tuple[str, ...]]:
        """What each operation reads, by its output."""
        return {op.out: inputs(op) for op in self.operations}

    @cached_property
    def readers(self) -> Mapping[str, tuple[Operation, ...]]:
        found: dict[str, list[Operation]] = {}
        for op in self.operations:
            for name in dict.fromkeys(self.reads[op.out]):
                found.setdefault(name, []).append(op)
        return {name: tuple(ops) for name, ops in found.items()}

    @cached_property
    def given(self) -> frozenset[str]:
        """The values that no weight had a part in, the data however it is laid out: no gradient goes into them."""
        found = set[str]()
        for op in self.operations:
            if not isinstance(op, Weighted | Repeat) and found.issuperset(inputs(op)):
                found.add(op.out)
        return frozenset(found)

    @cached_property
    def only_sized(self) -> frozenset[str]:
        """The values of which nothing before the next weight sees more than sizes: where they point matters there."""
        seen = {self.near[op.out] for op in self.operations if not _sees_sizes(op)}
        return frozenset(name for name, group in self.near.items() if group not in seen)

    @cached_property
    def near(self) -> Mapping[str, str]:
        """For each value one that stands for all that it is connected with without a weight."""
        return connected(self.operations, lambda op: () if isinstance(op, Linear) else ends(op))

    @cached_property
    def weighted(self) -> tuple[Weighted, ...]:
        """The operations with a weight, in order of execution."""
        return tuple(op for op in self.operations if isinstance(op, Weighted))

    @cached_property
    def users(self) -> Mapping[str, tuple[Weighted, ...]]:
        """The operations with a weight, by its tensor."""
        tensors = dict.fromkeys(op.tensor for op in self.weighted)
        return {tensor: tuple(op for op in self.weighted if op.tensor == tensor) for tensor in tensors}

    @cached_property
    def repeats(self) -> tuple[Repeat, ...]:
        return tuple(op for op in self.operations if isinstance(op, Repeat))

    @cached_property
    def trunks(self) -> Mapping[str, Trunk]:
        return {repeat.out: _trunk(repeat) for repeat in self.repeats}

    @cached_property
    def stream(self) -> Mapping[str, Repeat]:
        """The values that hold the residual stream of a repeat, the one after it included."""
        return {
            name: repeat
            for repeat in self.repeats
            for name in sorted({*self.trunks[repeat.out].values, repeat.out} if self.trunks[repeat.out].values else ())
        }

    @cached_property
    def added(self) -> Mapping[str, Repeat]:
        """The branches that are summed over the copies of a repeat."""
        return {name: repeat for repeat in self.repeats for name in self.trunks[repeat.out].branches}

    @cached_property
    def axes(self) -> Mapping[str, Formula]:
        """Every replicated axis with the number of copies that one sample meets."""
        found = {axis.name: axis.count for tensor in self.program.tensors for axis in tensor.axes}
        return found | {op.axis: op.count for op in self.operations if isinstance(op, Repeat | Reshape | Broadcast)}

    @cached_property
    def stored(self) -> Mapping[str, tuple[tuple[str, Formula], ...]]:
        """The axes of a tensor's copies with the number of copies there are; its rows too, where they are copies."""
        rows = {op.tensor: op.rows for op in self.operations if isinstance(op, Linear) and op.rows is not None}
        return {
            tensor.path: (
                *((axis.name, axis.count) for axis in tensor.axes),
                *((rows[path], tensor.uses[0].fan_out) for path in (tensor.path,) if path in rows),
            )
            for tensor in self.program.tensors
        }

    @cached_property
    def batch(self) -> Formula:
        """The number of samples in a step: the run's `batch`, unless the network has a dimension for it."""
        own = (op.batch for op in self.operations if isinstance(op, Input) and op.batch is not None)
        return next(own, symbol("size", "batch"))

    @cached_property
    def broadcast(self) -> Mapping[str, Broadcast]:
        """The values that are one vector, there once for each copy along an axis."""
        return {op.out: op for op in self.operations if isinstance(op, Broadcast)}

    @cached_property
    def chosen(self) -> frozenset[str]:
        """The axes whose copies one vector is given to, or a sum weighs."""
        return frozenset(
            op.axis for op in self.operations if isinstance(op, Broadcast | Softmax | Share | Mix) and op.axis
        )

    @cached_property
    def compared(self) -> frozenset[str]:
        """The axes whose copies are weighed against each other."""
        return frozenset(op.axis for op in self.operations if isinstance(op, Softmax | Share) and op.axis)

    @cached_property
    def gates(self) -> frozenset[str]:
        """The weights of sums over an axis, and what they are made of, back to the scores."""
        found = {op.weights for op in self.operations if isinstance(op, Mix) and op.axis is not None}
        for op in reversed(self.operations):
            if op.out in found and isinstance(op, Scale | Elementwise | Softmax | Share):
                found.add(op.x)
        return frozenset(found)

    @cached_property
    def balances(self) -> Mapping[str, tuple[str, ...]]:
        """The losses beside the network's, each with the tensors whose rows score the copies that it balances."""
        scores = [op for op in self.operations if isinstance(op, Linear) and op.rows is not None]
        return {
            op.out: tuple(dict.fromkeys(s.tensor for s in scores if s.rows == op.axis))
            for op in self.operations
            if isinstance(op, Balance)
        }

    @cached_property
    def split(self) -> Mapping[str, tuple[str, ...]]:
        """The axes that the coordinates of a value have been split into."""
        found: dict[str, tuple[str, ...]] = {}
        for op in self.operations:
            if isinstance(op, Repeat):
                found[op.out] = found.get(op.x, ())
                continue
            axes = tuple(dict.fromkeys(a for name in inputs(op) for a in found.get(name, ())))
            match op:
                case Broadcast() | Reshape(split=True):
                    axes = (*axes, op.axis)
                case Mix() | Reshape():
                    axes = tuple(a for a in axes if a != op.axis)
                case _:
                    pass
            found[op.out] = axes
        return found

    @cached_property
    def length(self) -> Mapping[str, Formula]:
        """The number of coordinates of a value, of one copy where it is split into copies."""
        found: dict[str, Formula] = {}
        for op in self._by_entry(self.program.operations, found):
            found[op.out] = self._length(op, found)
        return found

    def _by_entry(self, operations: Iterable[Operation], found: dict[str, Formula]) -> Iterator[Operation]:
        for op in operations:
            if isinstance(op, Repeat):
                found[op.carried] = found[op.x]
                yield from self._by_entry(op.body, found)
            yield op

    def _length(self, op: Operation, found: Mapping[str, Formula]) -> Formula:
        match op:
            case Input(_, length) | Constant(_, length):
                return length
            case Linear(_, _, tensor, use, rows):
                return self.program.tensor[tensor].uses[use].fan_out if rows is None else UNIT
            case Reshape(_, x, _, count, split):
                return divide(found[x], count) if split else mul(found[x], count)
            case Gather(_, x, factor):
                return mul(found[x], factor)
            case Dot() | Balance():
                return UNIT
            case Mix(_, _, x):
                return found[x]
            case _:
                return found[inputs(op)[0]]

    def _flat(
        self, operations: Iterable[Operation], within: tuple[Repeat, ...]
    ) -> Iterator[tuple[Operation, tuple[Repeat, ...]]]:
        for op in operations:
            if isinstance(op, Repeat):
                yield from self._flat(op.body, (*within, op))
            yield op, within


def _sees_sizes(op: Operation) -> bool:
    """Whether an operation neither compares directions nor takes what is larger for as large as something else."""
    return isinstance(op, Sized) or (isinstance(op, Elementwise) and not op.function.bounded)


def ends(op: Operation) -> tuple[str, ...]:
    """The values that an operation reads, and those at both ends of a body."""
    return (*inputs(op), op.carried, op.carried_out) if isinstance(op, Repeat) else inputs(op)


def connected(operations: Iterable[Operation], through: Callable[[Operation], Iterable[str]]) -> Mapping[str, str]:
    """For each value one that stands for all that operations connect it with, each what it reads and puts out."""
    group = {op.out: {op.out} for op in operations}
    group |= {op.carried: {op.carried} for op in operations if isinstance(op, Repeat)}
    for op in operations:
        for name in through(op):
            if group[name] is not group[op.out]:
                group[op.out] |= group[name]
                group |= dict.fromkeys(group[name], group[op.out])
    return {name: min(names) for name, names in group.items()}


def _trunk(repeat: Repeat) -> Trunk:
    """Follow the carried value through sums and skip scalings to the end of the body."""
    values, branches, skips = {repeat.carried}, list[str](), list[Scale]()
    for op in repeat.body:
        match op:
            case Add(out, xs) if values & set(xs):
                values.add(out)
                branches += [x for x in xs if x not in values]
            case Scale(out, x) if x in values and op.attribute == "skip":
                values.add(out)
                skips.append(op)
            case _:
                pass
    if repeat.carried_out not in values:
        return Trunk()
    return Trunk(frozenset(values), tuple(branches), tuple(skips))
