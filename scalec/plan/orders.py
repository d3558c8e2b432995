"""From a plan to what the calculus reads: the law of every attribute. Input: a `Plan`. Output: `Scaling`."""

from __future__ import annotations

from typing import cast

from scalec.calculus.scaling import Decay, Family, Scaling, TensorScaling
from scalec.plan.model import OptimizerClass, Plan, PlannedTensor, Quantity
from scalec.symbolic.formula import UNIT, ZERO, Formula


def scaling(plan: Plan) -> Scaling:
    """The orders of a rule: those of its laws; what is zero at the base is absent."""
    return Scaling(
        {t.tensor.path: _tensor(t, plan.optimizers[t.optimizer]) for t in plan.tensors},
        {(s.site.path, name): law for s in plan.sites for name, q in s.numbers.items() if (law := _law(q)) is not None},
    )


def _tensor(planned: PlannedTensor, optimizer: OptimizerClass) -> TensorScaling:
    numbers = planned.numbers
    drawn = planned.init.word not in ("zero", "ones")
    spans = [o.span for q in numbers.values() for o in q.origins if o.span]
    return TensorScaling(
        init=_law(numbers["init.std"]) if drawn else (UNIT if planned.init.word == "ones" else None),
        lr=_law(numbers["lr"]) if "lr" in numbers else None,
        family=cast(Family, optimizer.family),
        scale=tuple(_law(numbers["scale"]) or UNIT for _ in planned.tensor.uses),
        eps=_law(numbers["eps"]) if "eps" in numbers else None,
        wd=_law(numbers["wd"]) if "wd" in numbers else None,
        decay=cast(Decay, optimizer.decay),
        span=spans[-1] if spans else None,
    )


def _law(quantity: Quantity) -> Formula | None:
    """How a value moves; None where it is zero at every size."""
    return None if quantity.anchor == ZERO else quantity.law
