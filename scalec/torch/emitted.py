"""Emitted code as live modules. Input: a plan. Output: a model and an optimizer at any size, freshly drawn.

What is run is the text that `compile` writes, word for word.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType

import torch
from torch import nn

from scalec.calculus.structure import Structure
from scalec.diagnostics import Reporter
from scalec.emit.columns import plain_number
from scalec.emit.model import model_text
from scalec.emit.names import Stamp
from scalec.emit.optim import optim_text
from scalec.plan.model import Plan
from scalec.program.ops import Gain, Input, Linear, Scale
from scalec.torch.mixtures import mixtures
from scalec.torch.probes import Run, flat

Sizes = Mapping[str, Fraction]


@dataclass(frozen=True)
class Emitted:
    """`model.py` and `optim.py` of a plan, imported."""

    plan: Plan
    model: ModuleType
    optim: ModuleType

    def build(self, sizes: Sizes, seed: int, lr: float | None = None) -> Run:
        """The network at `sizes`, all of its dimensions, drawn from `seed` in float64, and its optimizer."""
        config = self.model.Config(**{name: plain_number(size) for name, size in sizes.items()})
        generator = torch.Generator().manual_seed(seed)
        network: nn.Module = self.model.build_model(config, "cpu", torch.float64, generator=generator)
        optimizer: torch.optim.Optimizer = self.optim.build_optimizer(network, config, lr)
        return Run(self.plan.program, sizes, network, optimizer, self._outer(sizes), self._inner(sizes))

    def _outer(self, sizes: Sizes) -> dict[str, float]:
        """Multipliers that emitted code puts behind a module: those of tables, read either way, and gains."""
        operations = tuple(flat(self.plan.program.operations))
        one_hot = {op.out for op in operations if isinstance(op, Input) and op.one_hot}
        tables = [op for op in operations if isinstance(op, Linear) and (op.use or op.x in one_hot)]
        planned = {op: self.plan.tensor[op.tensor] for op in operations if isinstance(op, Gain) or op in tables}
        uses = {op: op.use if isinstance(op, Linear) else 0 for op in planned}
        names = {op: planned[op].tensor.uses[uses[op]].scale for op in planned}
        return {op.out: self.plan.value(planned[op].numbers[names[op]], sizes) for op in planned}

    def _inner(self, sizes: Sizes) -> dict[str, float]:
        """Multipliers between copies and their sum."""
        found: dict[str, float] = {}
        for op in (op for mixture in mixtures(Structure(self.plan.program)) for op in mixture.inner):
            match op:
                case Scale():
                    quantity = self.plan.site[op.site].numbers.get(op.attribute)
                case Linear():
                    planned = self.plan.tensor[op.tensor]
                    quantity = planned.numbers[planned.tensor.uses[op.use].scale]
                case _:
                    continue
            found[op.out] = 1.0 if quantity is None else self.plan.value(quantity, sizes)
        return found


def load_emitted(plan: Plan) -> Emitted:
    """Import what `compile` would write. Raises ScalecError where it would."""
    reporter, stamp = Reporter(), Stamp("", "")
    texts = (model_text(plan, plan.sizes[0], stamp, reporter), optim_text(plan, stamp))
    reporter.stop_on_errors()
    model, optim = ModuleType("model"), ModuleType("optim")
    before = sys.modules.get("model")
    sys.modules["model"] = model  # `optim.py` imports its neighbour by this name, dataclasses look it up
    try:
        for module, text in zip((model, optim), texts, strict=True):
            exec(compile(text, f"{module.__name__}.py", "exec"), module.__dict__)
    finally:
        if before is None:
            del sys.modules["model"]
        else:
            sys.modules["model"] = before
    return Emitted(plan, model, optim)
