"""Runs a Program's operations in torch, one by one: an oracle for what the emitter writes of its regions.

Masks and rotary positions are no operations (the calculus has no use for them), so they are read from the regions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from scalec.emit.names import walk
from scalec.plan.model import Plan
from scalec.program import ops
from scalec.symbolic.formula import Formula, evaluate

FUNCTIONS = {
    "identity": lambda x: x,
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "square_relu": lambda x: torch.relu(x) ** 2,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


class Interpreter:
    """`parameters`: by the names that the program's storage says. `x`: what the network reads."""

    def __init__(self, plan: Plan, parameters: Mapping[str, Tensor], x: Tensor) -> None:
        self.plan = plan
        self.parameters = parameters
        self.x = x
        self.values: dict[str, Tensor] = {}
        self.layers: dict[str, int] = {}
        self.regions = {r.path: dict(r.options) for r in walk(plan.program.regions)}

    def run(self) -> Tensor:
        """The logits."""
        self._all(self.plan.program.operations)
        return self.values[self.plan.program.operations[-1].out]

    def _all(self, operations: tuple[ops.Operation, ...]) -> None:
        for operation in operations:
            if isinstance(operation, ops.Repeat):
                self._repeat(operation)
            else:
                self.values[operation.out] = self._one(operation)

    def _repeat(self, r: ops.Repeat) -> None:
        value = self.values[r.x]
        for layer in range(self._size(r.count)):
            self.layers[r.axis] = layer
            self.values[r.carried] = value
            self._all(r.body)
            value = self.values[r.carried_out]
        self.values[r.out] = value

    def _one(self, operation: ops.Operation) -> Tensor:
        v = self.values
        match operation:
            case ops.Input():
                return self.x if not v else torch.arange(self.x.shape[1])
            case ops.Linear(_, x, tensor, use):
                weight = self._parameter(tensor)
                dense = v[x].is_floating_point()
                return self._scale(tensor, use) * (v[x] @ weight.T if dense else weight[v[x]])
            case ops.Gain(_, x, tensor):
                return v[x] * self._scale(tensor) * self._parameter(tensor)
            case ops.Scale(_, x, site, attribute):
                return v[x] * self._value(self.plan.site[site].numbers[attribute])
            case ops.Add(_, xs):
                return sum((v[x] for x in xs[1:]), v[xs[0]])
            case ops.Bias(_, x, tensor):
                return v[x] + self._scale(tensor) * self._parameter(tensor)
            case ops.Normalise(_, x, _, centred):
                deviations = v[x] - v[x].mean(-1, keepdim=True) if centred else v[x]
                return deviations / (deviations.square().mean(-1, keepdim=True) + 1e-5).sqrt()
            case ops.Elementwise(_, x, function):
                return FUNCTIONS[function.name](v[x])  # type: ignore[no-any-return, no-untyped-call]
            case ops.Multiply(_, x, y):
                return v[x] * v[y]
            case ops.Dot(out, x, y):
                options = self.regions[out.rpartition(".")[0]]
                if options["rope"] or out.endswith(".turned"):
                    return self._turned(v[x], options) @ self._turned(v[y], options).transpose(-1, -2)
                return v[x] @ v[y].transpose(-1, -2)
            case ops.Softmax(out, x):
                above = torch.ones(v[x].shape[-2:]).triu(1).bool()
                causal = self.regions[out.removesuffix(".weights")]["causal"]
                return (v[x].masked_fill(above, -torch.inf) if causal else v[x]).softmax(-1)
            case ops.Mix(_, weights, x):
                return v[weights] @ v[x]
            case ops.Reshape(_, x, _, count, split):
                if split:
                    return v[x].unflatten(-1, (self._size(count), -1)).transpose(-3, -2)
                return v[x].transpose(-3, -2).flatten(-2)
            case ops.Broadcast(_, x):
                return v[x].unsqueeze(-3)
            case ops.Output(_, x):
                return v[x]
            case _:
                raise NotImplementedError(operation)

    def _turned(self, x: Tensor, options: Mapping[str, object]) -> Tensor:
        """Queries or keys `[..., T, D]`, each pair of coordinates as a complex number turned by its position."""
        base, pairs = self._size(options["rope_base"]), x.shape[-1] // 2  # type: ignore[arg-type]
        angles = torch.arange(x.shape[-2])[:, None] * base ** (-torch.arange(pairs).double() / pairs)
        halves = options["rope_layout"] == "halves"
        parts = x.unflatten(-1, (2, pairs)).transpose(-1, -2) if halves else x.unflatten(-1, (pairs, 2))
        turned = torch.view_as_complex(parts.contiguous()) * torch.polar(torch.ones_like(angles), angles)
        found = torch.view_as_real(turned)
        return (found.transpose(-1, -2) if halves else found).flatten(-2)

    def _parameter(self, path: str) -> Tensor:
        name = self.plan.program.tensor[path].storage.name
        for axis, layer in self.layers.items():
            name = name.replace(f"{{{axis}}}", str(layer))
        return self.parameters[name]

    def _scale(self, path: str, use: int = 0) -> float:
        planned = self.plan.tensor[path]
        return self._value(planned.numbers[planned.tensor.uses[use].scale])

    def _value(self, quantity: object) -> float:
        return self.plan.value(quantity, self.plan.sizes[0])  # type: ignore[arg-type]

    def _size(self, formula: Formula) -> int:
        return int(evaluate(formula, lambda s: float(self.plan.sizes[0][s.name])))
