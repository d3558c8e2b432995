"""Sums over copies that lie in one parameter: what each operation on the way sees. Input: a vector. Output: values.

No module computes these one by one, so they are computed here, as the program says, for every copy and
every row; which copies a row meets is told beside. Invariant: nothing here knows a network or a block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from scalec.calculus.structure import Structure, inputs
from scalec.program.ops import Add, Broadcast, Elementwise, Linear, Mix, Multiply, Operation, Scale, Share, Softmax
from scalec.symbolic.formula import Formula

FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": torch.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "square_relu": lambda x: torch.relu(x).square(),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


@dataclass(frozen=True)
class Mixture:
    """A sum over copies: the vector that they read, the operations between, in order, and the sum."""

    copies: Broadcast
    inner: tuple[Operation, ...]
    mix: Mix

    @property
    def maps(self) -> tuple[Linear, ...]:
        return tuple(op for op in self.inner if isinstance(op, Linear))


def mixtures(structure: Structure) -> tuple[Mixture, ...]:
    """The sums over axes whose copies lie in one parameter."""
    stacked = {axis for tensor in structure.program.tensors for axis in tensor.storage.stacked}
    mixes = {op.axis: op for op in structure.operations if isinstance(op, Mix)}
    copies = (op for op in structure.operations if isinstance(op, Broadcast) and op.axis in stacked)
    return tuple(Mixture(op, _between(structure, op, mixes[op.axis]), mixes[op.axis]) for op in copies)


def _between(structure: Structure, copies: Broadcast, mix: Mix) -> tuple[Operation, ...]:
    """What reads the copies and is read by the sum, at once or by way of others."""
    held, needed = {copies.out}, {mix.out}
    for op in structure.operations:
        held |= {op.out} if held & set(inputs(op)) else set()
    for op in reversed(structure.operations):
        needed |= set(inputs(op)) if op.out in needed else set()
    return tuple(op for op in structure.operations if op.out in held & needed - {copies.out, mix.out})


@dataclass
class Inside:
    """One forward pass through a mixture.

    `maps`: the outputs of maps whose copies lie in one parameter, from their inputs. `factors`: multipliers of
    scalings. `values`: [rows, copies, width], or [rows, copies] for scores; those known beforehand are of the maps
    that a module has. What all copies share has one copy.
    """

    mixture: Mixture
    maps: Mapping[str, Callable[[Tensor], Tensor]]
    factors: Mapping[str, float]
    size: Callable[[Formula], int]
    values: dict[str, Tensor]

    def run(self, x: Tensor) -> Inside:
        """`x`: [rows, width]."""
        self.values[self.mixture.copies.out] = x.unsqueeze(1)
        for op in self.mixture.inner:
            if op.out not in self.values:
                self.values[op.out] = self._one(op)
        return self

    @cached_property
    def met(self) -> Tensor:
        """Which copies a row meets, [rows, copies]: those of the highest scores. Biases of the choice are not read."""
        active = self.size(self.mixture.copies.count)
        scores = next(self.values[op.out] for op in self.mixture.maps if op.rows)
        chosen = scores.topk(active, dim=1).indices
        return torch.zeros_like(scores, dtype=torch.bool).scatter(1, chosen, True)

    @cached_property
    def gates(self) -> Tensor:
        """The weight of each copy in a row's sum, [rows, copies]: none for those that it does not meet."""
        return self.values[self.mixture.mix.weights] * self.met

    def summed(self, value: Tensor) -> Tensor:
        """The sum over copies of `value`, [rows, copies, width]."""
        return torch.einsum("rc,rcw->rw", self.gates, value)

    def back(self, d: Tensor) -> dict[str, Tensor]:
        """The gradient of what each map puts out, from that of the sum, [rows, width]; with the same copies met."""
        with torch.enable_grad():
            known = {op.out: self.values[op.out] for op in self.mixture.maps if op.out not in self.maps}
            start = self.values[self.mixture.copies.out].squeeze(1).clone().requires_grad_()
            leaves = {name: value.clone().requires_grad_() for name, value in known.items()}
            again = replace(self, values=leaves).run(start)
            outs = [again.values[op.out] for op in self.mixture.maps]
            given = torch.autograd.grad(again.summed(again.values[self.mixture.mix.x]), outs, d)
        return {op.out: g for op, g in zip(self.mixture.maps, given, strict=True)}

    def _among(self, count: Formula, x: Tensor) -> Tensor:
        """The copies that scores are compared with: all of them, or those that are met."""
        return torch.ones_like(self.met) if self.size(count) == x.shape[1] else self.met

    def _one(self, op: Operation) -> Tensor:
        v = self.values
        match op:
            case Linear(out, x):
                return self.maps[out](v[x])
            case Scale(out, x):
                return self.factors[out] * v[x]
            case Elementwise(_, x, function):
                return FUNCTIONS[function.name](v[x])
            case Multiply(_, x, y):
                return v[x] * v[y]
            case Add(_, xs):
                return torch.stack([v[x] for x in xs]).sum(0)
            case Softmax(_, x, count):
                return v[x].masked_fill(~self._among(count, v[x]), -torch.inf).softmax(1)
            case Share(_, x, count):
                apart = v[x] * self._among(count, v[x])
                return apart / apart.sum(1, keepdim=True)
            case _:
                raise NotImplementedError(f"`{op.out}`: {type(op).__name__} between copies and their sum")
