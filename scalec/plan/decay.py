"""From what a rule means to what an optimizer's class takes: decay between conventions, a factor divided out.

`torch` shrinks a weight by `lr*wd` per step, `independent` by `wd`, `l2` adds `wd*w` to the gradient, which is
the first under SGD without momentum and is no decay of the weight under anything else.
The plan's `wd` is in the optimizer's convention; decay per step is shown whatever the convention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.plan.model import Origin, Quantity
from scalec.plan.sizes import at_base
from scalec.symbolic import formula as f
from scalec.symbolic.formula import Formula


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
    forgets = decay.family == "sgd" and ("momentum" not in numbers or is_zero(numbers["momentum"]))
    rule, own = (_same(kind, forgets) for kind in (decay.rule, decay.optimizer))
    match rule, own:
        case _ if rule == own or is_zero(wd):
            converted = wd
        case "independent", "torch" if is_zero(lr):
            message = "the optimizer decays by `lr * wd`, and `lr` is 0 here"
            converted = _refused(wd, message, reporter, helps=["set `wd = 0` where `lr = 0`"])
        case "independent", "torch":
            converted = _times(wd, lr, -1)
        case "torch", "independent":
            converted = _times(wd, lr, 1)
        case _, "none":
            message = "the optimizer does not decay, and `wd` is not 0"
            converted = _refused(wd, message, reporter, helps=["set `wd = 0`"])
        case _:
            converted = _refused(
                wd, f"the rule's `wd` is `{decay.rule}`, the optimizer decays `{decay.optimizer}`", reporter,
                notes=["decay of the weight and L2 in the gradient differ under every optimizer with memory"],
                helps=[f"say it in the optimizer's convention: `wd.kind = {decay.optimizer}`, or set `wd = 0`"],
            )  # fmt: skip
    per_step = converted if is_zero(converted) else _per_step(converted, lr, decay)
    return numbers | {"wd": converted}, per_step


def _same(kind: str, forgets: bool) -> str:
    """Under SGD without memory L2 in the gradient shrinks the weight by `lr * wd`, as decay of the weight does."""
    return "torch" if forgets and kind == "l2" else kind


def _refused(
    wd: Quantity, message: str, reporter: Reporter, *, notes: Iterable[str] = (), helps: Iterable[str]
) -> Quantity:
    """Reports, and leaves the number as it is."""
    span = next((o.span for o in wd.origins if o.span), None)
    reporter.report(codes.DECAY, message, span, notes=notes, helps=helps)
    return wd


def divide_factor(numbers: dict[str, Quantity], factor: Formula, origin: Origin, decay: Decay) -> dict[str, Quantity]:
    """The numbers of a class that multiplies its update, though not its decay, by a factor of its own."""
    base = at_base(factor)
    own = Quantity(base, f.divide(factor, base), factor, (origin,))
    divided = {"lr": _times(numbers["lr"], own, -1)} if "lr" in numbers else {}
    if decay.optimizer == "torch" and "wd" in numbers:
        divided["wd"] = _times(numbers["wd"], own, 1)  # the class decays by its lr * wd
    return numbers | divided


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
        left.losers,
    )
