"""Optimizers written out, with matrices of one shape in one batch. Input: an optimizer's class. Output: Python text.

One entry a scheme. Invariant: the step is that of the class, with its factor; nothing here knows an optimizer.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from scalec.emit.names import camel
from scalec.plan.model import OptimizerClass
from scalec.symbolic.formula import UNIT, Formula
from scalec.symbolic.text import python

ROWS = {"fan_out": "rows", "fan_in": "columns"}  # of a matrix as it is stored


def class_name(optimizer: OptimizerClass) -> str:
    """What emitted code calls an optimizer's class."""
    return f"Batched{camel(optimizer.name)}" if optimizer.batched else optimizer.path


def batched_text(optimizer: OptimizerClass, *, apart: bool) -> str:
    """The class for an optimizer that says how its step is done in a batch; `apart`: some weights have parts."""
    assert optimizer.batched is not None
    return SCHEMES[optimizer.batched.scheme](optimizer, dict(optimizer.batched.arguments), apart)


def _newton_schulz(optimizer: OptimizerClass, numbers: dict[str, Fraction], apart: bool) -> str:
    factor = _factor(optimizer.factor)
    values = {name: repr(float(numbers[name])) for name in ("a", "b", "c", "eps")}
    ways = APART if apart else WHOLE
    shape = f"rows, columns = {ways['sides']}\n            " if factor else ""
    rate = f'group["lr"] * {factor}' if factor else 'group["lr"]'
    text = NEWTON_SCHULZ.format(
        name=class_name(optimizer), path=optimizer.path, steps=int(numbers["steps"]), shape=shape, rate=rate,
        **values, **ways,
    )  # fmt: skip
    return text.strip()


def _factor(factor: Formula) -> str:
    return "" if factor == UNIT else python(factor, lambda s: ROWS[s.name])


NEWTON_SCHULZ = '''
class {name}(torch.optim.Optimizer):
    """What `{path}` does, for all matrices of one shape at once.

    The momentum, one step ahead, is orthogonalised in bfloat16 by Newton and Schulz'
    iteration. Decay is by `lr` itself, the step by `lr` times the class's factor.
    """

    def __init__(self, groups: list[dict]) -> None:
        super().__init__(groups, {{}})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        shapes = {{}}
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault({size}, []).append((p, group))
        for same in shapes.values():
            ahead = [{ahead} for p, group in same]
            self.move(same, {updates})
        return loss

    def momentum(self, p: Tensor, decay: float) -> Tensor:
        """The running mean of gradients, seen one step ahead (Nesterov)."""
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p.grad)
        mean = state["momentum_buffer"].lerp_(p.grad, 1 - decay)
        return p.grad.lerp(mean, decay)

{method}    def orthogonal(self, g: Tensor) -> Tensor:
        """Matrices [B, rows, columns] with their singular values brought close to 1."""
        wide = g.size(-2) <= g.size(-1)
        x = (g if wide else g.mT).bfloat16()
        x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min={eps})
        for _ in range({steps}):
            gram = x @ x.mT
            gram = torch.baddbmm(gram, gram, gram, beta={b}, alpha={c})
            x = torch.baddbmm(x, gram, x, beta={a})
        return (x if wide else x.mT).to(g.dtype)

    def move(self, same: list[tuple[Tensor, dict]], updates: {many}) -> None:
        for (p, group), update in zip(same, updates, strict=True):
            {shape}rate = {rate}
            p.mul_(1 - group["lr"] * group["weight_decay"])
            {moved}.sub_(rate * update)
'''

WHOLE = {
    "size": "p.shape",
    "sides": "p.shape",
    "ahead": 'self.momentum(p, group["momentum"])',
    "updates": "self.orthogonal(torch.stack(ahead))",
    "many": "Tensor",
    "moved": "p",
    "method": "",
}
APART = {
    "size": "self.parts(p, group).shape[1:]",
    "sides": "update.shape[-2:]",
    "ahead": 'self.parts(self.momentum(p, group["momentum"]), group)',
    "updates": "self.orthogonal(torch.cat(ahead)).split(list(map(len, ahead)))",
    "many": "tuple[Tensor, ...]",
    "moved": "self.parts(p, group)",
    "method": '''    def parts(self, p: Tensor, group: dict) -> Tensor:
        """The matrices [parts, rows, columns] that a parameter is made of, as a view of it."""
        side, parts = group.get("split", (0, 1))
        return p.unflatten(side, (parts, -1)).movedim(side, 0)

''',
}

SCHEMES: dict[str, Callable[[OptimizerClass, dict[str, Fraction], bool], str]] = {"newton_schulz": _newton_schulz}
