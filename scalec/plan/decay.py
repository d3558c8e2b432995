"""Weight decay between conventions: the rule's `wd.kind` and what the optimizer's class does.

`torch` shrinks a weight by `lr*wd` per step, `independent` by `wd`, `l2` adds `wd*w` to the gradient.
The plan's `wd` is in the optimizer's convention; decay per step is shown whatever the convention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.plan.model import Quantity
from scalec.symbolic import formula as f


@dataclass(frozen=True)
class Decay:
    """`rule`: the convention of the rule's number; `optimizer`: that of the class; `family` its update."""

    rule: str
    optimizer: str
    family: str


def convert_decay(
    numbers: dict[str, Quantity], decay: Decay, is_zero: Callable[[Quantity], bool], reporter: Reporter
) -> tuple[dict[str, Quantity], Quantity | None]:
    """The numbers with `wd` in the optimizer's convention, and decay per step where there is such a number."""
    if "wd" not in numbers or "lr" not in numbers:
        return numbers, None
    lr, wd = numbers["lr"], numbers["wd"]
    match decay.rule, decay.optimizer:
        case rule, own if rule == own or is_zero(wd):
            converted = wd
        case "independent", "torch" if is_zero(lr):
            reporter.report(
                codes.DECAY,
                "the optimizer decays by `lr * wd`, and `lr` is 0 here",
                next((o.span for o in wd.origins if o.span), None),
                helps=["set `wd = 0` where `lr = 0`"],
            )
            converted = wd
        case "independent", "torch":
            converted = _times(wd, lr, -1)
        case "torch", "independent":
            converted = _times(wd, lr, 1)
        case _:
            reporter.report(
                codes.DECAY,
                f"the rule's `wd` is `{decay.rule}`, the optimizer decays `{decay.optimizer}`",
                next((o.span for o in wd.origins if o.span), None),
                notes=["decay of the weight and L2 in the gradient differ under every optimizer with memory"],
                helps=[f"say it in the optimizer's convention: `wd.kind = {decay.optimizer}`, or set `wd = 0`"],
            )
            converted = wd
    per_step = converted if is_zero(converted) else _per_step(converted, lr, decay)
    return numbers | {"wd": converted}, per_step


def _per_step(wd: Quantity, lr: Quantity, decay: Decay) -> Quantity | None:
    """How much of a weight one step takes away; L2 through a normalised update has no such number."""
    if decay.optimizer == "independent":
        return wd
    if decay.optimizer == "torch" or (decay.optimizer == "l2" and decay.family == "sgd"):
        return _times(wd, lr, 1)
    return None


def _times(left: Quantity, right: Quantity, exponent: int) -> Quantity:
    def times(a: f.Formula, b: f.Formula) -> f.Formula:
        return f.mul(a, f.power(b, exponent))

    origins = tuple(dict.fromkeys((*left.origins, *right.origins)))
    return Quantity(
        times(left.anchor, right.anchor),
        times(left.law, right.law),
        times(left.formula, right.formula),
        origins,
    )
