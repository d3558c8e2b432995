"""From a plan to what the calculus reads: the law of every attribute. Input: a `Plan`. Output: `Scaling`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from scalec.calculus.scaling import Decay, Family, Scaling, TensorScaling
from scalec.plan.model import OptimizerClass, Plan, PlannedTensor, Quantity
from scalec.program.program import Use
from scalec.symbolic.formula import UNIT, ZERO, Formula, substitute, symbols


def scaling(plan: Plan) -> Scaling:
    """The orders of a rule: those of its laws; what is zero at the base is absent."""
    clip = plan.run.get("clip")
    return Scaling(
        {t.tensor.path: _tensor(plan, t, plan.optimizers[t.optimizer] if t.optimizer else None) for t in plan.tensors},
        {
            (s.site.path, name): law
            for s in plan.sites
            for name, q in s.numbers.items()
            if (law := _law(plan, q)) is not None
        },
        _law(plan, clip) if isinstance(clip, Quantity) else None,
        tuple(_fits(plan)),
    )


def _fits(plan: Plan) -> Iterator[tuple[str, str, str]]:
    places = {t.tensor.path: t.said for t in plan.tensors} | {s.site.path: s.numbers for s in plan.sites}
    for path, numbers in places.items():
        yield from ((path, name, law.name) for name, q in numbers.items() for law in plan.fits(q))


def _tensor(plan: Plan, planned: PlannedTensor, optimizer: OptimizerClass | None) -> TensorScaling:
    """A frozen tensor has no optimizer; its weights are those of the start, whatever drew or trained them."""

    def law(name: str) -> Formula | None:
        return _law(plan, numbers[name]) if name in numbers else None

    numbers = planned.said
    drawn = planned.init.word not in ("zero", "ones")
    said = {name: [o.span for o in q.origins if o.span] for name, q in numbers.items()}
    return TensorScaling(
        init=law("init.std") if drawn else (UNIT if planned.init.word == "ones" else None),
        lr=law("lr"),
        family=family_of(optimizer),
        effect=_effect(optimizer, planned.tensor.uses[0], law("lr")),
        scale=tuple(law(use.scale) or UNIT for use in planned.tensor.uses),
        shared=tuple(axis.name for axis in planned.shared_axes),
        eps=law("eps"),
        wd=law("wd"),
        decay=cast(Decay, planned.wd_kind.word),
        parts=planned.parts.count if planned.parts else UNIT,
        spans={name: spans[-1] for name, spans in said.items() if spans},
    )


def family_of(optimizer: OptimizerClass | None) -> Family:
    if optimizer is None:
        return "sgd"  # without a learning rate any family does nothing
    return cast(Family, optimizer.family)


def _effect(optimizer: OptimizerClass | None, use: Use, lr: Formula | None) -> Formula | None:
    """What an optimizer declares of its update, said of one tensor and its rate."""
    if optimizer is None or optimizer.effect is None or lr is None:
        return None
    said = {"fan_in": use.fan_in, "fan_out": use.fan_out, "lr": lr}
    return substitute(optimizer.effect, lambda symbol: said.get(symbol.name))


def _law(plan: Plan, quantity: Quantity) -> Formula | None:
    """How a value moves; None where it is zero at every size, be it since the run's value is.

    What differs from layer to layer has no one value at the base to move from: it counts as it stands.
    """
    runs = (plan.run[s.name] for s in symbols(quantity.formula) if s.kind == "run" and s.name in plan.run)
    zero = quantity.formula == ZERO or any(isinstance(q, Quantity) and q.formula == ZERO for q in runs)
    layered = any(s.kind == "layer" for s in symbols(quantity.formula))
    return None if zero else quantity.formula if layered else plan.moves(quantity)
